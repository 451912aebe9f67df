//! What a provider says of a sender.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// The health and the limits of a sender, as its provider reports them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Probe {
    /// How contacts rate its messages.
    pub quality: Option<Quality>,
    /// How fast it may send, in messages a second.
    pub throughput_mps: Option<u32>,
    /// The limit of its quota group.
    pub quota: Option<QuotaLimit>,
    /// Why it cannot send, if so, in plain words.
    pub obstacle: Option<&'static str>,
    /// The provider's own facts, for people to read.
    pub details: Map<String, Value>,
}

/// How contacts rate a sender or a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Quality {
    /// High.
    Green,
    /// Medium.
    Yellow,
    /// Low.
    Red,
    /// Not rated yet, or not reported.
    Unknown,
}

/// How many unique contacts a quota group may reach in its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QuotaLimit {
    /// At most so many.
    Contacts(u32),
    /// Any number.
    Unlimited,
}

impl Quality {
    /// The word in the API and in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Yellow => "yellow",
            Self::Red => "red",
            Self::Unknown => "unknown",
        }
    }
}

impl QuotaLimit {
    /// How many contacts; none without a limit.
    pub fn contacts(self) -> Option<u32> {
        match self {
            Self::Contacts(contacts) => Some(contacts),
            Self::Unlimited => None,
        }
    }
}
