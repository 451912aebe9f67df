use carillon::recipient::DeliveryStatus;
use serde_json::{Value, json};

use super::message_log::message_id;
use super::webhook_events::{EventKind, WebhookEvent};

/// The WhatsApp Business Account that owns the numbers.
pub(crate) const WABA_ID: &str = "900000000000001";

/// The body of one webhook request with all these events, in Meta's format.
pub(crate) fn webhook_payload(events: &[WebhookEvent]) -> Vec<u8> {
    let changes: Vec<Value> = events.iter().map(change).collect();
    let entry = json!([{ "id": WABA_ID, "changes": changes }]);
    json!({ "object": "whatsapp_business_account", "entry": entry }).to_string().into_bytes()
}

fn change(event: &WebhookEvent) -> Value {
    let mut value = json!({
        "messaging_product": "whatsapp",
        "metadata": {
            "display_phone_number": "15550100001", "phone_number_id": event.message.number,
        },
    });
    let (field, list, item) = match event.kind {
        EventKind::Status(reached) => ("messages", "statuses", status(event, status_name(reached))),
        EventKind::Failed { code } => {
            let mut status = status(event, "failed");
            status["errors"] = json!([{ "code": code, "title": "failed" }]);
            ("messages", "statuses", status)
        }
        EventKind::Reply => ("messages", "messages", reply(event)),
        EventKind::OptOut => ("user_preferences", "user_preferences", opt_out(event)),
    };
    value[list] = json!([item]);
    json!({ "field": field, "value": value })
}

fn status_name(status: DeliveryStatus) -> &'static str {
    match status {
        DeliveryStatus::Sent => "sent",
        DeliveryStatus::Failed => "failed",
        DeliveryStatus::Delivered => "delivered",
        DeliveryStatus::Read | DeliveryStatus::Replied | DeliveryStatus::Closed => "read",
    }
}

fn status(event: &WebhookEvent, name: &str) -> Value {
    json!({
        "id": message_id(event.message.index), "status": name,
        "timestamp": event.at.as_second().to_string(), "recipient_id": wa_id(event),
        "recipient_user_id": event.message.to.user_id(),
        "biz_opaque_callback_data": event.message.callback.to_string(),
    })
}

fn reply(event: &WebhookEvent) -> Value {
    json!({
        "from": wa_id(event), "from_user_id": event.message.to.user_id(), "id": format!("{}.answer", message_id(event.message.index)),
        "timestamp": event.at.as_second().to_string(), "type": "text",
        "text": { "body": "thank you" }, "context": { "id": message_id(event.message.index) },
    })
}

fn opt_out(event: &WebhookEvent) -> Value {
    json!({
        "user_id": event.message.to.user_id(), "category": "marketing_messages", "value": "stop",
        "detail": "User requested to stop marketing messages", "timestamp": event.at.as_second(),
    })
}

/// The phone number without its plus sign.
fn wa_id(event: &WebhookEvent) -> String {
    event.message.to.wa_id()
}
