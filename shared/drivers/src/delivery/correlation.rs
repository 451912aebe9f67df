//! Statuses of providers that do not return our callback: a pointer leads from the
//! provider's message id to the recipient.
//!
//! A status may arrive before the pointer is stored. Then it is stored as an early status.
//! The sender stores the pointer first and reads the early statuses afterwards; the webhook
//! stores the early status first and reads the pointer afterwards. So at least one of them
//! sees both.

use carillon_channel::Refusal;
use carillon_channel::event::{MessageStatus, StatusEvent};
use carillon_nouns::recipient::Callback;
use carillon_table::{Key, StoreError, Table, Write};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// How long pointers and early statuses are kept: longer than a message may be delivered.
const RETENTION: SignedDuration = SignedDuration::from_hours(40 * 24);

/// A message of a sender at a provider. Pointers and early statuses are stored by sender, so
/// that a connection cannot report on the messages of another one.
#[derive(Debug, Clone, Copy)]
pub(super) struct MessageRef<'a> {
    pub(super) provider: &'a str,
    pub(super) sender_id: &'a str,
    pub(super) message_id: &'a str,
}

#[derive(Serialize, Deserialize)]
struct Pointer {
    callback: String,
    expires_at: i64,
}

#[derive(Serialize, Deserialize)]
struct EarlyStatus {
    status: MessageStatus,
    at: Timestamp,
    refusal: Option<Refusal>,
    expires_at: i64,
}

impl MessageRef<'_> {
    /// The sender's id and the message's; the length keeps them apart.
    fn scoped_id(self) -> String {
        let Self { sender_id, message_id, .. } = self;
        format!("{}#{sender_id}#{message_id}", sender_id.len())
    }

    fn pointer_key(self) -> Key {
        Key::MessagePointer { provider: self.provider.to_owned(), message: self.scoped_id() }
    }

    fn status_key(self, status: MessageStatus) -> Key {
        Key::EarlyStatus {
            provider: self.provider.to_owned(),
            message: self.scoped_id(),
            status: status.as_str().to_owned(),
        }
    }

    async fn callback(self, table: &Table) -> Result<Option<Callback>, StoreError> {
        let pointer: Option<Pointer> = table.get(&self.pointer_key()).await?;
        Ok(pointer.and_then(|pointer| pointer.callback.parse().ok()))
    }
}

/// Stores the pointer of a message and returns its early statuses.
pub(super) async fn store_pointer(
    table: &Table,
    message: MessageRef<'_>,
    callback: &Callback,
    now: Timestamp,
) -> Result<Vec<StatusEvent>, StoreError> {
    let pointer =
        Pointer { callback: callback.to_string(), expires_at: (now + RETENTION).as_second() };
    table.write(Write::put(&message.pointer_key(), &pointer)?).await?;
    let pk = message.pointer_key().pk();
    let page = table.query_prefix::<EarlyStatus>(&pk, Key::EARLY_STATUSES, None, 10).await?;
    let event = |early: EarlyStatus| StatusEvent {
        message_id: message.message_id.to_owned(),
        status: early.status,
        at: early.at,
        recipient: None,
        aliases: Vec::new(),
        callback: None,
        refusal: early.refusal,
        pricing: None,
    };
    Ok(page.items.into_iter().map(event).collect())
}

/// The attempt of a status without a callback; `None` where its pointer is not stored: then
/// the sender reads the early status.
pub(super) async fn attempt_of(
    table: &Table,
    message: MessageRef<'_>,
    event: &StatusEvent,
    now: Timestamp,
) -> Result<Option<Callback>, StoreError> {
    if let Some(callback) = message.callback(table).await? {
        return Ok(Some(callback));
    }
    let early = EarlyStatus {
        status: event.status,
        at: event.at,
        refusal: event.refusal.clone(),
        expires_at: (now + RETENTION).as_second(),
    };
    table.write(Write::put(&message.status_key(event.status), &early)?).await?;
    message.callback(table).await
}
