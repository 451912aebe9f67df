//! Messages from contacts. Source: Meta, "Messages webhook".

use serde_json::Value;

use super::answers::number;
use super::fields;
use crate::content::MediaKind;
use crate::event::{InboundContent, InboundMessage, ReplyKind, SystemChange};

/// Reads an element of `messages`. `contacts` is the list beside it.
pub(super) fn read(contacts: &Value, message: &Value) -> Option<InboundMessage> {
    let contact = contact_of(contacts, message);
    let bsuid =
        fields::bsuid(&message["from_user_id"]).or_else(|| fields::bsuid(&contact["user_id"]));
    let (from, aliases) = fields::addresses(fields::phone(&message["from"]), bsuid);
    Some(InboundMessage {
        id: fields::text(&message["id"])?,
        from,
        aliases,
        profile_name: fields::text(&contact["profile"]["name"]),
        at: fields::seconds(&message["timestamp"])?,
        quoted: fields::text(&message["context"]["id"]),
        group: fields::text(&message["group_id"]),
        content: content(message),
    })
}

/// The entry of `contacts` for the sender of the message. Meta's samples do not
/// always agree on the number, so a single entry is used where the message has none.
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

fn content(message: &Value) -> InboundContent {
    let kind = message["type"].as_str().unwrap_or("");
    known_content(kind, message).unwrap_or_else(|| InboundContent::Other { kind: kind.to_owned() })
}

fn known_content(kind: &str, message: &Value) -> Option<InboundContent> {
    let part = &message[kind];
    match kind {
        "text" => part["body"].as_str().map(|body| InboundContent::Text { body: body.to_owned() }),
        "button" => Some(InboundContent::Button {
            payload: fields::text(&part["payload"]),
            text: fields::text(&part["text"])?,
        }),
        "interactive" => reply(part),
        "image" => media(MediaKind::Image, part),
        "video" => media(MediaKind::Video, part),
        "audio" => media(MediaKind::Audio, part),
        "document" => media(MediaKind::Document, part),
        "sticker" => media(MediaKind::Sticker, part),
        "location" => location(part),
        "reaction" => Some(InboundContent::Reaction {
            to: fields::text(&part["message_id"])?,
            emoji: fields::text(&part["emoji"]),
        }),
        "contacts" => Some(InboundContent::Contacts),
        "order" => Some(InboundContent::Order),
        "edit" => {
            Some(InboundContent::Edit { original: fields::text(&part["original_message_id"])? })
        }
        "revoke" => {
            Some(InboundContent::Revoke { original: fields::text(&part["original_message_id"])? })
        }
        "system" => Some(InboundContent::System(system_change(part))),
        "unsupported" => {
            Some(InboundContent::Unsupported { code: number(&message["errors"][0]["code"]) })
        }
        _ => None,
    }
}

fn reply(part: &Value) -> Option<InboundContent> {
    let member = part["type"].as_str()?;
    let kind = match member {
        "button_reply" => ReplyKind::Button,
        "list_reply" => ReplyKind::List,
        "nfm_reply" => ReplyKind::Flow,
        "call_permission_reply" => ReplyKind::CallPermission,
        _ => return None,
    };
    let reply = &part[member];
    Some(InboundContent::Interactive {
        kind,
        id: fields::text(&reply["id"]),
        title: fields::text(&reply["title"]),
        response: fields::text(&reply["response_json"])
            .or_else(|| fields::text(&reply["response"])),
    })
}

fn media(kind: MediaKind, part: &Value) -> Option<InboundContent> {
    Some(InboundContent::Media {
        kind,
        id: fields::id(&part["id"])?,
        mime_type: fields::text(&part["mime_type"]),
        caption: fields::text(&part["caption"]),
        filename: fields::text(&part["filename"]),
    })
}

fn location(part: &Value) -> Option<InboundContent> {
    Some(InboundContent::Location {
        latitude: part["latitude"].as_f64()?,
        longitude: part["longitude"].as_f64()?,
        name: fields::text(&part["name"]),
        address: fields::text(&part["address"]),
    })
}

fn system_change(part: &Value) -> SystemChange {
    let bsuid = fields::bsuid(&part["user_id"]);
    let previous_bsuid = fields::bsuid(&part["previous_user_id"]);
    match part["type"].as_str() {
        Some("user_changed_number") => {
            SystemChange::Number { phone: fields::phone(&part["wa_id"]), bsuid, previous_bsuid }
        }
        Some("user_changed_user_id") => SystemChange::UserId { bsuid, previous_bsuid },
        Some("customer_identity_changed") => SystemChange::Identity,
        _ => SystemChange::Other,
    }
}
