//! Webhook bodies as Meta sends them, for the account and number of
//! [`World::connection`](crate::World::connection).

use serde_json::{Value, json};
use whatsapp_simulator::LogEntry;

/// A body with one change of the account.
pub fn change(field: &str, value: &Value) -> Vec<u8> {
    let entry = json!({"id": "900000000000001", "changes": [{"field": field, "value": value}]});
    json!({"object": "whatsapp_business_account", "entry": [entry]}).to_string().into_bytes()
}

/// A body with one change of the number. `value` lacks only the product and the
/// number's metadata.
pub fn number_change(field: &str, mut value: Value) -> Vec<u8> {
    value["messaging_product"] = json!("whatsapp");
    value["metadata"] =
        json!({"display_phone_number": "15550100001", "phone_number_id": "800000000000001"});
    change(field, &value)
}

/// A body with statuses.
pub fn statuses(statuses: &[Value]) -> Vec<u8> {
    number_change("messages", json!({ "statuses": statuses }))
}

/// A status of a message that the simulator accepted.
pub fn status(entry: &LogEntry, status: &str) -> Value {
    let mut body = json!({
        "id": entry.wamid, "status": status, "timestamp": (entry.at_ms / 1000).to_string(),
        "recipient_id": entry.to, "biz_opaque_callback_data": entry.biz_opaque_callback_data,
    });
    if status == "failed" {
        body["errors"] = json!([{"code": 131_026, "title": "Message undeliverable"}]);
    }
    body
}
