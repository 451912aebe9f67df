//! Messages and preferences that a test sends on behalf of users.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::event_queue::Change;
use crate::ids::{self, Direction};
use crate::media::{Media, MediaOrigin};
use crate::state::State;
use crate::webhooks::value::{number_value, timestamp};

const IMAGE_TYPE: &str = "image/jpeg";

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
    /// The group that the message was sent to. `None`: a one-to-one message.
    #[serde(default)]
    pub group_id: Option<String>,
}

impl InboundMessage {
    /// A text message to the first number.
    pub fn text(from: impl Into<String>, body: impl Into<String>) -> Self {
        Self::new(from, InboundContent::Text { body: body.into() })
    }

    /// A message to the first number.
    pub fn new(from: impl Into<String>, content: InboundContent) -> Self {
        Self {
            from: from.into(),
            content,
            phone_number_id: None,
            context: None,
            name: None,
            group_id: None,
        }
    }

    /// Sets the receiving phone number.
    #[must_use]
    pub fn to_number(self, phone_number_id: impl Into<String>) -> Self {
        Self { phone_number_id: Some(phone_number_id.into()), ..self }
    }

    /// Sets the group that the message is sent to.
    #[must_use]
    pub fn in_group(self, group_id: impl Into<String>) -> Self {
        Self { group_id: Some(group_id.into()), ..self }
    }

    fn is_system_message(&self) -> bool {
        matches!(&self.content, InboundContent::Other { kind, .. } if kind == "system")
    }

    /// Whether the message opens the customer service window of the receiving number.
    fn opens_service_window(&self) -> bool {
        self.group_id.is_none() && !self.is_system_message()
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
    fn to_json(&self, media_id: &str) -> (&str, Value) {
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
            Self::Image { caption } => ("image", image(media_id, caption.as_deref())),
            Self::Reaction { message_id, emoji } => ("reaction", reaction(message_id, emoji)),
            Self::Location { latitude, longitude } => {
                ("location", json!({ "latitude": latitude, "longitude": longitude }))
            }
            Self::Other { kind, value } => (kind, value.clone()),
        }
    }
}

/// The file of an image from a user: its id, so that each file has its own hash.
fn image_file(id: &str, expires_at: u64) -> Media {
    Media {
        mime_type: IMAGE_TYPE.into(),
        bytes: id.to_owned().into(),
        origin: MediaOrigin::Inbound,
        expires_at,
    }
}

fn image(id: &str, caption: Option<&str>) -> Value {
    let hash = STANDARD.encode(Sha256::digest(id));
    let mut image = json!({ "mime_type": IMAGE_TYPE, "sha256": hash, "id": id });
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
        let index = self.users.find_or_create(&self.numbering.address(&message.from));
        let wamid = self.next_inbound_wamid(index);
        let phone_number_id = number.id.as_str().into();
        let user = self.users.get_mut(index);
        user.meet(&phone_number_id);
        if message.opens_service_window() {
            user.open_service_window(&phone_number_id, now);
        }
        self.log.inbound += 1;

        let media_id = ids::object(self.seed, "inbound media", &wamid);
        if matches!(message.content, InboundContent::Image { .. }) {
            let file = image_file(&media_id, now + self.inbound_media_ttl_ms);
            self.media.insert(media_id.clone(), file);
        }
        let (kind, object) = message.content.to_json(&media_id);
        let user = Arc::clone(&self.users.get(index).identity);
        let identity = self.webhook_identity(index, &user);
        let mut item = json!({ "id": wamid, "timestamp": timestamp(now), "type": kind });
        item[kind] = object;
        identity.write_to(&mut item, "from", "from_user_id");
        if let Some(quoted) = &message.context {
            item["context"] = json!({ "from": number.display_phone_number, "id": quoted });
        }
        if let Some(group_id) = &message.group_id {
            item["group_id"] = group_id.as_str().into();
        }
        let mut value = number_value(&number);
        if !message.is_system_message() {
            value["contacts"] = json!([identity.contact(message.name.as_deref())]);
        }
        value["messages"] = json!([item]);
        self.queue_change(now, Change { waba_id: number.waba_id, field: "messages".into(), value });
        wamid
    }

    /// The id of the next message from the user.
    pub(crate) fn next_inbound_wamid(&mut self, user: u32) -> String {
        let user = self.users.get_mut(user);
        let ordinal = user.counts.inbound;
        user.counts.inbound += 1;
        ids::wamid(self.seed, Direction::Inbound, &user.identity.key, ordinal)
    }

    /// Stores a user's marketing preference and queues its webhook.
    pub(crate) fn set_preference(
        &mut self,
        now: u64,
        phone: &str,
        preference: MarketingPreference,
    ) {
        let number = self.number_or_first(None);
        let index = self.users.find_or_create(&self.numbering.address(phone));
        self.users.get_mut(index).marketing_stopped = preference == MarketingPreference::Stop;

        let word = preference.as_str();
        let user = Arc::clone(&self.users.get(index).identity);
        let identity = self.webhook_identity(index, &user);
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
