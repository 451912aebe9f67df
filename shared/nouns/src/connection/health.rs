use std::collections::BTreeSet;

use carillon_foundations::country::Country;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Lane, Throttling};

/// How long the result of a probe is used.
const PROBE_MAX_AGE: SignedDuration = SignedDuration::from_hours(6);

/// What the provider reports of a connection. It is an item of its own, so that it and the
/// settings do not overwrite each other.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// How contacts rate its messages: `green`, `yellow`, `red` or `unknown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<String>,
    /// The throughput that the provider reported, in messages a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throughput_mps: Option<u32>,
    /// The throughput that its refusals taught, in messages a second: lower than the
    /// reported one, until the provider reports another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learned_mps: Option<u32>,
    /// How the provider throttled it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttling: Option<Throttling>,
    /// The number of slices of its fast lane, as the planner set it; none for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fast_slices: Option<u16>,
    /// When the provider was probed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_at: Option<Timestamp>,
    /// Countries that the account may not send to.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub blocked_countries: BTreeSet<Country>,
    /// The latest event of the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Note>,
}

/// An event of an account, for people to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Note {
    /// The event in plain words.
    pub text: String,
    /// When the provider sent it.
    #[serde(serialize_with = "carillon_foundations::time::serialize")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

impl Health {
    /// The number of slices of a lane, as the planner set it.
    pub fn slices(&self, lane: Lane) -> u16 {
        match lane {
            Lane::Fast => self.fast_slices.unwrap_or(1),
            Lane::Normal | Lane::Slow | Lane::Replies => 1,
        }
    }

    /// Whether the provider must be probed again.
    pub fn is_stale(&self, now: Timestamp) -> bool {
        self.checked_at.is_none_or(|at| at + PROBE_MAX_AGE <= now)
    }
}
