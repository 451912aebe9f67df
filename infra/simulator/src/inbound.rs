//! Messages and preferences that a test sends on behalf of users.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::event_queue::Change;
use crate::ids::{self, Direction};
use crate::recipient::phone_digits;
use crate::state::State;
use crate::webhooks::identity::WebhookIdentity;
use crate::webhooks::value::{number_value, timestamp};

/// A message from a user to the business.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct InboundMessage {
    /// The user's phone number, or the user id of a user without one.
    pub from: String,
    /// The content.
    #[serde(flatten)]
    pub content: InboundContent,
    /// The receiving phone number. `None`: the first number.
    #[serde(default)]
    pub phone_number_id: Option<String>,
    /// The id of the quoted message, or of the message whose button was pressed.
    #[serde(default)]
    pub context: Option<String>,
    /// The user's profile name.
    #[serde(default)]
    pub name: Option<String>,
}

impl InboundMessage {
    /// A text message to the first number.
    pub fn text(from: impl Into<String>, body: impl Into<String>) -> Self {
        Self::new(from, InboundContent::Text { body: body.into() })
    }

    /// A message to the first number.
    pub fn new(from: impl Into<String>, content: InboundContent) -> Self {
        Self { from: from.into(), content, phone_number_id: None, context: None, name: None }
    }

    /// Sets the quoted message.
    #[must_use]
    pub fn quoting(self, wamid: impl Into<String>) -> Self {
        Self { context: Some(wamid.into()), ..self }
    }
}

/// The content of an inbound message.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum InboundContent {
    /// A text message.
    Text {
        /// The text.
        body: String,
    },
    /// The user pressed a quick-reply button of a template.
    Button {
        /// The developer-defined payload.
        payload: String,
        /// The button's text.
        text: String,
    },
    /// The user pressed a button of an interactive message.
    ButtonReply {
        /// The button's id.
        id: String,
        /// The button's title.
        title: String,
    },
    /// The user chose a row of an interactive list.
    ListReply {
        /// The row's id.
        id: String,
        /// The row's title.
        title: String,
        /// The row's description.
        #[serde(default)]
        description: String,
    },
    /// An image.
    Image {
        /// The caption.
        #[serde(default)]
        caption: Option<String>,
    },
    /// A reaction to a message. An empty emoji removes the reaction.
    Reaction {
        /// The id of the message.
        message_id: String,
        /// The emoji.
        emoji: String,
    },
    /// A location.
    Location {
        /// In degrees.
        latitude: f64,
        /// In degrees.
        longitude: f64,
    },
    /// Any other type, in the JSON of the webhook.
    Other {
        /// The message type.
        kind: String,
        /// The object named like the type.
        value: Value,
    },
}

impl InboundContent {
    /// The type, and the object named like it.
    fn to_json(&self, media_id: impl FnOnce() -> String) -> (&str, Value) {
        match self {
            Self::Text { body } => ("text", json!({ "body": body })),
            Self::Button { payload, text } => {
                ("button", json!({ "payload": payload, "text": text }))
            }
            Self::ButtonReply { id, title } => (
                "interactive",
                json!({ "type": "button_reply", "button_reply": { "id": id, "title": title } }),
            ),
            Self::ListReply { id, title, description } => (
                "interactive",
                json!({
                    "type": "list_reply",
                    "list_reply": { "id": id, "title": title, "description": description },
                }),
            ),
            Self::Image { caption } => ("image", image(&media_id(), caption.as_deref())),
            Self::Reaction { message_id, emoji } => ("reaction", reaction(message_id, emoji)),
            Self::Location { latitude, longitude } => {
                ("location", json!({ "latitude": latitude, "longitude": longitude }))
            }
            Self::Other { kind, value } => (kind, value.clone()),
        }
    }
}

fn image(id: &str, caption: Option<&str>) -> Value {
    let hash = STANDARD.encode(Sha256::digest(id));
    let mut image = json!({ "mime_type": "image/jpeg", "sha256": hash, "id": id });
    if let Some(caption) = caption {
        image["caption"] = caption.into();
    }
    image
}

fn reaction(message_id: &str, emoji: &str) -> Value {
    let mut reaction = json!({ "message_id": message_id });
    if !emoji.is_empty() {
        reaction["emoji"] = emoji.into();
    }
    reaction
}

/// A user's choice about marketing messages.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MarketingPreference {
    Stop,
    Resume,
}

impl MarketingPreference {
    fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Resume => "resume",
        }
    }
}

impl State {
    /// Queues the webhook of a message from a user. Returns the message id.
    pub(crate) fn send_inbound(&mut self, now: u64, message: &InboundMessage) -> String {
        let number = self.number_or_first(message.phone_number_id.as_deref());
        let key = user_key(&message.from);
        let user = self.users.get_or_create(&key);
        let user = self.users.get_mut(user);
        let wamid = ids::wamid(self.seed, Direction::Inbound, &key, user.inbound);
        user.inbound += 1;
        user.last_inbound_at = Some(now);
        self.log.inbound += 1;

        let media_id = || ids::object(self.seed, "inbound media", &wamid);
        let (kind, object) = message.content.to_json(media_id);
        let identity = WebhookIdentity::new(self.seed, &key, &self.behaviour.webhooks);
        let mut item = json!({ "id": wamid, "timestamp": timestamp(now), "type": kind });
        item[kind] = object;
        identity.write_to(&mut item, "from", "from_user_id");
        if let Some(quoted) = &message.context {
            item["context"] = json!({ "from": number.display_phone_number, "id": quoted });
        }
        let mut value = number_value(&number);
        value["contacts"] = json!([identity.contact(message.name.as_deref())]);
        value["messages"] = json!([item]);
        self.queue_change(now, Change { waba_id: number.waba_id, field: "messages".into(), value });
        wamid
    }

    /// Stores a user's marketing preference and queues its webhook.
    pub(crate) fn set_preference(
        &mut self,
        now: u64,
        phone: &str,
        preference: MarketingPreference,
    ) {
        let number = self.number_or_first(None);
        let key = user_key(phone);
        let user = self.users.get_or_create(&key);
        self.users.get_mut(user).marketing_stopped = preference == MarketingPreference::Stop;

        let word = preference.as_str();
        let identity = WebhookIdentity::new(self.seed, &key, &self.behaviour.webhooks);
        let mut item = json!({
            "detail": format!("User requested to {word} marketing messages"),
            "category": "marketing_messages",
            "value": word,
            "timestamp": now / 1000,
        });
        identity.write_to(&mut item, "wa_id", "user_id");
        let mut value = number_value(&number);
        value["contacts"] = json!([identity.contact(None)]);
        value["user_preferences"] = json!([item]);
        let field = "user_preferences".into();
        self.queue_change(now, Change { waba_id: number.waba_id, field, value });
    }
}

/// The digits of a phone number; anything else is a user id.
fn user_key(phone_or_user_id: &str) -> String {
    phone_digits(phone_or_user_id).unwrap_or_else(|| phone_or_user_id.to_owned())
}
