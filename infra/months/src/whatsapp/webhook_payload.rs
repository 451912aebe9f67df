use carillon::recipient::DeliveryStatus;
use carillon::time::Timestamp;
use serde_json::{Value, json};

use super::limits::{LimitChange, LimitOf};
use super::message_log::message_id;
use super::people::People;
use super::person::{Identity, Line};
use super::webhook_events::{Event, EventKind, NumberChange, SentMessage, WebhookEvent};

/// The WhatsApp Business Account that owns the numbers.
pub(crate) const WABA_ID: &str = "900000000000001";

/// The body of one webhook request with all these events, in Meta's format.
pub(crate) fn webhook_payload(events: &[WebhookEvent], people: &People) -> Vec<u8> {
    let entry = |event: &WebhookEvent| {
        let time = event.at.as_second();
        json!({ "id": WABA_ID, "time": time, "changes": [change(event, people)] })
    };
    let entries: Vec<Value> = events.iter().map(entry).collect();
    json!({ "object": "whatsapp_business_account", "entry": entries }).to_string().into_bytes()
}

fn change(event: &WebhookEvent, people: &People) -> Value {
    let mut value = json!({
        "messaging_product": "whatsapp",
        "metadata": {
            "display_phone_number": "15550100001", "phone_number_id": event.number,
        },
    });
    let at = event.at;
    let (field, list, item) = match &event.event {
        Event::Message(message, kind) => match kind {
            EventKind::Status(reached) => {
                ("messages", "statuses", status(message, status_name(*reached), at))
            }
            EventKind::Failed { code } => ("messages", "statuses", failure(message, *code, at)),
            EventKind::Reply => ("messages", "messages", reply(message, people, at)),
            EventKind::OptOut => {
                ("user_preferences", "user_preferences", opt_out(message, people, at))
            }
        },
        Event::NumberChange(changed) => ("messages", "messages", number_change(changed, event)),
        Event::LimitChange(changed) => return limit_change(changed),
    };
    value[list] = json!([item]);
    json!({ "field": field, "value": value })
}

fn limit_change(changed: &LimitChange) -> Value {
    match changed.of {
        LimitOf::Portfolio => json!({
            "field": "business_capability_update",
            "value": { "max_daily_conversations_per_business": changed.limit },
        }),
        LimitOf::Number(_) => json!({
            "field": "phone_number_quality_update",
            "value": { "display_phone_number": "15550100001", "event": "THROUGHPUT_UPGRADE" },
        }),
    }
}

fn status_name(status: DeliveryStatus) -> &'static str {
    match status {
        DeliveryStatus::Sent => "sent",
        DeliveryStatus::Failed => "failed",
        DeliveryStatus::Delivered => "delivered",
        DeliveryStatus::Read | DeliveryStatus::Replied | DeliveryStatus::Closed => "read",
    }
}

/// A status names the person by the number and the user id that the message was sent to.
fn status(message: &SentMessage, name: &str, at: Timestamp) -> Value {
    let mut status = json!({
        "id": message_id(message.index), "status": name, "timestamp": at.as_second().to_string(),
        "biz_opaque_callback_data": message.callback.to_string(),
    });
    if let Some(to) = message.to {
        status["recipient_id"] = json!(to.line.wa_id());
        status["recipient_user_id"] = json!(to.user_id());
    }
    status
}

/// A `failed` status names only the address that the message was sent to.
fn failure(message: &SentMessage, code: u32, at: Timestamp) -> Value {
    let mut status = status(&SentMessage { to: None, ..message.clone() }, "failed", at);
    match Line::of(&message.address) {
        Some(line) => status["recipient_id"] = json!(line.wa_id()),
        None => status["recipient_user_id"] = json!(message.address.as_str()),
    }
    status["errors"] = json!([{ "code": code, "title": "failed" }]);
    status
}

fn reply(message: &SentMessage, people: &People, at: Timestamp) -> Value {
    let mut reply = json!({
        "id": format!("{}.answer", message_id(message.index)),
        "timestamp": at.as_second().to_string(), "type": "text",
        "text": { "body": "thank you" }, "context": { "id": message_id(message.index) },
    });
    if let Some(from) = writer(message, people, at) {
        reply["from"] = json!(from.line.wa_id());
        reply["from_user_id"] = json!(from.user_id());
    }
    reply
}

fn opt_out(message: &SentMessage, people: &People, at: Timestamp) -> Value {
    json!({
        "user_id": writer(message, people, at).map(Identity::user_id),
        "category": "marketing_messages", "value": "stop",
        "detail": "User requested to stop marketing messages", "timestamp": at.as_second(),
    })
}

/// Who got a message, with the number that they have at `at`.
pub(crate) fn writer(message: &SentMessage, people: &People, at: Timestamp) -> Option<Identity> {
    people.identity(message.to?.person, at)
}

fn number_change(changed: &NumberChange, event: &WebhookEvent) -> Value {
    let NumberChange { before, after } = changed;
    let (old, new) = (before.line.wa_id(), after.line.wa_id());
    json!({
        "from": old, "id": format!("wamid.{}.{}", event.number, after.user_id()),
        "timestamp": event.at.as_second().to_string(), "type": "system",
        "system": {
            "type": "user_changed_number", "body": format!("User changed from {old} to {new}"),
            "wa_id": new, "user_id": after.user_id(), "previous_user_id": before.user_id(),
        },
    })
}
