use std::fmt;

use serde_json::Value;

use super::answers::number;
use super::fields;
use crate::contact::{Bsuid, ContactKey};
use crate::message::MediaKind;
use crate::phone::Phone;
use crate::time::Timestamp;

/// A message from a contact. It may come several times.
/// Source: Meta, "Messages webhook".
#[derive(Clone, PartialEq)]
pub struct InboundMessage {
    /// The number it was sent to, by Meta's id.
    pub phone_number_id: Option<String>,
    /// The message (wamid).
    pub id: String,
    /// From whom: by phone if Meta tells it, or else by BSUID.
    pub from: Option<ContactKey>,
    /// The sender's BSUID, if Meta tells it.
    pub bsuid: Option<Bsuid>,
    /// The name in the sender's profile.
    pub profile_name: Option<String>,
    /// When it was sent.
    pub at: Timestamp,
    /// The message that it answers (wamid).
    pub quoted: Option<String>,
    /// The group it was sent to, if any.
    pub group: Option<String>,
    /// What it says.
    pub content: InboundContent,
    /// The message as it came.
    pub raw: Value,
}

/// What a contact's message says.
#[derive(Clone, PartialEq)]
pub enum InboundContent {
    /// A text.
    Text {
        /// The text.
        body: String,
    },
    /// A press on a template's quick-reply button.
    Button {
        /// What we gave along with the button.
        payload: Option<String>,
        /// What the button says.
        text: String,
    },
    /// A choice in an interactive message.
    Interactive {
        /// Of which sort.
        kind: ReplyKind,
        /// The id of what was chosen; a Flow's answer has none.
        id: Option<String>,
        /// What it says.
        title: Option<String>,
        /// A Flow's answer, as JSON in a text.
        response: Option<String>,
    },
    /// A file.
    Media {
        /// Of which sort.
        kind: MediaKind,
        /// Its id, good for 7 days.
        id: String,
        /// Its MIME type.
        mime_type: Option<String>,
        /// The text below it.
        caption: Option<String>,
        /// Its name.
        filename: Option<String>,
    },
    /// A place.
    Location {
        /// Degrees north.
        latitude: f64,
        /// Degrees east.
        longitude: f64,
        /// What it is called.
        name: Option<String>,
        /// Its address.
        address: Option<String>,
    },
    /// A reaction to a message.
    Reaction {
        /// The message (wamid).
        to: String,
        /// The emoji; none takes an earlier one back.
        emoji: Option<String>,
    },
    /// Cards from the sender's address book; see the raw message.
    Contacts,
    /// An order from the catalogue; see the raw message.
    Order,
    /// A change of an earlier message; see the raw message.
    Edit {
        /// The message (wamid).
        original: String,
    },
    /// The withdrawal of an earlier message.
    Revoke {
        /// The message (wamid).
        original: String,
    },
    /// News about the sender.
    System(SystemChange),
    /// Something that WhatsApp does not pass on, with its error code.
    Unsupported {
        /// Such as 131051.
        code: Option<u32>,
    },
    /// A type that is new to us, or one without what belongs to it.
    Other {
        /// Meta's name of it.
        kind: String,
    },
}

impl InboundContent {
    /// Whether it says something to us. A reaction, a notice of the system, and a
    /// change or withdrawal of an earlier message don't.
    pub fn is_answer(&self) -> bool {
        match self {
            Self::Text { .. }
            | Self::Button { .. }
            | Self::Interactive { .. }
            | Self::Media { .. }
            | Self::Location { .. }
            | Self::Contacts
            | Self::Order
            | Self::Other { .. } => true,
            Self::Reaction { .. }
            | Self::Edit { .. }
            | Self::Revoke { .. }
            | Self::System(_)
            | Self::Unsupported { .. } => false,
        }
    }
}

/// The sort of a choice in an interactive message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReplyKind {
    /// A reply button.
    Button,
    /// A row of a list.
    List,
    /// A Flow's answer.
    Flow,
    /// The answer to the request for permission to call.
    CallPermission,
}

/// News about the sender of a system message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SystemChange {
    /// The number changed; the BSUID may have, too.
    Number {
        /// The new number.
        phone: Option<Phone>,
        /// The new BSUID.
        bsuid: Option<Bsuid>,
        /// The BSUID before.
        previous_bsuid: Option<Bsuid>,
    },
    /// The BSUID changed.
    UserId {
        /// The new BSUID.
        bsuid: Option<Bsuid>,
        /// The BSUID before.
        previous_bsuid: Option<Bsuid>,
    },
    /// The identity key changed (a new phone, or a reinstalled app).
    Identity,
    /// News of a sort that is new to us.
    Other,
}

impl InboundMessage {
    /// Reads an element of `messages`. `contacts` are those beside it.
    pub(super) fn read(
        phone_number_id: Option<&str>,
        contacts: &Value,
        message: &Value,
    ) -> Option<Self> {
        let phone = fields::phone(&message["from"]);
        let contact = contact_of(contacts, message);
        let bsuid =
            fields::bsuid(&message["from_user_id"]).or_else(|| fields::bsuid(&contact["user_id"]));
        Some(Self {
            phone_number_id: phone_number_id.map(str::to_owned),
            id: fields::text(&message["id"])?,
            from: fields::key(phone, bsuid.as_ref()),
            bsuid,
            profile_name: fields::text(&contact["profile"]["name"]),
            at: fields::seconds(&message["timestamp"])?,
            quoted: fields::text(&message["context"]["id"]),
            group: fields::text(&message["group_id"]),
            content: InboundContent::read(message),
            raw: message.clone(),
        })
    }
}

