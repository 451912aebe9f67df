//! Meta's rules for the values of a template: names, counts and lengths.

use super::parameter::Parameter;
use super::template::{ButtonKind, Card, Component, TemplateContent};
use crate::content::MediaKind;
use crate::content::Problems;

/// Longest template name, in characters. Source: Meta, "Template management".
pub(crate) const MAX_NAME: usize = 512;
/// Longest text of a header, in characters.
pub(crate) const MAX_HEADER: usize = 60;
/// Longest value of a text parameter, in characters. Source: Meta's `OpenAPI`
/// document, `TextParameter`.
const MAX_TEXT: usize = 32_768;
/// Longest payload of a quick-reply button, in characters.
const MAX_PAYLOAD: usize = 256;
/// Longest coupon code, in characters. Source: Meta, "Coupon code templates".
const MAX_COUPON: usize = 20;
/// The highest index of a button; a template has ten at most.
const MAX_BUTTON_INDEX: u8 = 9;

impl TemplateContent {
    pub(super) fn check(&self, problems: &mut Problems) {
        check_identity(&self.name, &self.language, problems);
        problems.each("components", &self.components, Component::check);
        problems.at("components", |problems| check_once_each(&self.components, problems));
    }
}

/// Checks the name and the language of a template.
pub(crate) fn check_identity(name: &str, language: &str, problems: &mut Problems) {
    if !is_template_name(name) {
        problems.report("name", "must be 1 to 512 small letters, digits and underscores");
    }
    if !is_language(language) {
        problems.report("language", "must be a language code such as es, en_US or pt_BR");
    }
}

/// Whether Meta accepts it as a template's name.
fn is_template_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(allowed)
}

/// Whether it has the shape of a language: `es`, `fil`, `en_US`.
fn is_language(code: &str) -> bool {
    let (language, country) = code.split_once('_').unwrap_or((code, "XX"));
    let language_fits =
        (2..=3).contains(&language.len()) && language.bytes().all(|byte| byte.is_ascii_lowercase());
    language_fits
        && (2..=4).contains(&country.len())
        && country.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

impl Component {
    fn check(&self, problems: &mut Problems) {
        match self {
            Self::Header { parameters } => check_header(parameters, problems),
            Self::Body { parameters } => check_body(parameters, problems),
            Self::Button { sub_type, index, parameters } => {
                check_button(*sub_type, *index, parameters, problems);
            }
            Self::Carousel { cards } => check_cards(cards, problems),
            Self::LimitedTimeOffer { parameters } => check_offer(parameters, problems),
        }
    }

    /// What can stand only once among the components, by name.
    fn slot(&self) -> String {
        match self {
            Self::Header { .. } => "header".to_owned(),
            Self::Body { .. } => "body".to_owned(),
            Self::Button { index, .. } => format!("button {index}"),
            Self::Carousel { .. } => "carousel".to_owned(),
            Self::LimitedTimeOffer { .. } => "limited_time_offer".to_owned(),
        }
    }
}

fn check_once_each(components: &[Component], problems: &mut Problems) {
    let mut slots: Vec<_> = components.iter().map(Component::slot).collect();
    slots.sort();
    for twice in slots.windows(2).filter(|pair| pair[0] == pair[1]) {
        problems.add(format!("there are two for the {}", twice[0]));
    }
}

fn check_header(parameters: &[Parameter], problems: &mut Problems) {
    problems.count("parameters", parameters.len(), 1, 1);
    problems.each("parameters", parameters, |parameter, problems| match parameter {
        Parameter::Text { text, .. } => problems.text("text", text, MAX_HEADER),
        Parameter::Currency { .. }
        | Parameter::DateTime { .. }
        | Parameter::Image { .. }
        | Parameter::Video { .. }
        | Parameter::Document { .. }
        | Parameter::Location { .. }
        | Parameter::Product { .. } => parameter.check(problems),
        Parameter::Payload { .. }
        | Parameter::CouponCode { .. }
        | Parameter::Action { .. }
        | Parameter::LimitedTimeOffer { .. } => misplaced(parameter, "a header", problems),
    });
}

fn check_body(parameters: &[Parameter], problems: &mut Problems) {
    problems.each("parameters", parameters, |parameter, problems| {
        if parameter.shown().is_none() {
            misplaced(parameter, "a body", problems);
        }
        parameter.check(problems);
    });
    let mut names: Vec<_> = parameters.iter().filter_map(Parameter::name).collect();
    if !names.is_empty() && names.len() != parameters.len() {
        problems.report("parameters", "either all or none have a `parameter_name`");
    }
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        problems.report("parameters", "two have the same `parameter_name`");
    }
}

