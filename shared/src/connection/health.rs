use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How long what the provider said of a number is taken to hold.
const FRESH: SignedDuration = SignedDuration::from_hours(6);

/// What the provider says of a connection. It lies beside what people set, so
/// that neither overwrites the other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// How people take the number's messages: `green`, `yellow`, `red` or `unknown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<String>,
    /// How many messages a second the provider lets it send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throughput_mps: Option<u32>,
    /// When the provider was asked last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_at: Option<Timestamp>,
    /// Countries that the account may not send to, by two-letter ISO code.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub blocked_countries: BTreeSet<String>,
    /// The last news of the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Note>,
}

/// News of an account that people should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Note {
    /// What they say.
    pub text: String,
    /// When they came.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

impl Health {
    /// Whether the provider should be asked again.
    pub fn is_stale(&self, now: Timestamp) -> bool {
        self.checked_at.is_none_or(|at| at + FRESH <= now)
    }

    /// How many messages a second may be sent: what people set, and never more
    /// than the provider takes.
    pub fn throughput(&self, set: u32) -> u32 {
        self.throughput_mps.map_or(set, |told| set.min(told))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_may_ask_for_less_than_the_provider_takes_but_not_for_more() {
        let told = Health { throughput_mps: Some(80), ..Health::default() };
        assert_eq!((told.throughput(20), told.throughput(1_000)), (20, 80));
        assert_eq!(Health::default().throughput(1_000), 1_000);
    }
}
