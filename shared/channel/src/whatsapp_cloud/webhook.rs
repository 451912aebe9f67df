//! Splits a webhook's body into events. Each is read on its own: one that cannot be
//! read becomes an unknown event and does not affect the others.
//! Source: Meta, "Webhooks" (WhatsApp).

use serde_json::Value;

use super::{account, fields, inbound, status};
use crate::event::{Choice, Event, EventBody, PreferenceEvent};

/// All events of a body, in its order.
pub(super) fn events(body: &Value) -> Vec<Event> {
    let mut events = Events::default();
    for entry in events.elements(&body["entry"], "entry") {
        events.account_id = fields::id(&entry["id"]);
        for change in events.elements(&entry["changes"], "entry.changes") {
            events.read_change(entry, change);
        }
        events.account_id = None;
    }
    events.found
}

/// The events found so far, and what the next one concerns.
#[derive(Default)]
struct Events {
    account_id: Option<String>,
    sender_id: Option<String>,
    found: Vec<Event>,
}

impl Events {
    fn push(&mut self, body: EventBody) {
        let (sender_id, account_id) = (self.sender_id.clone(), self.account_id.clone());
        self.found.push(Event { sender_id, account_id, body });
    }

    fn push_unknown(&mut self, field: &str) {
        self.push(EventBody::Unknown { field: field.to_owned() });
    }

    fn push_or_unknown(&mut self, body: Option<EventBody>, field: &str) {
        self.push(body.unwrap_or_else(|| EventBody::Unknown { field: field.to_owned() }));
    }

    /// The elements of a list. Another value is an unknown event, unless it is absent.
    fn elements<'a>(&mut self, list: &'a Value, field: &str) -> &'a [Value] {
        if !list.is_array() && !list.is_null() {
            self.push_unknown(field);
        }
        fields::list(list)
    }

    fn read_change(&mut self, entry: &Value, change: &Value) {
        let value = &change["value"];
        self.sender_id = fields::id(&value["metadata"]["phone_number_id"]);
        match change["field"].as_str() {
            Some("messages") => self.read_messages(value),
            Some("user_preferences") => self.read_preferences(value),
            Some(field) if account::is_account_field(field) => {
                self.push(EventBody::Account(account::read(entry, field, value)));
            }
            Some(field) => self.push_unknown(field),
            None => self.push_unknown("entry.changes.field"),
        }
        self.sender_id = None;
    }

    fn read_messages(&mut self, value: &Value) {
        let before = self.found.len();
        for element in self.elements(&value["statuses"], "messages.statuses") {
            let status = status::read(element).map(EventBody::Status);
            self.push_or_unknown(status, "messages.statuses");
        }
        for element in self.elements(&value["messages"], "messages.messages") {
            let message = inbound::read(&value["contacts"], element).map(EventBody::Message);
            self.push_or_unknown(message, "messages.messages");
        }
        for unused in ["messages.errors", "messages.user_actions"] {
            let list = &value[unused.trim_start_matches("messages.")];
            for _ in self.elements(list, unused) {
                self.push_unknown(unused);
            }
        }
        if self.found.len() == before {
            self.push_unknown("messages");
        }
    }

    fn read_preferences(&mut self, value: &Value) {
        for element in self.elements(&value["user_preferences"], "user_preferences") {
            let preference = preference(element).map(EventBody::Preference);
            self.push_or_unknown(preference, "user_preferences");
        }
    }
}

/// Source: Meta, "User preferences webhook".
fn preference(preference: &Value) -> Option<PreferenceEvent> {
    let phone = fields::phone(&preference["wa_id"]);
    let (contact, aliases) = fields::addresses(phone, fields::bsuid(&preference["user_id"]));
    Some(PreferenceEvent {
        contact: contact?,
        aliases,
        category: fields::text(&preference["category"])?,
        choice: choice(preference["value"].as_str()?)?,
        at: fields::seconds(&preference["timestamp"])?,
    })
}

fn choice(text: &str) -> Option<Choice> {
    match text {
        "stop" => Some(Choice::Stop),
        "resume" | "signup" => Some(Choice::Resume),
        _ => None,
    }
}
