//! What a contact will see.

use std::collections::BTreeMap;

use super::slots::{Piece, pieces};
use super::{
    FooterPart, HeaderFormat, HeaderPart, TemplateComponent, TemplateDefinition, body_of,
    buttons_of, cards_of,
};
use crate::templates::Preview;
use crate::whatsapp_cloud::content::{Card, Component, Parameter};

impl TemplateDefinition {
    /// What a contact will see when it is sent with these values.
    pub fn preview(&self, values: &[Component]) -> Preview {
        preview(&self.components, values)
    }
}

fn preview(parts: &[TemplateComponent], values: &[Component]) -> Preview {
    let header = parts.iter().find_map(|part| match part {
        TemplateComponent::Header(header) => Some(show_header(header, values)),
        _ => None,
    });
    let footer = parts.iter().find_map(|part| match part {
        TemplateComponent::Footer(footer) => show_footer(footer),
        _ => None,
    });
    Preview {
        header,
        body: fill(body_of(parts).unwrap_or(""), body_values(values)),
        footer,
        buttons: buttons_of(parts)
            .iter()
            .map(|button| button.text.clone().unwrap_or_default())
            .collect(),
        cards: show_cards(parts, values),
    }
}

fn show_header(header: &HeaderPart, values: &[Component]) -> String {
    match header.format {
        HeaderFormat::Text => fill(header.text.as_deref().unwrap_or(""), header_values(values)),
        HeaderFormat::Image => "[image]".to_owned(),
        HeaderFormat::Video | HeaderFormat::Gif => "[video]".to_owned(),
        HeaderFormat::Document => "[document]".to_owned(),
        HeaderFormat::Location => "[location]".to_owned(),
        HeaderFormat::Product => "[product]".to_owned(),
    }
}

fn show_footer(footer: &FooterPart) -> Option<String> {
    let expires = footer
        .code_expiration_minutes
        .map(|minutes| format!("This code expires in {minutes} minutes."));
    footer.text.clone().or(expires)
}

fn show_cards(parts: &[TemplateComponent], values: &[Component]) -> Vec<Preview> {
    let filled = card_values(values);
    let show = |(index, card): (usize, &super::TemplateCard)| {
        preview(&card.components, filled.get(index).map_or(&[], |card| card.components.as_slice()))
    };
    cards_of(parts).iter().enumerate().map(show).collect()
}

pub(super) fn header_values(values: &[Component]) -> &[Parameter] {
    let found = values.iter().find_map(|value| match value {
        Component::Header { parameters } => Some(parameters.as_slice()),
        _ => None,
    });
    found.unwrap_or_default()
}

pub(super) fn body_values(values: &[Component]) -> &[Parameter] {
    let found = values.iter().find_map(|value| match value {
        Component::Body { parameters } => Some(parameters.as_slice()),
        _ => None,
    });
    found.unwrap_or_default()
}

pub(super) fn card_values(values: &[Component]) -> &[Card] {
    let found = values.iter().find_map(|value| match value {
        Component::Carousel { cards } => Some(cards.as_slice()),
        _ => None,
    });
    found.unwrap_or_default()
}

fn fill(text: &str, values: &[Parameter]) -> String {
    let known = by_variable(values);
    let show = |piece: Piece<'_>| match piece {
        Piece::Literal(literal) => literal.to_owned(),
        Piece::Variable(name) => {
            known.get(name).map_or_else(|| format!("{{{{{name}}}}}"), |value| (*value).to_owned())
        }
    };
    pieces(text).into_iter().map(show).collect()
}

fn by_variable(values: &[Parameter]) -> BTreeMap<String, &str> {
    let name = |place: usize, value: &Parameter| {
        value.name().map_or_else(|| place.to_string(), str::to_owned)
    };
    let pairs =
        (1..).zip(values).filter_map(|(place, value)| Some((name(place, value), value.shown()?)));
    pairs.collect()
}
