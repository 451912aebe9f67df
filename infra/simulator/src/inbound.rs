//! What people write, and what else happens to them, on demand.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::config::Number;
use crate::ids::{self, Direction};
use crate::people::{self, Face};
use crate::queue::Change;
use crate::world::State;

/// A message somebody sends to the business.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct InboundMessage {
    /// Their phone, or the user id of someone without one.
    pub from: String,
    /// What they write.
    #[serde(flatten)]
    pub content: InboundContent,
    /// The number they write to; the first one if not named.
    #[serde(default)]
    pub phone_number_id: Option<String>,
    /// The message they quote or press a button of.
    #[serde(default)]
    pub context: Option<String>,
    /// Their profile name.
    #[serde(default)]
    pub name: Option<String>,
}

impl InboundMessage {
    /// A text message to the first number.
    pub fn text(from: impl Into<String>, body: impl Into<String>) -> Self {
        Self::new(from, InboundContent::Text { body: body.into() })
    }

    /// Any message to the first number.
    pub fn new(from: impl Into<String>, content: InboundContent) -> Self {
        Self { from: from.into(), content, phone_number_id: None, context: None, name: None }
    }

    /// The same message, quoting another.
    #[must_use]
    pub fn quoting(self, wamid: impl Into<String>) -> Self {
        Self { context: Some(wamid.into()), ..self }
    }
}

/// What a message contains.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum InboundContent {
    /// A text.
    Text {
        /// What it says.
        body: String,
    },
    /// A template's quick-reply button was pressed.
    Button {
        /// What the sender put behind the button.
        payload: String,
        /// What the button says.
        text: String,
    },
    /// A button of an interactive message was pressed.
    ButtonReply {
        /// The button's id.
        id: String,
        /// What it says.
        title: String,
    },
    /// A row of an interactive list was chosen.
    ListReply {
        /// The row's id.
        id: String,
        /// What it says.
        title: String,
        /// The small print.
        #[serde(default)]
        description: String,
    },
    /// A picture.
    Image {
        /// The text under it.
        #[serde(default)]
        caption: Option<String>,
    },
    /// A reaction to a message; removed by an empty emoji.
    Reaction {
        /// The message reacted to.
        message_id: String,
        /// With what.
        emoji: String,
    },
    /// A place.
    Location {
        /// In degrees.
        latitude: f64,
        /// In degrees.
        longitude: f64,
    },
    /// Anything else, as it stands in the webhook.
    Other {
        /// The message type.
        kind: String,
        /// The object of that name.
        value: Value,
    },
}

impl InboundContent {
    /// The type and the object of that name.
    fn parts(&self, media_id: impl FnOnce() -> String) -> (&str, Value) {
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

impl State {
    /// Queues a message from a person and gives its id.
    pub(crate) fn send_inbound(&mut self, now: u64, message: &InboundMessage) -> String {
        let number = self.some_number(message.phone_number_id.as_deref());
        let key = people::digits(&message.from).unwrap_or_else(|| message.from.clone());
        let person = self.people.meet(&key);
        let person = self.people.get_mut(person);
        let wamid = ids::wamid(self.seed, Direction::Inbound, &key, person.inbound);
        person.inbound += 1;
        person.wrote_at = Some(now);
        self.log.inbound += 1;

        let media_id = || ids::object(self.seed, "inbound media", &wamid);
        let (kind, object) = message.content.parts(media_id);
        let face = Face::new(self.seed, &key, &self.behaviour.webhooks);
        let mut item = json!({ "id": wamid, "timestamp": seconds(now), "type": kind });
        item[kind] = object;
        face.put(&mut item, "from", "from_user_id");
        if let Some(quoted) = &message.context {
            item["context"] = json!({ "from": number.display_phone_number, "id": quoted });
        }
        let mut value = about(&number);
        value["contacts"] = json!([face.contact(message.name.as_deref())]);
        value["messages"] = json!([item]);
        self.announce(now, Change { waba_id: number.waba_id, field: "messages".into(), value });
        wamid
    }

    /// Notes whether a person wants marketing messages, and tells.
    pub(crate) fn prefer(&mut self, now: u64, phone: &str, stop: bool) {
        let number = self.some_number(None);
        let key = people::digits(phone).unwrap_or_else(|| phone.to_owned());
        let person = self.people.meet(&key);
        self.people.get_mut(person).stopped = stop;

        let word = if stop { "stop" } else { "resume" };
        let face = Face::new(self.seed, &key, &self.behaviour.webhooks);
        let mut preference = json!({
            "detail": format!("User requested to {word} marketing messages"),
            "category": "marketing_messages",
            "value": word,
            "timestamp": now / 1000,
        });
        face.put(&mut preference, "wa_id", "user_id");
        let mut value = about(&number);
        value["contacts"] = json!([face.contact(None)]);
        value["user_preferences"] = json!([preference]);
        let field = "user_preferences".into();
        self.announce(now, Change { waba_id: number.waba_id, field, value });
    }
}

/// The start of every value that concerns a number.
pub(crate) fn about(number: &Number) -> Value {
    json!({
        "messaging_product": "whatsapp",
        "metadata": {
            "display_phone_number": people::digits(&number.display_phone_number)
                .unwrap_or_else(|| number.display_phone_number.clone()),
            "phone_number_id": number.id,
        },
    })
}

/// Meta's way to write most times.
pub(crate) fn seconds(milliseconds: u64) -> String {
    (milliseconds / 1000).to_string()
}
