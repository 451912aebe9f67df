use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::credentials::Credentials;

/// The account of a connection at its provider, as [`Provider::configure`](crate::Provider::configure) accepted
/// it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderConfig {
    /// The provider's name.
    #[serde(rename = "type")]
    pub provider: String,
    /// The provider's id of the sender, such as Meta's phone number id: unique among
    /// the provider's connections.
    pub sender_id: String,
    /// The provider's id of the account that owns the sender, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    /// The settings as people gave them.
    pub settings: Map<String, Value>,
}

/// A sender and the credentials to use it.
#[derive(Debug, Clone)]
pub struct SenderAccess {
    /// The account.
    pub config: ProviderConfig,
    /// Its credentials.
    pub credentials: Credentials,
}
