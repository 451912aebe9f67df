//! Conversations: what contacts write to us, how long it is kept, and which campaign
//! they answer.

mod retention;
pub mod store;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use retention::{NoRetention, Retention};

/// A message that a contact wrote, as stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inbound {
    /// The provider's id of the message.
    pub id: String,
    /// When it was written.
    pub at: Timestamp,
    /// The number it came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone_number_id: Option<String>,
    /// The message it quotes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quoted: Option<String>,
    /// Whether it says something to us, as against a notice or a change of an
    /// earlier message.
    #[serde(default)]
    pub is_answer: bool,
    /// The message as the provider sent it.
    pub raw: String,
    /// When it is deleted, in seconds since 1970; none for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
}
