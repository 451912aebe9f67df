//! Connections: senders at providers, their credentials, limits and health.

mod health;
mod lane;
pub mod store;
mod throttling;
mod vault;

use carillon_channel::ProviderConfig;
use carillon_foundations::ids::ConnectionId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use health::{Health, Note};
pub use lane::{Lane, Slice};
pub use throttling::Throttling;
pub use vault::{Sealed, Vault, VaultError};

/// A sender at a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// Its id.
    pub id: ConnectionId,
    /// Its name.
    pub name: String,
    /// Its account at the provider.
    pub provider: ProviderConfig,
    /// The quota group that it shares; none where the provider has no quota.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota_group: Option<String>,
    /// The configured throughput in messages a second; none to use the provider's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throughput_mps: Option<u32>,
    /// Its credentials, encrypted.
    pub credentials: Sealed,
    /// When it was created.
    pub created_at: Timestamp,
}

/// The account of one or more connections at a provider.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Account {
    /// The provider's name.
    pub provider: String,
    /// The provider's id of the account; of a connection whose account is not known, its
    /// quota group or its sender.
    pub id: String,
}

impl Connection {
    /// Its account.
    pub fn account(&self) -> Account {
        let config = &self.provider;
        let id = config.account_id.as_ref().or(self.quota_group.as_ref());
        Account { provider: config.provider.clone(), id: id.unwrap_or(&config.sender_id).clone() }
    }

    /// Its throughput in messages a second: the configured one, and never more than the
    /// provider reported or its refusals taught. Until the provider reports one,
    /// `default_mps` stands in where none is configured.
    pub fn throughput(&self, health: &Health, default_mps: u32) -> u32 {
        let throughput = match (self.throughput_mps, health.throughput_mps) {
            (Some(configured), Some(reported)) => configured.min(reported),
            (Some(configured), None) => configured,
            (None, reported) => reported.unwrap_or(default_mps),
        };
        throughput.min(health.learned_mps.unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use carillon_foundations::ids::IdSource;
    use serde_json::Map;

    use super::*;

    fn connection(throughput_mps: Option<u32>) -> Connection {
        let created_at = Timestamp::UNIX_EPOCH;
        Connection {
            id: ConnectionId::from_uuid(IdSource::seeded(1).uuid(created_at)),
            name: "Main".to_owned(),
            provider: ProviderConfig {
                provider: "test".to_owned(),
                sender_id: "1".to_owned(),
                account_id: None,
                settings: Map::new(),
            },
            quota_group: None,
            throughput_mps,
            credentials: Sealed::from_text(""),
            created_at,
        }
    }

    #[test]
    fn the_throughput_is_the_configured_one_within_the_providers() {
        let reported = |mps| Health { throughput_mps: mps, ..Health::default() };
        for (configured, provider, expected) in [
            (Some(20), Some(80), 20),
            (Some(1_000), Some(80), 80),
            (Some(1_000), None, 1_000),
            (None, Some(1_000), 1_000),
            (None, None, 80),
        ] {
            let throughput = connection(configured).throughput(&reported(provider), 80);
            assert_eq!(throughput, expected, "{configured:?}, {provider:?}");
        }
    }
}
