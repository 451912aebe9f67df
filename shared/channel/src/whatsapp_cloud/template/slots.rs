//! What a send of a template must bring: its variables, part by part.

use super::{
    HeaderFormat, HeaderPart, TemplateButton, TemplateButtonKind, TemplateCategory,
    TemplateComponent, TemplateDefinition, body_of, buttons_of, cards_of,
};
use crate::content::MediaKind;
use crate::whatsapp_cloud::content::ButtonKind;

/// What a send of a template, or of a card in it, must bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slots {
    /// For the header.
    pub header: HeaderSlot,
    /// The variables of the body, each once: `1`, `2` or names.
    pub body: Vec<String>,
    /// The buttons that take a value.
    pub buttons: Vec<ButtonSlot>,
    /// Whether a limited-time offer needs its end.
    pub deadline: bool,
    /// For the cards of a carousel.
    pub cards: Vec<Slots>,
}

/// What a header needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderSlot {
    /// Nothing.
    Nothing,
    /// These variables; Meta allows one.
    Text(Vec<String>),
    /// A file.
    File(MediaKind),
    /// A place.
    Location,
    /// A product.
    Product,
}

/// A button that takes a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ButtonSlot {
    /// Its place among the buttons, from 0.
    pub index: u8,
    /// What it takes.
    pub kind: ButtonKind,
    /// Whether a send without it is refused.
    pub required: bool,
}

impl TemplateDefinition {
    /// What a send of it must bring.
    pub fn slots(&self) -> Slots {
        let mut slots = Slots::of(&self.components);
        let written_by_meta =
            self.category == TemplateCategory::Authentication && self.body().is_none();
        if written_by_meta {
            slots.body = vec!["1".to_owned()];
        }
        slots
    }
}

impl Slots {
    fn of(components: &[TemplateComponent]) -> Self {
        let deadline = components.iter().any(|component| match component {
            TemplateComponent::LimitedTimeOffer(part) => part.limited_time_offer.has_expiration,
            _ => false,
        });
        Self {
            header: components.iter().find_map(HeaderSlot::of).unwrap_or(HeaderSlot::Nothing),
            body: variables(body_of(components).unwrap_or("")),
            buttons: (0..).zip(buttons_of(components)).filter_map(ButtonSlot::of).collect(),
            deadline,
            cards: cards_of(components).iter().map(|card| Self::of(&card.components)).collect(),
        }
    }
}

impl HeaderSlot {
    fn of(component: &TemplateComponent) -> Option<Self> {
        match component {
            TemplateComponent::Header(header) => Some(Self::of_header(header)),
            _ => None,
        }
    }

    fn of_header(header: &HeaderPart) -> Self {
        match header.format {
            HeaderFormat::Text => {
                let variables = variables(header.text.as_deref().unwrap_or(""));
                if variables.is_empty() { Self::Nothing } else { Self::Text(variables) }
            }
            HeaderFormat::Image => Self::File(MediaKind::Image),
            HeaderFormat::Video | HeaderFormat::Gif => Self::File(MediaKind::Video),
            HeaderFormat::Document => Self::File(MediaKind::Document),
            HeaderFormat::Location => Self::Location,
            HeaderFormat::Product => Self::Product,
        }
    }
}

impl ButtonSlot {
    fn of((index, button): (u8, &TemplateButton)) -> Option<Self> {
        let slot = |kind, required| Some(Self { index, kind, required });
        let with_variable = button.url.as_deref().is_some_and(|url| !variables(url).is_empty());
        match button.kind {
            TemplateButtonKind::Url if with_variable => slot(ButtonKind::Url, true),
            TemplateButtonKind::Otp => slot(ButtonKind::Url, true),
            TemplateButtonKind::CopyCode => slot(ButtonKind::CopyCode, true),
            TemplateButtonKind::Mpm => slot(ButtonKind::Mpm, true),
            TemplateButtonKind::QuickReply => slot(ButtonKind::QuickReply, false),
            TemplateButtonKind::Flow => slot(ButtonKind::Flow, false),
            TemplateButtonKind::Catalog => slot(ButtonKind::Catalog, false),
            TemplateButtonKind::Url
            | TemplateButtonKind::PhoneNumber
            | TemplateButtonKind::Spm
            | TemplateButtonKind::VoiceCall
            | TemplateButtonKind::CallPermissionRequest
            | TemplateButtonKind::OrderDetails
            | TemplateButtonKind::Unknown => None,
        }
    }
}

/// A piece of a template's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Literal(&'a str),
    Variable(&'a str),
}

/// Takes a template's text apart at its `{{variables}}`.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, inside, after)) = next_variable(rest) {
        pieces.push(Piece::Literal(before));
        pieces.push(Piece::Variable(inside));
        rest = after;
    }
    pieces.push(Piece::Literal(rest));
    pieces.retain(|piece| *piece != Piece::Literal(""));
    pieces
}

fn next_variable(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("{{")?;
    let (inside, after) = rest.split_once("}}")?;
    Some((before, inside.trim(), after))
}

/// The variables of a template's text in their order, each once.
pub(super) fn variables(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for piece in pieces(text) {
        if let Piece::Variable(name) = piece
            && !found.iter().any(|known| known == name)
        {
            found.push(name.to_owned());
        }
    }
    found
}
