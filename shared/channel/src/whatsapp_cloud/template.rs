//! What a template is: the text with its variables, in the shape in which it is
//! handed to Meta for approval. Source: Meta, "Template components".

mod fit;
mod preview;
mod rules;
mod schemas;
mod slots;

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::{Map, Value};
use utoipa::ToSchema;

pub(in crate::whatsapp_cloud) use schemas::schemas;
pub use slots::{ButtonSlot, HeaderSlot, Slots};

/// A template, in the shape of Meta's creation request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TemplateDefinition {
    /// Its name, unique per language: small letters, digits and underscores.
    #[schema(pattern = "^[a-z0-9_]{1,512}$")]
    pub name: String,
    /// Its language, such as `es` or `en_US`.
    pub language: String,
    /// What it is for.
    pub category: TemplateCategory,
    /// How its variables are told apart.
    #[serde(default)]
    pub parameter_format: ParameterFormat,
    /// For how many seconds WhatsApp tries to deliver a message of it; -1 for 30
    /// days. Nothing is reported when they are over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_send_ttl_seconds: Option<i64>,
    /// Its parts.
    pub components: Vec<TemplateComponent>,
}

/// What a template is for. Source: Meta, "Template categorization".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum TemplateCategory {
    /// Offers and news.
    Marketing,
    /// About something that the contact has asked for.
    Utility,
    /// One-time codes.
    Authentication,
}

/// How a template's variables are told apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum ParameterFormat {
    /// By number: `{{1}}`.
    #[default]
    Positional,
    /// By name: `{{first_name}}`.
    Named,
}

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TemplateComponent {
    /// What stands above the body.
    Header(HeaderPart),
    /// The text.
    Body(BodyPart),
    /// Small print.
    Footer(FooterPart),
    /// Up to ten buttons.
    Buttons(ButtonsPart),
    /// Cards side by side.
    Carousel(CarouselPart),
    /// An offer with a deadline.
    LimitedTimeOffer(OfferPart),
    /// A part that is new to us, kept as it is.
    #[serde(untagged)]
    Other(OtherPart),
}

/// A part that is new to us, kept as it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct OtherPart(Map<String, Value>);

/// What stands above the body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HeaderPart {
    /// What it is.
    pub format: HeaderFormat,
    /// Its text of at most 60 characters with at most one variable, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// A sample of what fills it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<Example>,
}

/// What a header is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum HeaderFormat {
    /// A text.
    Text,
    /// An image.
    Image,
    /// A video.
    Video,
    /// A short silent video.
    Gif,
    /// A document.
    Document,
    /// A place.
    Location,
    /// A product of the catalogue.
    Product,
}

/// The text.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BodyPart {
    /// At most 1024 characters. An authentication template has none: Meta writes
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// A sample of what fills it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<Example>,
    /// In an authentication template: warn not to share the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add_security_recommendation: Option<bool>,
}

/// Small print.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FooterPart {
    /// At most 60 characters without variables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// In an authentication template: for how many minutes the code is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_expiration_minutes: Option<u8>,
}

/// The buttons.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ButtonsPart {
    /// Up to ten.
    pub buttons: Vec<TemplateButton>,
}

/// A button.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TemplateButton {
    /// What it does.
    #[serde(rename = "type")]
    pub kind: TemplateButtonKind,
    /// What it says, at most 25 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Where it leads; `{{1}}` at the end is a variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Whom it calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<String>,
    /// Whatever else Meta takes for this kind, such as `example` or `otp_type`.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub more: Map<String, Value>,
}

/// What a button does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TemplateButtonKind {
    /// Sends a reply.
    QuickReply,
    /// Opens a web address.
    Url,
    /// Calls a number.
    PhoneNumber,
    /// Copies a code.
    CopyCode,
    /// Copies or fills in a one-time code.
    Otp,
    /// Opens a Flow.
    Flow,
    /// Opens the catalogue.
    Catalog,
    /// Opens a selection of products.
    Mpm,
    /// Opens one product.
    Spm,
    /// Starts a call on WhatsApp.
    VoiceCall,
    /// Asks for permission to call.
    CallPermissionRequest,
    /// Shows an order.
    OrderDetails,
    /// A kind that is new to us.
    #[serde(other)]
    Unknown,
}