fn check_button(kind: ButtonKind, index: u8, parameters: &[Parameter], problems: &mut Problems) {
    if index > MAX_BUTTON_INDEX {
        problems.report("index", "must be 0 to 9");
    }
    problems.count("parameters", parameters.len(), 1, 1);
    problems.each("parameters", parameters, |parameter, problems| {
        if parameter.kind() != kind.takes() {
            problems.add(format!("this sort of button takes a value of type {}", kind.takes()));
        }
        parameter.check(problems);
        check_one_line(parameter, problems);
    });
}

/// In a text a line break becomes a space; what a button carries is sent as it is.
fn check_one_line(parameter: &Parameter, problems: &mut Problems) {
    let (field, value) = match parameter {
        Parameter::Text { text, .. } => ("text", text),
        Parameter::Payload { payload } => ("payload", payload),
        Parameter::CouponCode { coupon_code } => ("coupon_code", coupon_code),
        _ => return,
    };
    if value.contains(['\n', '\r', '\t']) {
        problems.report(field, "must not contain line breaks or tabs");
    }
}

impl ButtonKind {
    /// The type of its value.
    fn takes(self) -> &'static str {
        match self {
            Self::QuickReply => "payload",
            Self::Url => "text",
            Self::CopyCode => "coupon_code",
            Self::Flow | Self::Catalog | Self::Mpm => "action",
        }
    }
}

fn check_cards(cards: &[Card], problems: &mut Problems) {
    problems.count("cards", cards.len(), 2, 10);
    problems.each("cards", cards, |card, problems| {
        problems.each("components", &card.components, |component, problems| match component {
            Component::Carousel { .. } | Component::LimitedTimeOffer { .. } => {
                problems.add("not allowed in a card");
            }
            Component::Header { .. } | Component::Body { .. } | Component::Button { .. } => {
                component.check(problems);
            }
        });
        problems.at("components", |problems| check_once_each(&card.components, problems));
    });
    let in_order =
        cards.iter().enumerate().all(|(place, card)| usize::from(card.card_index) == place);
    if !in_order {
        problems.report("cards", "their `card_index` must count up from 0");
    }
    if cards.windows(2).any(|pair| pair[0].shape() != pair[1].shape()) {
        problems.report("cards", "all must have the same header type and buttons");
    }
}

impl Card {
    fn shape(&self) -> Vec<String> {
        let kinds = |parameters: &[Parameter]| {
            parameters.iter().map(Parameter::kind).collect::<Vec<_>>().join(",")
        };
        let shape = |component: &Component| match component {
            Component::Header { parameters } | Component::Button { parameters, .. } => {
                Some(format!("{} {}", component.slot(), kinds(parameters)))
            }
            Component::Body { .. } => None,
            Component::Carousel { .. } | Component::LimitedTimeOffer { .. } => {
                Some(component.slot())
            }
        };
        self.components.iter().filter_map(shape).collect()
    }
}

fn check_offer(parameters: &[Parameter], problems: &mut Problems) {
    problems.count("parameters", parameters.len(), 1, 1);
    problems.each("parameters", parameters, |parameter, problems| {
        if !matches!(parameter, Parameter::LimitedTimeOffer { .. }) {
            misplaced(parameter, "a limited-time offer", problems);
        }
    });
}

fn misplaced(parameter: &Parameter, place: &str, problems: &mut Problems) {
    problems.add(format!("a value of type {} can't stand in {place}", parameter.kind()));
}

impl Parameter {
    fn check(&self, problems: &mut Problems) {
        if let Some(name) = self.name() {
            problems.text("parameter_name", name, MAX_NAME);
        }
        match self {
            Self::Text { text, .. } => problems.text("text", text, MAX_TEXT),
            Self::Currency { currency, .. } => {
                problems.text("currency.fallback_value", &currency.fallback_value, MAX_TEXT);
                check_currency(&currency.code, problems);
            }
            Self::DateTime { date_time, .. } => {
                problems.text("date_time.fallback_value", &date_time.fallback_value, MAX_TEXT);
            }
            Self::Image { image } => image.check(MediaKind::Image, problems),
            Self::Video { video } => video.check(MediaKind::Video, problems),
            Self::Document { document } => document.check(MediaKind::Document, problems),
            Self::Location { location } => {
                problems.text("location.latitude", &location.latitude, MAX_HEADER);
                problems.text("location.longitude", &location.longitude, MAX_HEADER);
            }
            Self::Product { product } => {
                problems.text(
                    "product.product_retailer_id",
                    &product.product_retailer_id,
                    MAX_NAME,
                );
            }
            Self::Payload { payload } => problems.text("payload", payload, MAX_PAYLOAD),
            Self::CouponCode { coupon_code } => {
                problems.text("coupon_code", coupon_code, MAX_COUPON);
            }
            Self::Action { .. } | Self::LimitedTimeOffer { .. } => {}
        }
    }
}

fn check_currency(code: &str, problems: &mut Problems) {
    if code.len() != 3 || !code.bytes().all(|byte| byte.is_ascii_uppercase()) {
        problems.report("currency.code", "must be an ISO 4217 code such as USD");
    }
}
