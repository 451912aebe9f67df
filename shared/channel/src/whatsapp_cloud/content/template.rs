use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use super::parameter::Parameter;

/// An approved template and the values for its variables, in the shape of Meta's
/// send request. Source: Meta, "Send message templates".
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateContent {
    /// Its name: small letters, digits and underscores.
    #[schema(pattern = "^[a-z0-9_]{1,512}$")]
    pub name: String,
    /// Its language, such as `es`, `en_US` or `pt_BR`. Meta's `{"code": …}` is
    /// understood, too.
    #[serde(deserialize_with = "language")]
    pub language: String,
    /// Values for its variables; none for a template without any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<Component>,
}

/// The values for one part of a template.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Component {
    /// The header: one text, media file, location or product.
    #[serde(alias = "HEADER")]
    Header {
        /// Exactly one value.
        parameters: Vec<Parameter>,
    },
    /// The body's variables: in order, or each with its name.
    #[serde(alias = "BODY")]
    Body {
        /// The values.
        parameters: Vec<Parameter>,
    },
    /// What a button with a variable carries.
    #[serde(alias = "BUTTON")]
    Button {
        /// The sort of button.
        sub_type: ButtonKind,
        /// Its place among the template's buttons, from 0.
        #[serde(with = "index")]
        #[schema(value_type = String, pattern = "^[0-9]$")]
        index: u8,
        /// Exactly one value.
        parameters: Vec<Parameter>,
    },
    /// The cards of a carousel.
    #[serde(alias = "CAROUSEL")]
    Carousel {
        /// 2 to 10 cards of the same shape.
        cards: Vec<Card>,
    },
    /// When a limited-time offer ends.
    #[serde(alias = "LIMITED_TIME_OFFER")]
    LimitedTimeOffer {
        /// Exactly one value.
        parameters: Vec<Parameter>,
    },
}

/// One card of a carousel.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Its place, from 0.
    pub card_index: u8,
    /// Its header, body and buttons.
    #[schema(no_recursion)]
    pub components: Vec<Component>,
}

/// The sorts of buttons that take a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ButtonKind {
    /// Comes back as a `button` message with the payload given here.
    #[serde(alias = "QUICK_REPLY")]
    QuickReply,
    /// Opens a web address whose end is given here.
    #[serde(alias = "URL")]
    Url,
    /// Copies the coupon code given here.
    #[serde(alias = "COPY_CODE")]
    CopyCode,
    /// Opens a WhatsApp Flow.
    #[serde(alias = "FLOW")]
    Flow,
    /// Opens the catalogue.
    #[serde(alias = "CATALOG")]
    Catalog,
    /// Opens a selection of products.
    #[serde(alias = "MPM")]
    Mpm,
}

impl TemplateContent {
    /// Puts the texts into the form that Meta takes.
    pub(super) fn normalise(&mut self) {
        self.components.iter_mut().for_each(Component::normalise);
    }
}

impl Component {
    fn normalise(&mut self) {
        match self {
            Self::Header { parameters } | Self::Body { parameters } => {
                parameters.iter_mut().for_each(Parameter::normalise);
            }
            Self::Carousel { cards } => {
                cards.iter_mut().flat_map(|card| &mut card.components).for_each(Self::normalise);
            }
            Self::Button { .. } | Self::LimitedTimeOffer { .. } => {}
        }
    }
}

impl fmt::Debug for TemplateContent {
    /// Names the template and leaves the values out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.language)
    }
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a language such as `en_US`")]
enum LanguageForm {
    Code(String),
    Object { code: String },
}

fn language<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    LanguageForm::deserialize(deserializer).map(|form| match form {
        LanguageForm::Code(code) | LanguageForm::Object { code } => code,
    })
}

/// A button's index: Meta takes a string or a number, and documents a string.
mod index {
    use super::{Deserialize, Deserializer, Serializer};
    use serde::de::Error;

    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a button's index, from 0 to 9")]
    enum Form {
        Number(u8),
        Text(String),
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
    pub(super) fn serialize<S: Serializer>(index: &u8, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(index)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
        match Form::deserialize(deserializer)? {
            Form::Number(index) => Ok(index),
            Form::Text(text) => {
                text.parse().map_err(|_| D::Error::custom("expected a button's index, from 0 to 9"))
            }
        }
    }
}
