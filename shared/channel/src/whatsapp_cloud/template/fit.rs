//! Whether the values of a send are those that a template needs. Meta checks the
//! same, but only when the first message is sent.

use super::preview::{body_values, card_values, header_values};
use super::slots::{ButtonSlot, HeaderSlot, Slots};
use super::{ParameterFormat, TemplateDefinition};
use crate::content::{FieldProblem, Problems};
use crate::whatsapp_cloud::content::{ButtonKind, Card, Component, Parameter, TemplateContent};

impl TemplateDefinition {
    /// Whether the values in `content` are those that this template needs.
    pub fn fits(&self, content: &TemplateContent) -> Result<(), Vec<FieldProblem>> {
        let mut problems = Problems::default();
        problems.at("template", |problems| {
            if content.name != self.name {
                problems.report("name", "is another template's");
            }
            if content.language != self.language {
                problems
                    .report("language", format!("must be {}, as the template's", self.language));
            }
            let fit = Fit { format: self.parameter_format };
            problems.at("components", |problems| {
                fit.check(&self.slots(), &content.components, problems);
            });
        });
        problems.into_result()
    }
}

struct Fit {
    format: ParameterFormat,
}

impl Fit {
    fn check(&self, slots: &Slots, values: &[Component], problems: &mut Problems) {
        problems.at("header", |problems| {
            self.check_header(&slots.header, header_values(values), problems);
        });
        problems
            .at("body", |problems| self.check_texts(&slots.body, body_values(values), problems));
        check_buttons(&slots.buttons, values, problems);
        check_deadline(slots.deadline, values, problems);
        problems.at("carousel", |problems| {
            self.check_cards(&slots.cards, card_values(values), problems);
        });
    }

    fn check_header(&self, slot: &HeaderSlot, values: &[Parameter], problems: &mut Problems) {
        let expected = match slot {
            HeaderSlot::Text(variables) => return self.check_texts(variables, values, problems),
            HeaderSlot::Nothing => None,
            HeaderSlot::File(kind) => Some(kind.as_str()),
            HeaderSlot::Location => Some("location"),
            HeaderSlot::Product => Some("product"),
        };
        match (expected, values) {
            (None, []) => {}
            (None, _) => problems.add("the template's header takes no value"),
            (Some(expected), [value]) if value.kind() == expected => {}
            (Some(expected), _) => {
                problems.add(format!("the template's header takes one value of type {expected}"));
            }
        }
    }

    fn check_texts(&self, variables: &[String], values: &[Parameter], problems: &mut Problems) {
        if variables.len() != values.len() {
            let (given, needed) = (values.len(), variables.len());
            problems.add(format!("has {given} values, and the template has {needed} variables"));
        }
        match self.format {
            ParameterFormat::Positional if values.iter().any(|value| value.name().is_some()) => {
                problems.add("the template's variables have no names");
            }
            ParameterFormat::Positional => {}
            ParameterFormat::Named => check_names(variables, values, problems),
        }
    }

    fn check_cards(&self, slots: &[Slots], cards: &[Card], problems: &mut Problems) {
        if slots.len() != cards.len() {
            let (given, needed) = (cards.len(), slots.len());
            problems.add(format!("has {given} cards, and the template has {needed}"));
        }
        for (index, (slots, card)) in slots.iter().zip(cards).enumerate() {
            problems.at(&format!("cards[{index}]"), |problems| {
                self.check(slots, &card.components, problems);
            });
        }
    }
}

fn check_names(variables: &[String], values: &[Parameter], problems: &mut Problems) {
    for variable in variables {
        if !values.iter().any(|value| value.name() == Some(variable)) {
            problems.add(format!("has no value with the parameter_name {variable}"));
        }
    }
}

fn check_buttons(slots: &[ButtonSlot], values: &[Component], problems: &mut Problems) {
    let given = buttons_in(values);
    for slot in slots.iter().filter(|slot| slot.required) {
        if !given.iter().any(|(index, _)| *index == slot.index) {
            problems.report(&format!("buttons[{}]", slot.index), "needs a value");
        }
    }
    for (index, kind) in given {
        let fits = slots.iter().any(|slot| slot.index == index && slot.kind == kind);
        if !fits {
            problems.report(
                &format!("buttons[{index}]"),
                "the template has no such button that takes a value",
            );
        }
    }
}

fn buttons_in(values: &[Component]) -> Vec<(u8, ButtonKind)> {
    let button = |value: &Component| match value {
        Component::Button { sub_type, index, .. } => Some((*index, *sub_type)),
        _ => None,
    };
    values.iter().filter_map(button).collect()
}

fn check_deadline(needed: bool, values: &[Component], problems: &mut Problems) {
    let given = values.iter().any(|value| matches!(value, Component::LimitedTimeOffer { .. }));
    match (needed, given) {
        (true, false) => {
            problems.report("limited_time_offer", "the template's offer needs its end");
        }
        (false, true) => {
            problems.report("limited_time_offer", "the template has no offer with an end");
        }
        (true, true) | (false, false) => {}
    }
}
