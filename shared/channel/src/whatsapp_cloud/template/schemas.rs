//! The schemas of a template where the derive does not know enough.

use std::borrow::Cow;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ArrayBuilder, OneOfBuilder, Ref, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::{OtherPart, TemplateComponent, TemplateDefinition};
use crate::whatsapp_cloud::other_kind::other_kind;

const CARD_COMPONENT: &str = "TemplateCardComponent";
const KNOWN: [&str; 6] = ["HEADER", "BODY", "FOOTER", "BUTTONS", "CAROUSEL", "LIMITED_TIME_OFFER"];
/// The schemas of the parts that no card has.
const NOT_IN_CARDS: [&str; 2] = ["CarouselPart", "OfferPart"];

/// The schemas of a template, by name.
pub(in crate::whatsapp_cloud) fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    schemas.push(("TemplateDefinition".to_owned(), TemplateDefinition::schema()));
    TemplateDefinition::schemas(schemas);
    schemas.push((CARD_COMPONENT.to_owned(), card_component()));
}

/// The parts of a card. They have a schema of their own, because a card has no cards, and not all
/// generators of clients know schemas that contain themselves.
pub(super) fn card_components() -> Schema {
    let components = ArrayBuilder::new().items(Ref::from_schema_name(CARD_COMPONENT));
    components.description(Some("Its header, body and buttons.")).into()
}

fn card_component() -> RefOr<Schema> {
    let RefOr::T(Schema::OneOf(all)) = TemplateComponent::schema() else {
        return TemplateComponent::schema();
    };
    let parts = OneOfBuilder::new().description(Some("A part of a card."));
    let in_cards = all.items.into_iter().filter(|part| !is_none_of_a_card(part));
    RefOr::T(in_cards.fold(parts, OneOfBuilder::item).into())
}

fn is_none_of_a_card(part: &RefOr<Schema>) -> bool {
    let RefOr::T(Schema::AllOf(all)) = part else { return false };
    let mut names = all.items.iter().filter_map(|item| match item {
        RefOr::Ref(reference) => reference.ref_location.rsplit('/').next(),
        RefOr::T(_) => None,
    });
    names.any(|name| NOT_IN_CARDS.contains(&name))
}

impl PartialSchema for OtherPart {
    fn schema() -> RefOr<Schema> {
        other_kind("A part that is new to us, kept as it is.", &KNOWN)
    }
}

impl ToSchema for OtherPart {
    fn name() -> Cow<'static, str> {
        "OtherPart".into()
    }
}
