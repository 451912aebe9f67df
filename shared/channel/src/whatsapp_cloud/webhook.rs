//! Splits a webhook's body into events. Each is read on its own: one that cannot be
//! read becomes an unknown event and does not affect the others.
//! Source: Meta, "Webhooks" (WhatsApp).

use serde_json::Value;

use super::{account, fields, inbound, status};
use crate::event::{Choice, Event, EventBody, PreferenceEvent, UnknownCause};

/// The longest name of a webhook field that is reported, in bytes.
const MAX_FIELD: usize = 64;

/// All events of a body, in its order.
pub(super) fn events(body: &Value) -> Vec<Event> {
    let mut events = Events::default();
    for entry in events.elements(&body["entry"], "entry") {
        if !entry.is_object() {
            events.push_unreadable("entry", entry);
        }
        events.account_id = fields::id(&entry["id"]);
        for change in events.elements(&entry["changes"], "entry.changes") {
            events.read_change(entry, change);
        }
        events.account_id = None;
    }
    events.found
}

/// The event of a body that is no JSON object.
pub(super) fn unreadable_body(body: &[u8]) -> Event {
    let unknown = EventBody::Unknown { field: "body".to_owned(), cause: UnknownCause::Unreadable };
    let raw = String::from_utf8_lossy(body).into_owned();
    Event { sender_id: None, account_id: None, body: unknown, raw }
}

/// The events found so far, and what the next one concerns.
#[derive(Default)]
struct Events {
    account_id: Option<String>,
    sender_id: Option<String>,
    found: Vec<Event>,
}

impl Events {
    /// Adds the event that is made of a part of the body.
    fn push(&mut self, body: EventBody, part: &Value) {
        let (sender_id, account_id) = (self.sender_id.clone(), self.account_id.clone());
        self.found.push(Event { sender_id, account_id, body, raw: fields::raw(part) });
    }

    fn push_unknown(&mut self, field: &str, cause: UnknownCause, part: &Value) {
        let field = field[..field.floor_char_boundary(MAX_FIELD)].to_owned();
        self.push(EventBody::Unknown { field, cause }, part);
    }

    fn push_unreadable(&mut self, field: &str, part: &Value) {
        self.push_unknown(field, UnknownCause::Unreadable, part);
    }

    fn push_or_unknown(&mut self, body: Option<EventBody>, field: &str, part: &Value) {
        match body {
            Some(body) => self.push(body, part),
            None => self.push_unreadable(field, part),
        }
    }

    /// The elements of a list. Another value is an unreadable event, unless it is absent.
    fn elements<'a>(&mut self, list: &'a Value, field: &str) -> &'a [Value] {
        if !list.is_array() && !list.is_null() {
            self.push_unreadable(field, list);
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
                self.push(EventBody::Account(account::read(entry, field, value)), change);
            }
            Some(field) => self.push_unknown(field, UnknownCause::Unused, change),
            None => self.push_unreadable("entry.changes.field", change),
        }
        self.sender_id = None;
    }

    fn read_messages(&mut self, value: &Value) {
        let before = self.found.len();
        for element in self.elements(&value["statuses"], "messages.statuses") {
            match status::read(element) {
                Some(status) => self.push(EventBody::Status(status), element),
                None => {
                    self.push_unknown("messages.statuses", status::why_unknown(element), element);
                }
            }
        }
        for element in self.elements(&value["messages"], "messages.messages") {
            let message = inbound::read(&value["contacts"], element).map(EventBody::Message);
            self.push_or_unknown(message, "messages.messages", element);
        }
        for unused in ["messages.errors", "messages.user_actions"] {
            let list = &value[unused.trim_start_matches("messages.")];
            for element in self.elements(list, unused) {
                self.push_unknown(unused, UnknownCause::Unused, element);
            }
        }
        self.report_nothing(before, "messages", value);
    }

    fn read_preferences(&mut self, value: &Value) {
        let before = self.found.len();
        for element in self.elements(&value["user_preferences"], "user_preferences") {
            let preference = preference(element).map(EventBody::Preference);
            self.push_or_unknown(preference, "user_preferences", element);
        }
        self.report_nothing(before, "user_preferences", value);
    }

    /// Adds an unknown event where a change had none.
    fn report_nothing(&mut self, before: usize, field: &str, value: &Value) {
        if self.found.len() == before {
            let unused = value.is_object();
            let cause = if unused { UnknownCause::Unused } else { UnknownCause::Unreadable };
            self.push_unknown(field, cause, value);
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