/// The entry of `contacts` that the message is from. Meta's samples don't always
/// agree on the number, so a single entry is taken for it if it has no other.
fn contact_of<'a>(contacts: &'a Value, message: &Value) -> &'a Value {
    let contacts = fields::list(contacts);
    let same = |contact: &&Value, theirs: &str, ours: &str| {
        message[ours].is_string() && contact[theirs] == message[ours]
    };
    let found = contacts.iter().find(|contact| same(contact, "user_id", "from_user_id"));
    let found = found.or_else(|| contacts.iter().find(|contact| same(contact, "wa_id", "from")));
    match (found, contacts) {
        (Some(contact), _) => contact,
        (None, [only]) if message["from"].is_null() => only,
        (None, _) => &Value::Null,
    }
}

impl InboundContent {
    fn read(message: &Value) -> Self {
        let kind = message["type"].as_str().unwrap_or("");
        let part = &message[kind];
        Self::of(kind, part, message).unwrap_or_else(|| Self::Other { kind: kind.to_owned() })
    }

    fn of(kind: &str, part: &Value, message: &Value) -> Option<Self> {
        match kind {
            "text" => part["body"].as_str().map(|body| Self::Text { body: body.to_owned() }),
            "button" => Some(Self::Button {
                payload: fields::text(&part["payload"]),
                text: fields::text(&part["text"])?,
            }),
            "interactive" => Self::reply(part),
            "image" => Self::media(MediaKind::Image, part),
            "video" => Self::media(MediaKind::Video, part),
            "audio" => Self::media(MediaKind::Audio, part),
            "document" => Self::media(MediaKind::Document, part),
            "sticker" => Self::media(MediaKind::Sticker, part),
            "location" => Self::location(part),
            "reaction" => Some(Self::Reaction {
                to: fields::text(&part["message_id"])?,
                emoji: fields::text(&part["emoji"]),
            }),
            "contacts" => Some(Self::Contacts),
            "order" => Some(Self::Order),
            "edit" => Some(Self::Edit { original: fields::text(&part["original_message_id"])? }),
            "revoke" => {
                Some(Self::Revoke { original: fields::text(&part["original_message_id"])? })
            }
            "system" => Some(Self::System(SystemChange::read(part))),
            "unsupported" => {
                Some(Self::Unsupported { code: number(&message["errors"][0]["code"]) })
            }
            _ => None,
        }
    }

    fn reply(part: &Value) -> Option<Self> {
        let kind = ReplyKind::read(part["type"].as_str()?)?;
        let reply = &part[part["type"].as_str()?];
        Some(Self::Interactive {
            kind,
            id: fields::text(&reply["id"]),
            title: fields::text(&reply["title"]),
            response: fields::text(&reply["response_json"])
                .or_else(|| fields::text(&reply["response"])),
        })
    }

    fn media(kind: MediaKind, part: &Value) -> Option<Self> {
        Some(Self::Media {
            kind,
            id: fields::id(&part["id"])?,
            mime_type: fields::text(&part["mime_type"]),
            caption: fields::text(&part["caption"]),
            filename: fields::text(&part["filename"]),
        })
    }

    fn location(part: &Value) -> Option<Self> {
        Some(Self::Location {
            latitude: part["latitude"].as_f64()?,
            longitude: part["longitude"].as_f64()?,
            name: fields::text(&part["name"]),
            address: fields::text(&part["address"]),
        })
    }

    /// What it says in words, if it says something: a text, a caption, or what
    /// stands on the button.
    pub fn words(&self) -> Option<&str> {
        match self {
            Self::Text { body } => Some(body),
            Self::Button { text, .. } => Some(text),
            Self::Interactive { title, .. } => title.as_deref(),
            Self::Media { caption, .. } => caption.as_deref(),
            Self::Reaction { emoji, .. } => emoji.as_deref(),
            Self::Location { .. }
            | Self::Contacts
            | Self::Order
            | Self::Edit { .. }
            | Self::Revoke { .. }
            | Self::System(_)
            | Self::Unsupported { .. }
            | Self::Other { .. } => None,
        }
    }
}

impl ReplyKind {
    fn read(text: &str) -> Option<Self> {
        match text {
            "button_reply" => Some(Self::Button),
            "list_reply" => Some(Self::List),
            "nfm_reply" => Some(Self::Flow),
            "call_permission_reply" => Some(Self::CallPermission),
            _ => None,
        }
    }
}

impl SystemChange {
    fn read(part: &Value) -> Self {
        let bsuid = fields::bsuid(&part["user_id"]);
        let previous_bsuid = fields::bsuid(&part["previous_user_id"]);
        match part["type"].as_str() {
            Some("user_changed_number") => {
                Self::Number { phone: fields::phone(&part["wa_id"]), bsuid, previous_bsuid }
            }
            Some("user_changed_user_id") => Self::UserId { bsuid, previous_bsuid },
            Some("customer_identity_changed") => Self::Identity,
            _ => Self::Other,
        }
    }
}

impl fmt::Debug for InboundMessage {
    /// Leaves out from whom and what.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboundMessage")
            .field("id", &self.id)
            .field("content", &self.content)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for InboundContent {
    /// Names the kind only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text { .. } => "text",
            Self::Button { .. } => "button",
            Self::Interactive { .. } => "interactive",
            Self::Media { .. } => "media",
            Self::Location { .. } => "location",
            Self::Reaction { .. } => "reaction",
            Self::Contacts => "contacts",
            Self::Order => "order",
            Self::Edit { .. } => "edit",
            Self::Revoke { .. } => "revoke",
            Self::System(_) => "system",
            Self::Unsupported { .. } => "unsupported",
            Self::Other { .. } => "other",
        })
    }
}
