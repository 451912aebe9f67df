//! Contents in the form of Meta's send request, and Meta's rules for them.

mod attachment;
mod choices;
mod interactive;
mod interactive_rules;
mod parameter;
mod rules;
mod template;
mod template_rules;

use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::ToSchema;

pub use attachment::Attachment;
pub use interactive::Interactive;
pub use parameter::Parameter;
pub use template::{ButtonKind, Card, Component, TemplateContent};
pub(crate) use template_rules::check_identity;

use crate::content::{Content, FieldCode, FieldProblem, Media, Problems, Text, read_json};

const NO_SUCH_KIND: &str =
    "is no kind of message of WhatsApp: expected template, text, media, choices or interactive";

/// A content that WhatsApp can send.
pub enum WhatsappContent {
    /// An approved template.
    Template(TemplateContent),
    /// A free-form text, for an open customer service window.
    Text(Text),
    /// An image, video, audio, document or sticker.
    Media(Media),
    /// Buttons, a list, or another of Meta's interactive messages.
    Interactive(Interactive),
}

impl WhatsappContent {
    /// Reads a neutral or native content. Values in a template's parameters lose line
    /// breaks, tabs and long runs of spaces, which Meta refuses.
    pub fn read(content: &Content) -> Result<Self, FieldProblem> {
        match content {
            Content::Text(text) => Ok(Self::Text(text.clone())),
            Content::Media(media) => Ok(Self::Media(media.clone())),
            Content::Choices(choices) => Ok(Self::Interactive(choices.into())),
            Content::Native(native) => match native.kind.as_str() {
                "template" => {
                    let mut template: TemplateContent = parse(&native.kind, &native.payload)?;
                    template.normalise();
                    Ok(Self::Template(template))
                }
                "interactive" => parse(&native.kind, &native.payload).map(Self::Interactive),
                other => Err(FieldProblem::new(other, FieldCode::NotListed, NO_SUCH_KIND)),
            },
        }
    }

    /// Checks a neutral or native content against Meta's lengths and counts.
    pub fn validate(content: &Content) -> Result<(), Vec<FieldProblem>> {
        let checked = Self::read(content).map_err(|problem| vec![problem])?.check();
        match content {
            Content::Choices(_) => checked.map_err(choices::at_choices),
            Content::Text(_) | Content::Media(_) | Content::Native(_) => checked,
        }
    }

    /// Checks a content against Meta's lengths and counts.
    pub fn check(&self) -> Result<(), Vec<FieldProblem>> {
        let mut problems = Problems::default();
        match self {
            Self::Template(template) => {
                problems.at("template", |problems| template.check(problems));
            }
            Self::Text(text) => problems.at("text", |problems| rules::check_text(text, problems)),
            Self::Media(media) => {
                problems.at("media", |problems| rules::check_media(media, problems));
            }
            Self::Interactive(message) => {
                problems.at("interactive", |problems| message.check(problems));
            }
        }
        problems.into_result()
    }
}

/// Parses a value and names the path of what is wrong with it.
pub(super) fn parse<T: DeserializeOwned>(field: &str, value: &Value) -> Result<T, FieldProblem> {
    read_json(value).map_err(|found| {
        let first = found.into_iter().next();
        let unknown = || FieldProblem::new("", FieldCode::Invalid, "cannot be parsed");
        first.unwrap_or_else(unknown).under(field)
    })
}

/// The schemas of the native kinds, for the OpenAPI document.
pub(super) fn schemas(
    schemas: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::schema::Schema>)>,
) {
    use utoipa::PartialSchema as _;
    schemas.push((TemplateContent::name().into_owned(), TemplateContent::schema()));
    schemas.push((Interactive::name().into_owned(), Interactive::schema()));
    TemplateContent::schemas(schemas);
    Interactive::schemas(schemas);
}
