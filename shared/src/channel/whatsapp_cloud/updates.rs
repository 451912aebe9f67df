//! Takes a webhook apart into updates. Each is read on its own: what can't be
//! read is counted as unknown and never costs its neighbours.
//! Source: Meta, "Webhooks" (WhatsApp).

use serde_json::Value;

use super::account::{self, AccountUpdate};
use super::fields;
use super::inbound::InboundMessage;
use super::status::StatusUpdate;
use crate::contact::{Bsuid, ContactKey};
use crate::time::Timestamp;

/// A webhook's body. Its `Debug` form leaves everything out.
#[derive(Clone)]
pub struct Webhook(Value);

/// Why a body is no webhook.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// It is not JSON.
    #[error("the webhook's body is not JSON")]
    NotJson(#[source] serde_json::Error),
    /// It is JSON, but not an object.
    #[error("the webhook's body is not a JSON object")]
    NotAnObject,
}

/// One piece of news.
#[derive(Debug, Clone, PartialEq)]
pub enum Update {
    /// What became of a message that we sent.
    Status(StatusUpdate),
    /// A message from a contact.
    Message(InboundMessage),
    /// A contact stops or resumes marketing messages.
    Preference(Preference),
    /// News about the account, its numbers or templates.
    Account(AccountUpdate),
    /// Something that can't be read, or that we have no use for.
    Unknown {
        /// Where it stood, such as `calls` or `messages.statuses`.
        field: String,
    },
}

/// A contact's wish about marketing messages, made in WhatsApp itself.
/// Source: Meta, "User preferences webhook".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preference {
    /// The number whose messages it is about, by Meta's id.
    pub phone_number_id: Option<String>,
    /// Who: by phone if Meta tells it, or else by BSUID.
    pub contact: ContactKey,
    /// The contact's BSUID, if Meta tells it.
    pub bsuid: Option<Bsuid>,
    /// About which messages; so far always `marketing_messages`.
    pub category: String,
    /// The wish.
    pub choice: Choice,
    /// When.
    pub at: Timestamp,
}

/// Whether a contact wants messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Choice {
    /// No more.
    Stop,
    /// Again, or from now on.
    Resume,
}

/// Reads a webhook's body. Check its signature before.
pub fn parse(body: &[u8]) -> Result<Webhook, WebhookError> {
    let value: Value = serde_json::from_slice(body).map_err(WebhookError::NotJson)?;
    if value.is_object() { Ok(Webhook(value)) } else { Err(WebhookError::NotAnObject) }
}

impl Webhook {
    /// All the news in it, in the order in which they stand.
    pub fn updates(&self) -> Vec<Update> {
        let mut updates = Vec::new();
        for entry in elements(&self.0["entry"], "entry", &mut updates) {
            for change in elements(&entry["changes"], "entry.changes", &mut updates) {
                read_change(entry, change, &mut updates);
            }
        }
        updates
    }
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Webhook(…)")
    }
}

/// The elements of a list. Anything else, unless it is absent, is unknown.
fn elements<'a>(list: &'a Value, field: &str, updates: &mut Vec<Update>) -> &'a [Value] {
    if !list.is_array() && !list.is_null() {
        updates.push(Update::Unknown { field: field.to_owned() });
    }
    fields::list(list)
}

fn read_change(entry: &Value, change: &Value, updates: &mut Vec<Update>) {
    let value = &change["value"];
    match change["field"].as_str() {
        Some("messages") => read_messages(value, updates),
        Some("user_preferences") => read_preferences(value, updates),
        Some(field) if account::is_account_field(field) => {
            updates.push(Update::Account(AccountUpdate::read(entry, field, value)));
        }
        Some(field) => updates.push(Update::Unknown { field: field.to_owned() }),
        None => updates.push(Update::Unknown { field: "entry.changes.field".to_owned() }),
    }
}

fn read_messages(value: &Value, updates: &mut Vec<Update>) {
    let number = fields::id(&value["metadata"]["phone_number_id"]);
    let number = number.as_deref();
    let before = updates.len();
    for status in elements(&value["statuses"], "messages.statuses", updates) {
        push(StatusUpdate::read(number, status).map(Update::Status), "messages.statuses", updates);
    }
    for message in elements(&value["messages"], "messages.messages", updates) {
        let message = InboundMessage::read(number, &value["contacts"], message);
        push(message.map(Update::Message), "messages.messages", updates);
    }
    for other in ["errors", "user_actions"] {
        let field = format!("messages.{other}");
        let count = elements(&value[other], &field, updates).len();
        updates.extend((0..count).map(|_| Update::Unknown { field: field.clone() }));
    }
    if updates.len() == before {
        updates.push(Update::Unknown { field: "messages".to_owned() });
    }
}

fn read_preferences(value: &Value, updates: &mut Vec<Update>) {
    let number = fields::id(&value["metadata"]["phone_number_id"]);
    for preference in elements(&value["user_preferences"], "user_preferences", updates) {
        let preference = Preference::read(number.as_deref(), preference);
        push(preference.map(Update::Preference), "user_preferences", updates);
    }
}

fn push(update: Option<Update>, field: &str, updates: &mut Vec<Update>) {
    updates.push(update.unwrap_or_else(|| Update::Unknown { field: field.to_owned() }));
}

impl Preference {
    fn read(phone_number_id: Option<&str>, preference: &Value) -> Option<Self> {
        let bsuid = fields::bsuid(&preference["user_id"]);
        Some(Self {
            phone_number_id: phone_number_id.map(str::to_owned),
            contact: fields::key(fields::phone(&preference["wa_id"]), bsuid.as_ref())?,
            bsuid,
            category: fields::text(&preference["category"])?,
            choice: Choice::read(preference["value"].as_str()?)?,
            at: fields::seconds(&preference["timestamp"])?,
        })
    }
}

impl Choice {
    fn read(text: &str) -> Option<Self> {
        match text {
            "stop" => Some(Self::Stop),
            "resume" | "signup" => Some(Self::Resume),
            _ => None,
        }
    }
}
