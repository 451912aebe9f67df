//! Conversations: messages from contacts, how long they are kept, and which campaign they
//! reply to.

mod reply;
mod retention;
pub mod store;

use carillon_foundations::address::Address;
use carillon_foundations::ids::ConnectionId;
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
    /// The address that it was sent from.
    pub from: Address,
    /// The connection that it was sent to; none where it exists no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_id: Option<ConnectionId>,
    /// The provider's id of the group that it was sent to; none for a message to us alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
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

impl Inbound {
    /// The connection whose service window it opens: a message to us alone opens that of the
    /// number it was sent to. Messages to groups and system notices open none.
    /// Source: Meta, "Customer service windows".
    pub fn opens(&self) -> Option<ConnectionId> {
        self.connection_id.filter(|_| self.is_reply && self.group.is_none())
    }
}
