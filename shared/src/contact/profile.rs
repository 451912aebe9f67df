use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ContactKey;
use crate::plan::ledger;

/// How long someone who wrote to us may be answered without a place of the
/// portfolio's limit, less what two clocks may be apart.
/// Source: Meta, "Customer service windows": 24 hours.
const SERVICE_WINDOW: SignedDuration = SignedDuration::from_mins(24 * 60 - 5);

/// What is known of a contact. Absent fields are unknown, not refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Profile {
    /// The name WhatsApp shows for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// When a person of the business put them on the blacklist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub blacklisted_at: Option<Timestamp>,
    /// When they asked to be left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub opted_out_at: Option<Timestamp>,
    /// When they last said whether they want to be left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub preference_at: Option<Timestamp>,
    /// When they were erased: what is here since then is all that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub erased_at: Option<Timestamp>,
    /// The other keys of the same person, as the provider has told them: what
    /// bars one of them bars all.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub same_as: BTreeSet<ContactKey>,
    /// When a message to them was last claimed, by any campaign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_sent_at: Option<Timestamp>,
    /// When they last wrote to us; opens the 24-hour service window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_inbound_at: Option<Timestamp>,
    /// The portfolio that counts them among the people of the last 24 hours.
    #[serde(default, skip_serializing)]
    #[schema(ignore)]
    pub place_portfolio: Option<String>,
    /// The bucket of its ledger in which it does.
    #[serde(default, skip_serializing)]
    #[schema(ignore)]
    pub place_bucket: Option<i64>,
}

/// What a message to someone takes of a portfolio's limit of different people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counting {
    /// A place.
    New,
    /// They hold a place already: it moves here from an older bucket.
    Again {
        /// The older bucket.
        bucket: i64,
        /// When they were sent to last. If that has changed, so has the bucket.
        sent_at: Timestamp,
    },
    /// Nothing: they wrote to us within the service window.
    Free,
}

/// Why a contact may not be written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Barred {
    /// The business put them on its blacklist.
    Blacklisted,
    /// They asked to be left alone.
    OptedOut,
}

impl Barred {
    /// The word in reports and in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blacklisted => "blacklisted",
            Self::OptedOut => "opted_out",
        }
    }
}

impl Profile {
    /// Whether they may be written to at all.
    pub fn barred(&self) -> Option<Barred> {
        if self.blacklisted_at.is_some() {
            return Some(Barred::Blacklisted);
        }
        self.opted_out_at.map(|_| Barred::OptedOut)
    }

    /// What a message at `now` takes of the limit of `portfolio`.
    pub fn counting(&self, portfolio: &str, now: Timestamp) -> Counting {
        if self.last_inbound_at.is_some_and(|at| now < at + SERVICE_WINDOW) {
            return Counting::Free;
        }
        match (self.place_portfolio.as_deref(), self.place_bucket, self.last_sent_at) {
            (Some(held_by), Some(bucket), Some(sent_at))
                if held_by == portfolio && ledger::is_live(bucket, now) =>
            {
                Counting::Again { bucket, sent_at }
            }
            _ => Counting::New,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn sent(portfolio: &str) -> Profile {
        Profile {
            last_sent_at: Some(at(0)),
            place_portfolio: Some(portfolio.to_owned()),
            place_bucket: Some(ledger::bucket_at(at(0))),
            ..Profile::default()
        }
    }

    #[test]
    fn a_person_is_counted_once_in_24_hours() {
        let again = Counting::Again { bucket: ledger::bucket_at(at(0)), sent_at: at(0) };
        assert_eq!(sent("p").counting("p", at(3600)), again);
        assert_eq!(sent("other").counting("p", at(3600)), Counting::New);
        assert_eq!(sent("p").counting("p", at(2 * 86_400)), Counting::New);
        assert_eq!(Profile::default().counting("p", at(0)), Counting::New);
    }

    #[test]
    fn whoever_wrote_to_us_is_free_for_a_day() {
        let wrote = Profile { last_inbound_at: Some(at(0)), ..sent("p") };
        assert_eq!(wrote.counting("p", at(3600)), Counting::Free);
        assert_ne!(wrote.counting("p", at(86_400)), Counting::Free);
    }
}
