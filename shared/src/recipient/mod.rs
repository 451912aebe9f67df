//! Recipients: one contact in one campaign, and the ladder it climbs.

mod callback;
mod ladder;
pub mod store;
pub mod upload;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use callback::{Callback, CallbackError};
pub use ladder::{Event, Judgement, Position, Rung, judge};

use crate::contact::{ContactKey, Pseudonym};

/// How old a claim is that nobody will settle any more: older than any run.
const GIVEN_UP_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// Why someone was skipped who was to be forgotten.
pub const ERASED: &str = "erased";

/// Where a recipient stands. The numbers are the ladder: a status only moves up.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[schema(as = RecipientStatus)]
pub enum Status {
    /// Waiting to be sent, or to be sent again.
    Pending,
    /// Claimed by a sender; the request may be on its way.
    Sending,
    /// Handed over, perhaps: the answer was lost. Never sent again on its own.
    Unconfirmed,
    /// The provider took it.
    Sent,
    /// The provider or the network refused it.
    Failed,
    /// It reached the phone.
    Delivered,
    /// It was read.
    Read,
    /// The contact answered.
    Replied,
    /// A person marked the lead as done.
    Closed,
    /// It was never sent, for a reason such as the blacklist.
    Skipped,
    /// The campaign was cancelled or ended before its turn.
    Cancelled,
}

impl Status {
    /// All of them, in the order of the ladder.
    pub const ALL: [Self; 11] = [
        Self::Pending,
        Self::Sending,
        Self::Unconfirmed,
        Self::Sent,
        Self::Failed,
        Self::Delivered,
        Self::Read,
        Self::Replied,
        Self::Closed,
        Self::Skipped,
        Self::Cancelled,
    ];

    /// The word in the API and in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sending => "sending",
            Self::Unconfirmed => "unconfirmed",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Replied => "replied",
            Self::Closed => "closed",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
        }
    }

    /// Its height on the ladder, stored beside it so that a conditional write
    /// can compare.
    pub const fn rank(self) -> u8 {
        match self {
            Self::Pending => 0,
            Self::Sending => 10,
            Self::Unconfirmed => 15,
            Self::Sent => 20,
            Self::Failed => 25,
            Self::Delivered => 30,
            Self::Read => 40,
            Self::Replied => 50,
            Self::Closed => 60,
            Self::Skipped | Self::Cancelled => 100,
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(UnknownStatus)
    }
}

/// A text that names no status.
#[derive(Debug, thiserror::Error)]
#[error("no such recipient status")]
pub struct UnknownStatus;

/// One contact in one campaign, as stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recipient {
    /// The contact.
    pub contact: ContactKey,
    /// Where it stands.
    pub status: Status,
    /// [`Status::rank`] of the status.
    pub rank: u8,
    /// The attempt it is at, from 1; a retry is a new attempt.
    pub attempt: u32,
    /// The columns of its line, for the message's variables.
    #[serde(default)]
    pub columns: BTreeMap<String, String>,
    /// When it was imported.
    pub imported_at: Timestamp,
    /// The batch that claimed it last, as `date#number`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<String>,
    /// The places that earlier attempts used, as `attempt@date#number`: a message
    /// that failed after the provider took it has still used its place.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub spent: BTreeSet<String>,
    /// The provider's id of the message of this attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// When this attempt was handed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Timestamp>,
    /// When it reached the phone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<Timestamp>,
    /// When it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_at: Option<Timestamp>,
    /// When the contact answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replied_at: Option<Timestamp>,
    /// When the lead was closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// When it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_at: Option<Timestamp>,
    /// The provider's code of the last refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u32>,
    /// Why it failed, was skipped, or waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// A retry waits until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
}

impl Recipient {
    /// The same without the person: another key in place of theirs, nothing they or
    /// the provider said of them, and never to be sent to.
    #[must_use]
    pub fn erased(self, pseudonym: Pseudonym) -> Self {
        let waits = self.status == Status::Pending;
        let shown = self.status == Status::Skipped;
        let erased = Self {
            contact: ContactKey::Erased(pseudonym),
            columns: BTreeMap::new(),
            message_id: None,
            reason: self.reason.clone().filter(|_| shown),
            not_before: None,
            ..self
        };
        if waits { erased.skipped(ERASED) } else { erased }
    }

