//! Connections: the numbers that send, their credentials and limits.

mod health;
pub mod store;
mod vault;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use health::{Health, Note};
pub use vault::{Sealed, Secrets, Vault, VaultError};

use crate::ids::ConnectionId;

/// A sender: one number with its credentials and limits.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Connection {
    /// Its id.
    pub id: ConnectionId,
    /// What people call it.
    pub name: String,
    /// Which provider it speaks to.
    pub kind: Kind,
    /// The provider's id of the number: all digits.
    pub phone_number_id: String,
    /// The WhatsApp Business Account it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waba_id: Option<String>,
    /// The business portfolio whose 24-hour limit it shares.
    pub portfolio: String,
    /// How many messages a second the number can take, replies included.
    pub throughput_mps: u32,
    /// Access token, app secret and verification token, sealed.
    pub secrets: Sealed,
    /// When it was made.
    pub created_at: Timestamp,
}

/// An account at a provider, with all its numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Account {
    /// A WhatsApp Business Account, by Meta's id.
    Waba(String),
    /// The numbers of a portfolio whose account isn't known.
    Portfolio(String),
}

impl Connection {
    /// The account it belongs to.
    pub fn account(&self) -> Account {
        match &self.waba_id {
            Some(waba) => Account::Waba(waba.clone()),
            None => Account::Portfolio(self.portfolio.clone()),
        }
    }
}

/// The providers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ConnectionKind)]
pub enum Kind {
    /// Meta's `WhatsApp` Cloud API.
    WhatsappCloud,
}
