use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::{Map, Value};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::attachment::Attachment;
use crate::whatsapp_cloud::other_kind::other_kind;

/// One of Meta's interactive messages, in the shape of its API. Reply buttons,
/// lists and link buttons are checked in full; the other kinds (`flow`,
/// `product_list`, `location_request_message`, …) are passed on as they are.
/// Source: Meta, "Interactive messages".
#[derive(Clone, PartialEq, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Interactive {
    /// Up to three reply buttons.
    Button(ButtonMessage),
    /// A list to choose from.
    List(ListMessage),
    /// A button that opens a web address.
    CtaUrl(CtaUrlMessage),
    /// Another kind.
    #[serde(untagged)]
    Other(OtherInteractive),
}

/// A message with reply buttons.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ButtonMessage {
    /// What stands above the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<Header>,
    /// What it says, at most 1024 characters.
    pub body: TextPart,
    /// Small print, at most 60 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub footer: Option<TextPart>,
    /// The buttons.
    pub action: ButtonsAction,
}

/// A message with a list.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListMessage {
    /// What stands above the body; a text only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<Header>,
    /// What it says, at most 4096 characters.
    pub body: TextPart,
    /// Small print, at most 60 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub footer: Option<TextPart>,
    /// The list.
    pub action: ListAction,
}

/// A message with a link button.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CtaUrlMessage {
    /// What stands above the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<Header>,
    /// What it says, at most 1024 characters.
    pub body: TextPart,
    /// Small print, at most 60 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub footer: Option<TextPart>,
    /// The link.
    pub action: CtaUrlAction,
}

/// An interactive message of a kind that is passed on as it is.
#[derive(Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct OtherInteractive(Map<String, Value>);

/// What stands above the body.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Header {
    /// A text of at most 60 characters.
    Text {
        /// The text.
        text: String,
    },
    /// An image.
    Image {
        /// The file.
        image: Attachment,
    },
    /// A video.
    Video {
        /// The file.
        video: Attachment,
    },
    /// A document.
    Document {
        /// The file.
        document: Attachment,
    },
}

/// A text on its own.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TextPart {
    /// The text.
    pub text: String,
}

/// The buttons of a message.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ButtonsAction {
    /// One to three.
    pub buttons: Vec<ReplyButton>,
}

/// A reply button.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ReplyButton {
    /// The only sort there is.
    Reply {
        /// What it says and sends back.
        reply: ReplyChoice,
    },
}

/// What a reply button says and sends back.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplyChoice {
    /// What comes back when it is pressed, at most 256 characters.
    pub id: String,
    /// What it says, at most 20 characters.
    pub title: String,
}

/// The list of a message.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListAction {
    /// The button that opens the list, at most 20 characters.
    pub button: String,
    /// One to ten sections, with ten rows in all.
    pub sections: Vec<Section>,
}

/// A section of a list.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// At most 24 characters; needed when there are several sections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its rows.
    pub rows: Vec<Row>,
}

/// A row of a list.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// What comes back when it is chosen, at most 200 characters.
    pub id: String,
    /// What it says, at most 24 characters.
    pub title: String,
    /// A second line, at most 72 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// The link of a message.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum CtaUrlAction {
    /// The only action there is.
    CtaUrl {
        /// What the button says and opens.
        parameters: CtaUrlParameters,
    },
}

/// What a link button says and opens.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CtaUrlParameters {
    /// What it says, at most 20 characters.
    pub display_text: String,
    /// Where it leads.
    pub url: String,
}

impl PartialSchema for OtherInteractive {
    fn schema() -> RefOr<Schema> {
        let words = "An interactive message of a kind that is passed on as it is.";
        other_kind(words, &["button", "list", "cta_url"])
    }
}

impl ToSchema for OtherInteractive {
    fn name() -> Cow<'static, str> {
        "OtherInteractive".into()
    }
}

impl OtherInteractive {
    /// The message as Meta takes it.
    pub fn as_json(&self) -> &Map<String, Value> {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Interactive {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_json(Map::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl Interactive {
    fn from_json(mut message: Map<String, Value>) -> Result<Self, serde_json::Error> {
        let kind = message.remove("type");
        let body = |message| Value::Object(message);
        match kind.as_ref().and_then(Value::as_str) {
            Some("button") => serde_json::from_value(body(message)).map(Self::Button),
            Some("list") => serde_json::from_value(body(message)).map(Self::List),
            Some("cta_url") => serde_json::from_value(body(message)).map(Self::CtaUrl),
            Some(other) => {
                let kind = Value::String(other.to_owned());
                message.insert("type".to_owned(), kind);
                Ok(Self::Other(OtherInteractive(message)))
            }
            None => Err(serde_json::Error::custom(
                "an interactive message needs a `type`, such as `button` or `list`",
            )),
        }
    }
}