    /// A recipient that waits for its first attempt.
    pub fn pending(
        contact: ContactKey,
        columns: BTreeMap<String, String>,
        imported_at: Timestamp,
    ) -> Self {
        Self {
            contact,
            status: Status::Pending,
            rank: Status::Pending.rank(),
            attempt: 1,
            columns,
            imported_at,
            batch: None,
            spent: BTreeSet::new(),
            message_id: None,
            sent_at: None,
            delivered_at: None,
            read_at: None,
            replied_at: None,
            closed_at: None,
            failed_at: None,
            code: None,
            reason: None,
            not_before: None,
        }
    }

    /// The same, left out from the start, for a reason that the report shows.
    #[must_use]
    pub fn skipped(self, reason: &str) -> Self {
        Self {
            status: Status::Skipped,
            rank: Status::Skipped.rank(),
            reason: Some(reason.to_owned()),
            ..self
        }
    }

    /// Where it stands on the ladder.
    pub fn position(&self) -> Position {
        Position { attempt: self.attempt, status: self.status }
    }

    /// How many places of a batch were used on it, one for each attempt that went
    /// out or may have.
    pub fn places_of(&self, batch: &str) -> u32 {
        let suffix = format!("@{batch}");
        let spent = self.spent.iter().filter_map(|spent| spent.strip_suffix(&suffix));
        let mut attempts: BTreeSet<u32> =
            spent.filter_map(|attempt| attempt.parse().ok()).collect();
        let went_out = (Status::Sending.rank()..=Status::Closed.rank()).contains(&self.rank);
        if went_out && self.batch.as_deref() == Some(batch) {
            attempts.insert(self.attempt);
        }
        attempts.len() as u32
    }

    /// What [`Recipient::spent`] says of this attempt, once it has used a place.
    pub fn spends(&self) -> Option<String> {
        self.batch.as_ref().map(|batch| spent(self.attempt, batch))
    }

    /// Whether nobody will settle the claim of one who is being sent any more.
    pub fn is_given_up(&self, now: Timestamp) -> bool {
        self.sent_at.is_none_or(|at| at + GIVEN_UP_AFTER <= now)
    }

    /// Whether it may be claimed at `now`.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.status == Status::Pending && self.not_before.is_none_or(|then| then <= now)
    }
}

/// An attempt that used a place of a batch, as [`Recipient::spent`] names it.
pub fn spent(attempt: u32, batch: &str) -> String {
    format!("{attempt}@{batch}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipient() -> Recipient {
        let contact = "+573001234567".parse().unwrap();
        Recipient::pending(contact, BTreeMap::new(), Timestamp::UNIX_EPOCH)
    }

    fn at(status: Status, attempt: u32, batch: &str) -> Recipient {
        let batch = Some(batch.to_owned());
        Recipient { status, rank: status.rank(), attempt, batch, ..recipient() }
    }

    #[test]
    fn each_attempt_that_went_out_used_a_place() {
        assert_eq!(recipient().places_of("2026-11-21#1"), 0);
        let sent = at(Status::Sent, 1, "2026-11-21#1");
        assert_eq!(sent.places_of("2026-11-21#1"), 1);
        assert_eq!(sent.places_of("2026-11-21#11"), 0);
        let spent: BTreeSet<String> = sent.spends().into_iter().collect();
        let again = Recipient { spent: spent.clone(), ..at(Status::Pending, 2, "2026-11-21#1") };
        assert_eq!(again.places_of("2026-11-21#1"), 1);
        let twice = Recipient { spent: spent.clone(), ..at(Status::Sent, 2, "2026-11-21#1") };
        assert_eq!(twice.places_of("2026-11-21#1"), 2);
        let elsewhere = Recipient { spent: spent.clone(), ..at(Status::Sent, 2, "2026-11-22#1") };
        assert_eq!(elsewhere.places_of("2026-11-21#1"), 1);
        // A late status took the first attempt up again.
        let dropped = Recipient { spent, ..at(Status::Delivered, 1, "2026-11-21#1") };
        assert_eq!(dropped.places_of("2026-11-21#1"), 1);
    }

    #[test]
    fn what_was_refused_used_none() {
        assert_eq!(at(Status::Pending, 2, "2026-11-21#1").places_of("2026-11-21#1"), 0);
        assert_eq!(at(Status::Skipped, 1, "2026-11-21#1").places_of("2026-11-21#1"), 0);
    }
}
