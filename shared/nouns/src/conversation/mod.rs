//! Conversations: messages from contacts, how long they are kept, and which campaign they
//! reply to.

mod reply;
mod retention;
pub mod store;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use retention::{Retention, RetentionError};

/// A message from a contact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inbound {
    /// The provider's id of the message.
    pub id: String,
    /// When it was sent.
    pub at: Timestamp,
    /// The provider's id of the sender it was sent to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender_id: Option<String>,
    /// The provider's id of the message that it quotes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quoted: Option<String>,
    /// Whether it counts as a reply.
    #[serde(default)]
    pub is_reply: bool,
    /// The message in the provider's form, as JSON.
    pub raw: String,
    /// When the table deletes it, in seconds since 1970; none for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
}
