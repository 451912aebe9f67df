//! Recipients: one contact in one campaign, its status and its attempts.

mod callback;
mod key;
mod reason;
mod reservation;
mod settlement;
pub mod store;
mod transition;

use std::collections::{BTreeMap, BTreeSet};

use carillon_foundations::ids::{ContactId, RunId};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use callback::{Callback, CallbackError};
pub use key::{Cursor, Positions, RecipientKey, RecipientSet, ShardRange};
pub use reason::{CancelReason, SkipReason, WaitsFor};
pub use reservation::{BatchNumber, SpentReservation};
pub use settlement::{Decision, RetryCause, Settlement, Tried};
pub use transition::{DeliveryStatus, Event, Position, Transition, transition};

/// The message id of a recipient that was erased: a late status does not store the real one.
const ERASED: &str = "erased";
/// The age of a claim that no run will settle: longer than any run lasts.
const CLAIM_EXPIRES_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// The status of a recipient. Within an attempt it only advances, by
/// [`Status::rank`].
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[schema(as = RecipientStatus)]
pub enum Status {
    /// Waiting for its first attempt or for a retry.
    Pending,
    /// Claimed by a sender; the request may be under way.
    Sending,
    /// The answer to the request was lost. The engine never retries.
    Unconfirmed,
    /// The provider accepted the message.
    Sent,
    /// The message failed.
    Failed,
    /// The message arrived on the contact's device.
    Delivered,
    /// The contact read the message.
    Read,
    /// The contact replied.
    Replied,
    /// A person closed the lead.
    Closed,
    /// Not sent, for a [`SkipReason`].
    Skipped,
    /// Not sent: the campaign was cancelled or ended before.
    Cancelled,
}

impl Status {
    /// All statuses, in the order of their ranks.
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

    /// The order of the statuses, stored beside the status for conditional writes.
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

/// A text that is not a recipient status.
#[derive(Debug, thiserror::Error)]
#[error("no such recipient status")]
pub struct UnknownStatus;

/// One contact in one campaign.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recipient {
    /// The contact.
    pub contact: ContactId,
    /// Its status.
    pub status: Status,
    /// [`Status::rank`] of the status.
    pub rank: u8,
    /// The current attempt, from 1. A retry is a new attempt.
    pub attempt: u32,
    /// How many of the earlier attempts do not count against the limit of retries: the
    /// connection was throttled, or the attempt was given back before it was sent.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub uncounted: u32,
    /// Since when every attempt was throttled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttled_since: Option<Timestamp>,
    /// The columns of its row, for the variables of the message.
    #[serde(default)]
    pub columns: BTreeMap<String, String>,
    /// When it was imported.
    pub imported_at: Timestamp,
    /// The batch that claimed it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchNumber>,
    /// The run over that batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The reservations that earlier attempts used: a message that failed after the
    /// provider had accepted it has used its reservation.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub spent: BTreeSet<SpentReservation>,
    /// The provider's id of the message of this attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// When this attempt was claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Timestamp>,
    /// When the message arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<Timestamp>,
    /// When it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_at: Option<Timestamp>,
    /// When the contact replied.
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
    /// Why it was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_reason: Option<SkipReason>,
    /// Why it failed, was skipped or waits, in plain words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The earliest time at which it is sent to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// What it waits for until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<WaitsFor>,
}

impl Recipient {
    /// A recipient that waits for its first attempt.
    pub fn pending(
        contact: ContactId,
        columns: BTreeMap<String, String>,
        imported_at: Timestamp,
    ) -> Self {
        Self {
            contact,
            status: Status::Pending,
            rank: Status::Pending.rank(),
            attempt: 1,
            uncounted: 0,
            throttled_since: None,
            columns,
            imported_at,
            batch: None,
            run: None,
            spent: BTreeSet::new(),
            message_id: None,
            sent_at: None,
            delivered_at: None,
            read_at: None,
            replied_at: None,
            closed_at: None,
            failed_at: None,
            code: None,
            skip_reason: None,
            reason: None,
            not_before: None,
            waits_for: None,
        }
    }

    /// The recipient, skipped before its first attempt.
    #[must_use]
    pub fn skipped(self, reason: SkipReason) -> Self {
        Self {
            status: Status::Skipped,
            rank: Status::Skipped.rank(),
            skip_reason: Some(reason),
            ..self
        }
    }

    /// When an attempt was claimed, or sent as its provider reported; none where a later one
    /// was claimed since.
    pub fn sent_at_in(&self, attempt: u32) -> Option<Timestamp> {
        let is_pending = u32::from(self.status == Status::Pending);
        self.sent_at.filter(|_| self.attempt == attempt + is_pending)
    }

