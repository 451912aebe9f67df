//! Meta's rules for a new template. Source: Meta, "Template components",
//! "Template management" (errors 2388293 and 2388299).

use super::slots::{Piece, pieces, variables};
use super::{
    BodyPart, ButtonsPart, CarouselPart, Example, FooterPart, HeaderFormat, HeaderPart,
    NamedExample, OfferPart, ParameterFormat, TemplateButton, TemplateButtonKind, TemplateCategory,
    TemplateComponent, TemplateDefinition,
};
use crate::content::{FieldProblem, Problems};
use crate::whatsapp_cloud::content::check_identity;

/// Longest text of a header and of a footer, in characters.
const MAX_EDGE: usize = 60;
/// Longest body, in characters.
const MAX_BODY: usize = 1024;
/// Longest body of a card, in characters.
const MAX_CARD_BODY: usize = 160;
/// Longest text of a button, in characters.
const MAX_BUTTON: usize = 25;
/// Longest web address of a button, in characters.
const MAX_URL: usize = 2000;
/// Longest text of a limited-time offer, in characters.
const MAX_OFFER: usize = 16;

impl TemplateDefinition {
    /// Checks it against Meta's rules for new templates.
    pub fn validate(&self) -> Result<(), Vec<FieldProblem>> {
        let mut problems = Problems::default();
        check_identity(&self.name, &self.language, &mut problems);
        let rules = Rules {
            format: self.parameter_format,
            category: self.category,
            longest_body: MAX_BODY,
        };
        problems.each("components", &self.components, |component, problems| {
            rules.check(component, problems);
        });
        let bodies = self
            .components
            .iter()
            .filter(|part| matches!(part, TemplateComponent::Body(_)))
            .count();
        if bodies != 1 {
            problems.report("components", "need exactly one BODY");
        }
        problems.into_result()
    }
}

struct Rules {
    format: ParameterFormat,
    category: TemplateCategory,
    longest_body: usize,
}

impl Rules {
    fn check(&self, component: &TemplateComponent, problems: &mut Problems) {
        match component {
            TemplateComponent::Header(header) => self.check_header(header, problems),
            TemplateComponent::Body(body) => self.check_body(body, problems),
            TemplateComponent::Footer(footer) => check_footer(footer, problems),
            TemplateComponent::Buttons(part) => check_buttons(part, problems),
            TemplateComponent::Carousel(part) => self.check_cards(part, problems),
            TemplateComponent::LimitedTimeOffer(part) => check_offer(part, problems),
            TemplateComponent::Other(_) => {}
        }
    }

    fn check_header(&self, header: &HeaderPart, problems: &mut Problems) {
        if header.format != HeaderFormat::Text {
            return;
        }
        let text = header.text.as_deref().unwrap_or("");
        problems.text("text", text, MAX_EDGE);
        if variables(text).len() > 1 {
            problems.report("text", "may have one variable");
        }
        let samples = Samples::of_header(header.example.as_ref());
        self.check_variables(text, &samples, problems);
    }

    fn check_body(&self, body: &BodyPart, problems: &mut Problems) {
        let Some(text) = body.text.as_deref() else {
            if self.category != TemplateCategory::Authentication {
                problems.report("text", "must not be empty");
            }
            return;
        };
        problems.text("text", text, self.longest_body);
        let samples = Samples::of_body(body.example.as_ref());
        self.check_variables(text, &samples, problems);
        check_edges(text, problems);
    }

    fn check_variables(&self, text: &str, samples: &Samples<'_>, problems: &mut Problems) {
        let names = variables(text);
        match self.format {
            ParameterFormat::Positional => check_numbers(&names, problems),
            ParameterFormat::Named => check_names(&names, problems),
        }
        if !samples.cover(&names, self.format) {
            problems.report("example", "must have one sample for each variable");
        }
    }

    fn check_cards(&self, part: &CarouselPart, problems: &mut Problems) {
        problems.count("cards", part.cards.len(), 2, 10);
        let rules = Rules { longest_body: MAX_CARD_BODY, ..*self };
        problems.each("cards", &part.cards, |card, problems| {
            problems.each("components", &card.components, |component, problems| match component {
                TemplateComponent::Carousel(_) | TemplateComponent::LimitedTimeOffer(_) => {
                    problems.add("not allowed in a card");
                }
                component => rules.check(component, problems),
            });
        });
        if part
            .cards
            .windows(2)
            .any(|pair| shape(&pair[0].components) != shape(&pair[1].components))
        {
            problems.report("cards", "all must have the same header format and buttons");
        }
    }
}

/// What must be alike on all cards.
fn shape(components: &[TemplateComponent]) -> (Option<HeaderFormat>, Vec<TemplateButtonKind>) {
    let header = components.iter().find_map(|component| match component {
        TemplateComponent::Header(header) => Some(header.format),
        _ => None,
    });
    (header, super::buttons_of(components).iter().map(|button| button.kind).collect())
}

