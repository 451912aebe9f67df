//! Neutral choices as Meta's interactive messages: up to three short answers become
//! reply buttons, more or longer ones a list. Source: Meta, "Interactive messages".

use super::interactive::{
    ButtonMessage, ButtonsAction, Interactive, ListAction, ListMessage, ReplyButton, ReplyChoice,
    Row, Section, TextPart,
};
use crate::content::{Choice, Choices, FieldProblem};

/// Most reply buttons of a message.
const MAX_BUTTONS: usize = 3;
/// Longest title of a reply button, in characters.
const MAX_BUTTON_TITLE: usize = 20;
/// The label of the button that opens a list, where none is given.
const DEFAULT_LIST_BUTTON: &str = "Options";

impl From<&Choices> for Interactive {
    fn from(choices: &Choices) -> Self {
        let body = TextPart { text: choices.body.clone() };
        let footer = choices.footer.clone().map(|text| TextPart { text });
        if fit_buttons(choices) {
            let buttons = choices.options.iter().map(button).collect();
            let action = ButtonsAction { buttons };
            return Self::Button(ButtonMessage { header: None, body, footer, action });
        }
        let rows = choices.options.iter().map(row).collect();
        let button = choices.button.as_deref().unwrap_or(DEFAULT_LIST_BUTTON).to_owned();
        let action = ListAction { button, sections: vec![Section { title: None, rows }] };
        Self::List(ListMessage { header: None, body, footer, action })
    }
}

/// Paths of an interactive message, and of the choices that it was made of.
const PATHS: [(&str, &str); 7] = [
    ("interactive.action.sections[0].rows", "choices.options"),
    ("interactive.action.sections", "choices.options"),
    ("interactive.action.buttons", "choices.options"),
    ("interactive.action.button", "choices.button"),
    ("interactive.body.text", "choices.body"),
    ("interactive.footer.text", "choices.footer"),
    (".reply.", "."),
];

/// The problems at the paths of the choices, one for each path.
pub(super) fn at_choices(mut problems: Vec<FieldProblem>) -> Vec<FieldProblem> {
    for problem in &mut problems {
        for (path, own) in PATHS {
            problem.field = problem.field.replace(path, own);
        }
    }
    problems.dedup_by(|one, other| one.field == other.field);
    problems
}

fn fit_buttons(choices: &Choices) -> bool {
    let short = |choice: &Choice| {
        choice.description.is_none() && choice.title.chars().count() <= MAX_BUTTON_TITLE
    };
    choices.button.is_none()
        && choices.options.len() <= MAX_BUTTONS
        && choices.options.iter().all(short)
}

fn button(choice: &Choice) -> ReplyButton {
    let reply = ReplyChoice { id: choice.id.clone(), title: choice.title.clone() };
    ReplyButton::Reply { reply }
}

fn row(choice: &Choice) -> Row {
    Row {
        id: choice.id.clone(),
        title: choice.title.clone(),
        description: choice.description.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn sent(choices: Value) -> Value {
        json!(Interactive::from(&serde_json::from_value::<Choices>(choices).unwrap()))
    }

    #[test]
    fn up_to_three_short_answers_become_reply_buttons() {
        let message = sent(json!({"body": "Coming?", "options": [
            {"id": "y", "title": "Yes"}, {"id": "n", "title": "No"}]}));
        assert_eq!(message["type"], "button");
        assert_eq!(message["action"]["buttons"][1]["reply"], json!({"id": "n", "title": "No"}));
    }

    #[test]
    fn more_or_longer_answers_become_a_list() {
        let four: Vec<_> = (0..4).map(|n| json!({"id": n.to_string(), "title": "A"})).collect();
        let long = json!([{"id": "y", "title": "Yes, and my family, too"}]);
        let described = json!([{"id": "y", "title": "Yes", "description": "with children"}]);
        for options in [json!(four), long, described] {
            let message = sent(json!({"body": "Coming?", "options": options}));
            assert_eq!(message["type"], "list");
            assert_eq!(message["action"]["button"], "Options");
            assert_eq!(message["action"]["sections"][0]["rows"][0]["id"], options[0]["id"]);
        }
    }
}