    /// When it reached a status, as far as that is known.
    pub fn reached_at(&self, status: DeliveryStatus) -> Option<Timestamp> {
        match status {
            DeliveryStatus::Sent => self.sent_at,
            DeliveryStatus::Failed => self.failed_at,
            DeliveryStatus::Delivered => self.delivered_at,
            DeliveryStatus::Read => self.read_at,
            DeliveryStatus::Replied => self.replied_at,
            DeliveryStatus::Closed => self.closed_at,
        }
    }

    /// Whether what it says of a person was removed.
    pub fn is_erased(&self) -> bool {
        self.message_id.as_deref() == Some(ERASED)
    }

    /// Whether a message of the current attempt reached the contact, or may have.
    pub fn may_have_reached(&self) -> bool {
        match self.status {
            Status::Sending
            | Status::Unconfirmed
            | Status::Sent
            | Status::Delivered
            | Status::Read
            | Status::Replied
            | Status::Closed => true,
            Status::Pending | Status::Failed | Status::Skipped | Status::Cancelled => false,
        }
    }

    /// What is known of its current attempt.
    pub fn tried(&self) -> Tried {
        Tried {
            attempt: self.attempt,
            uncounted: self.uncounted,
            throttled_since: self.throttled_since,
            refused_before: self.code.filter(|_| self.attempt > 1),
        }
    }

    /// Its attempt and status.
    pub fn position(&self) -> Position {
        Position { attempt: self.attempt, status: self.status }
    }

    /// How many reservations of a batch it used: one for each attempt that was sent or
    /// may have been.
    pub fn reservations_used(&self, batch: BatchNumber) -> u32 {
        let spent = self.spent.iter().filter(|spent| spent.batch == batch);
        let mut attempts: BTreeSet<u32> = spent.map(|spent| spent.attempt).collect();
        let was_sent = (Status::Sending.rank()..=Status::Closed.rank()).contains(&self.rank);
        if was_sent && self.batch == Some(batch) {
            attempts.insert(self.attempt);
        }
        attempts.len() as u32
    }

    /// The reservation that this attempt uses; none before it is claimed.
    pub fn spends(&self) -> Option<SpentReservation> {
        self.batch.map(|batch| SpentReservation { attempt: self.attempt, batch })
    }

    /// When a run claimed this attempt, if the claim is that run's and is not settled, or was
    /// taken for lost.
    pub fn claimed_by(&self, run: RunId, attempt: u32) -> Option<Timestamp> {
        let is_claimed = matches!(self.status, Status::Sending | Status::Unconfirmed);
        self.sent_at.filter(|_| is_claimed && self.run == Some(run) && self.attempt == attempt)
    }

    /// Whether its claim is so old that no run will settle it.
    pub fn claim_is_expired(&self, now: Timestamp) -> bool {
        self.sent_at.is_none_or(|at| at + CLAIM_EXPIRES_AFTER <= now)
    }

    /// Whether it may be claimed at `now`.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.status == Status::Pending && self.not_before.is_none_or(|then| then <= now)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipient() -> Recipient {
        let contact = ContactId::from_uuid(uuid::Uuid::nil());
        Recipient::pending(contact, BTreeMap::new(), Timestamp::UNIX_EPOCH)
    }

    fn batch(text: &str) -> BatchNumber {
        text.parse().unwrap()
    }

    fn at(status: Status, attempt: u32, number: &str) -> Recipient {
        let batch = Some(batch(number));
        Recipient { status, rank: status.rank(), attempt, batch, ..recipient() }
    }

    #[test]
    fn each_attempt_that_was_sent_used_a_reservation() {
        let (first, eleventh) = (batch("2026-11-21#1"), batch("2026-11-21#11"));
        assert_eq!(recipient().reservations_used(first), 0);
        let sent = at(Status::Sent, 1, "2026-11-21#1");
        assert_eq!(sent.reservations_used(first), 1);
        assert_eq!(sent.reservations_used(eleventh), 0);
        let spent: BTreeSet<_> = sent.spends().into_iter().collect();
        let retry = Recipient { spent: spent.clone(), ..at(Status::Pending, 2, "2026-11-21#1") };
        assert_eq!(retry.reservations_used(first), 1);
        let twice = Recipient { spent: spent.clone(), ..at(Status::Sent, 2, "2026-11-21#1") };
        assert_eq!(twice.reservations_used(first), 2);
        let next_day = Recipient { spent: spent.clone(), ..at(Status::Sent, 2, "2026-11-22#1") };
        assert_eq!(next_day.reservations_used(first), 1);
        // A late status dropped the retry and took up the first attempt again.
        let dropped = Recipient { spent, ..at(Status::Delivered, 1, "2026-11-21#1") };
        assert_eq!(dropped.reservations_used(first), 1);
    }

    #[test]
    fn a_refused_attempt_used_no_reservation() {
        for (status, attempt) in [(Status::Pending, 2), (Status::Skipped, 1)] {
            let recipient = at(status, attempt, "2026-11-21#1");
            assert_eq!(recipient.reservations_used(batch("2026-11-21#1")), 0);
        }
    }
}