/// Cards side by side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CarouselPart {
    /// 2 to 10 of the same shape.
    pub cards: Vec<TemplateCard>,
}

/// A card of a carousel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TemplateCard {
    /// Its header, body and buttons.
    #[schema(schema_with = schemas::card_components)]
    pub components: Vec<TemplateComponent>,
}

/// An offer with a deadline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OfferPart {
    /// The offer.
    pub limited_time_offer: Offer,
}

/// What an offer says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Offer {
    /// Its text, at most 16 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Whether the time that is left is shown.
    #[serde(default)]
    pub has_expiration: bool,
}

/// Samples of what fills the variables, for Meta's reviewers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Example {
    /// For a positional header.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub header_text: Vec<String>,
    /// For a header with named variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub header_text_named_params: Vec<NamedExample>,
    /// For a media header: what Meta's upload gave back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub header_handle: Vec<String>,
    /// For a positional body: one list with a sample each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub body_text: Vec<Vec<String>>,
    /// For a body with named variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub body_text_named_params: Vec<NamedExample>,
}

/// A sample for a named variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NamedExample {
    /// The variable.
    pub param_name: String,
    /// The sample.
    pub example: String,
}

impl TemplateCategory {
    /// The word in the API and in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Marketing => "marketing",
            Self::Utility => "utility",
            Self::Authentication => "authentication",
        }
    }
}

impl TemplateDefinition {
    /// Reads a template as Meta lists it; fields that we don't know are left
    /// out. None if it is of a kind that can't be sent by us.
    pub fn from_meta(template: &Value) -> Option<Self> {
        serde_json::from_value(template.clone()).ok()
    }

    /// The text of the body, with its variables.
    pub fn body(&self) -> Option<&str> {
        body_of(&self.components)
    }
}

fn body_of(components: &[TemplateComponent]) -> Option<&str> {
    components.iter().find_map(|component| match component {
        TemplateComponent::Body(body) => body.text.as_deref(),
        _ => None,
    })
}

fn buttons_of(components: &[TemplateComponent]) -> &[TemplateButton] {
    let found = components.iter().find_map(|component| match component {
        TemplateComponent::Buttons(part) => Some(part.buttons.as_slice()),
        _ => None,
    });
    found.unwrap_or_default()
}

fn cards_of(components: &[TemplateComponent]) -> &[TemplateCard] {
    let found = components.iter().find_map(|component| match component {
        TemplateComponent::Carousel(part) => Some(part.cards.as_slice()),
        _ => None,
    });
    found.unwrap_or_default()
}

impl<'de> Deserialize<'de> for TemplateComponent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_json(Map::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl TemplateComponent {
    fn from_json(mut part: Map<String, Value>) -> Result<Self, serde_json::Error> {
        let kind = part.remove("type").and_then(|kind| kind.as_str().map(str::to_ascii_uppercase));
        let read = Value::Object;
        match kind.as_deref() {
            Some("HEADER") => serde_json::from_value(read(part)).map(Self::Header),
            Some("BODY") => serde_json::from_value(read(part)).map(Self::Body),
            Some("FOOTER") => serde_json::from_value(read(part)).map(Self::Footer),
            Some("BUTTONS") => serde_json::from_value(read(part)).map(Self::Buttons),
            Some("CAROUSEL") => serde_json::from_value(read(part)).map(Self::Carousel),
            Some("LIMITED_TIME_OFFER") => {
                serde_json::from_value(read(part)).map(Self::LimitedTimeOffer)
            }
            Some(other) => {
                part.insert("type".to_owned(), other.into());
                Ok(Self::Other(OtherPart(part)))
            }
            None => Err(serde_json::Error::custom("a component needs a `type`, such as `BODY`")),
        }
    }
}