fn check_numbers(names: &[String], problems: &mut Problems) {
    let mut numbers: Vec<_> = names.iter().map(|name| name.parse().unwrap_or(0_usize)).collect();
    numbers.sort_unstable();
    if !numbers.iter().copied().eq(1..=names.len()) {
        problems.report("text", "its variables must be {{1}}, {{2}} and so on without a gap");
    }
}

fn check_names(names: &[String], problems: &mut Problems) {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let fits = |name: &String| {
        name.starts_with(|c: char| c.is_ascii_lowercase()) && name.bytes().all(allowed)
    };
    if !names.iter().all(fits) {
        problems.report("text", "its variables must be small letters, digits and underscores");
    }
}

fn check_edges(text: &str, problems: &mut Problems) {
    let pieces = pieces(text.trim());
    let is_variable = |piece: Option<&Piece<'_>>| matches!(piece, Some(Piece::Variable(_)));
    if is_variable(pieces.first()) || is_variable(pieces.last()) {
        problems.report("text", "must not begin or end with a variable");
    }
    if pieces.windows(2).any(|pair| matches!(pair, [Piece::Variable(_), Piece::Variable(_)])) {
        problems.report("text", "needs words between two variables");
    }
}

fn check_footer(footer: &FooterPart, problems: &mut Problems) {
    let Some(text) = footer.text.as_deref() else { return };
    problems.text("text", text, MAX_EDGE);
    if !variables(text).is_empty() {
        problems.report("text", "may have no variables");
    }
}

fn check_offer(part: &OfferPart, problems: &mut Problems) {
    problems.at_most(
        "limited_time_offer.text",
        part.limited_time_offer.text.as_deref().unwrap_or(""),
        MAX_OFFER,
    );
}

fn check_buttons(part: &ButtonsPart, problems: &mut Problems) {
    problems.count("buttons", part.buttons.len(), 1, 10);
    problems.each("buttons", &part.buttons, check_button);
    let most = [
        (TemplateButtonKind::Url, 2, "URL"),
        (TemplateButtonKind::PhoneNumber, 1, "PHONE_NUMBER"),
        (TemplateButtonKind::CopyCode, 1, "COPY_CODE"),
    ];
    for (kind, most, name) in most {
        if part.buttons.iter().filter(|button| button.kind == kind).count() > most {
            problems.report("buttons", format!("may have at most {most} of type {name}"));
        }
    }
}

fn check_button(button: &TemplateButton, problems: &mut Problems) {
    let text = button.text.as_deref();
    match button.kind {
        TemplateButtonKind::QuickReply | TemplateButtonKind::Flow => {
            problems.text("text", text.unwrap_or(""), MAX_BUTTON);
        }
        TemplateButtonKind::Url => {
            problems.text("text", text.unwrap_or(""), MAX_BUTTON);
            check_url(button.url.as_deref().unwrap_or(""), problems);
        }
        TemplateButtonKind::PhoneNumber => {
            problems.text("text", text.unwrap_or(""), MAX_BUTTON);
            problems.text("phone_number", button.phone_number.as_deref().unwrap_or(""), 20);
        }
        TemplateButtonKind::CopyCode
        | TemplateButtonKind::Otp
        | TemplateButtonKind::Catalog
        | TemplateButtonKind::Mpm
        | TemplateButtonKind::Spm
        | TemplateButtonKind::VoiceCall
        | TemplateButtonKind::CallPermissionRequest
        | TemplateButtonKind::OrderDetails
        | TemplateButtonKind::Unknown => problems.at_most("text", text.unwrap_or(""), MAX_BUTTON),
    }
}

fn check_url(url: &str, problems: &mut Problems) {
    problems.url("url", url);
    problems.at_most("url", url, MAX_URL);
    let variables = variables(url).len();
    if variables > 1 || (variables == 1 && !url.trim_end().ends_with("}}")) {
        problems.report("url", "may have one variable, at its end");
    }
}

/// The samples for the variables of one text.
struct Samples<'a> {
    in_order: &'a [String],
    named: &'a [NamedExample],
}

impl<'a> Samples<'a> {
    fn of_header(example: Option<&'a Example>) -> Self {
        let named = example.map_or(&[][..], |example| &example.header_text_named_params);
        Self { in_order: example.map_or(&[], |example| &example.header_text), named }
    }

    fn of_body(example: Option<&'a Example>) -> Self {
        let named = example.map_or(&[][..], |example| &example.body_text_named_params);
        let in_order = example.and_then(|example| example.body_text.first());
        Self { in_order: in_order.map_or(&[], Vec::as_slice), named }
    }

    fn cover(&self, names: &[String], format: ParameterFormat) -> bool {
        match format {
            ParameterFormat::Positional => self.in_order.len() == names.len(),
            ParameterFormat::Named => {
                names.iter().all(|name| self.named.iter().any(|sample| sample.param_name == *name))
            }
        }
    }
}
