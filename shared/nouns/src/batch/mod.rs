//! Batches: at most 250 recipients of one campaign on one day, as ranges of its recipients, or
//! a list of them, and a maximum number of messages.

pub mod store;

use std::fmt;

use carillon_foundations::ids::{CampaignId, ConnectionId, ContactId, RunId};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::campaign::{Campaign, Status as CampaignStatus};
use crate::connection::{Lane, Slice};
use crate::quota::bucket_at;
use crate::recipient::{BatchNumber, ShardRange};

/// The most recipients of one batch.
pub const BATCH_SIZE: u32 = 250;

/// How long an enqueued batch may stay unsent before it is enqueued again: longer than the
/// work ahead in any lane.
pub const QUEUE_TIMEOUT: SignedDuration = SignedDuration::from_mins(10);

/// The name of a batch, which is unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BatchRef {
    /// The campaign.
    pub campaign: CampaignId,
    /// The day it counts for, in the campaign's time zone.
    pub date: Date,
    /// Its number that day, from 1.
    pub number: u32,
}

impl fmt::Display for BatchRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}#{}", self.campaign, self.date, self.number)
    }
}

impl BatchRef {
    /// Its number within the campaign.
    pub fn batch_number(&self) -> BatchNumber {
        BatchNumber { date: self.date, number: self.number }
    }
}

/// Some of a campaign's recipients: ranges of the walk, or those who go before it; and how many
/// of them may be sent to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Its name.
    #[serde(flatten)]
    pub name: BatchRef,
    /// The connection that sends it.
    pub connection: ConnectionId,
    /// The lane that sends it.
    pub lane: Lane,
    /// The slice of the lane.
    #[serde(default)]
    pub slice: Slice,
    /// Its part of the walk, at most one range of each shard; empty for a batch that goes before
    /// the walk.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<ShardRange>,
    /// The recipients of a batch that goes before the walk, at most [`BATCH_SIZE`]; empty for
    /// ranges.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<ContactId>,
    /// The maximum number of messages, 1 to [`BATCH_SIZE`].
    pub size: u32,
    /// Whether it is done.
    pub status: BatchStatus,
    /// The quota group with its reservations; none for a connection without a quota.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota_group: Option<String>,
    /// The bucket in which the reservations are counted.
    pub bucket: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// How often it was enqueued.
    pub enqueued: u32,
    /// When it was enqueued last; none before the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enqueued_at: Option<Timestamp>,
    /// How many runs have leased it.
    #[serde(default)]
    pub runs: u32,
    /// The lease of the run that sends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// How many reservations it used; none before it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<u32>,
    /// When it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_at: Option<Timestamp>,
    /// Why it was closed before the end of its range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close_reason: Option<CloseReason>,
}

/// What is not read yet of a batch's recipients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    ranges: Vec<ShardRange>,
    contacts: Vec<ContactId>,
}

/// Whether a batch is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BatchStatus {
    /// It waits for a sender or is being sent.
    Open,
    /// No more messages are sent from it.
    Done,
}

/// Why a batch was closed before the end of its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CloseReason {
    /// The campaign does not exist any more.
    CampaignMissing,
    /// The campaign is not active.
    CampaignInactive,
    /// The day of the batch is over.
    DayOver,
    /// The scheduled end of the campaign passed.
    ScheduledEnd,
    /// The send window is closed.
    WindowClosed,
    /// The provider throttles the connection.
    Throttled,
    /// An uploaded file of the campaign is not available at the moment.
    MediaUnavailable,
    /// The connection cannot send.
    ConnectionUnusable,
    /// The campaign was halted.
    Halted,
}

/// The lease of a batch. It saves work; the claim is what keeps a message from being sent
/// twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The run.
    pub run: RunId,
    /// Until when.
    pub until: Timestamp,
}

impl Batch {
    /// A new batch of nobody: of `size` messages, in the bucket of `now`.
    pub fn open(
        name: BatchRef,
        connection: ConnectionId,
        (lane, slice): (Lane, Slice),
        size: u32,
        now: Timestamp,
    ) -> Self {
        Self {
            name,
            connection,
            lane,
            slice,
            ranges: Vec::new(),
            contacts: Vec::new(),
            size,
            status: BatchStatus::Open,
            quota_group: None,
            bucket: bucket_at(now),
            created_at: now,
            enqueued: 0,
            enqueued_at: None,
            runs: 0,
            lease: None,
            used: None,
            done_at: None,
            close_reason: None,
        }
    }

    /// Whether it is a part of the walk; a list of those who go before it otherwise.
    pub fn is_range(&self) -> bool {
        self.contacts.is_empty()
    }

    /// All its recipients, to be read.
    pub fn unread(&self) -> Unread {
        Unread { ranges: self.ranges.clone(), contacts: self.contacts.clone() }
    }

    /// Why it may not be sent at `now`, if so.
    pub fn close_reason_at(&self, campaign: &Campaign, now: Timestamp) -> Option<CloseReason> {
        if campaign.status != CampaignStatus::Active {
            return Some(CloseReason::CampaignInactive);
        }
        if campaign.today(now) != self.name.date {
            return Some(CloseReason::DayOver);
        }
        if campaign.settings.scheduled_end.is_some_and(|end| end <= now) {
            return Some(CloseReason::ScheduledEnd);
        }
        campaign.window_opens(now).map(|_| CloseReason::WindowClosed)
    }

    /// Whether it must be enqueued again: it is open, no run has a lease, and it was not
    /// enqueued within [`QUEUE_TIMEOUT`], so that its message may be lost.
    pub fn needs_requeue(&self, now: Timestamp) -> bool {
        let leased = self.lease.is_some_and(|lease| lease.until > now);
        let waiting = self.enqueued_at.is_some_and(|then| now < then + QUEUE_TIMEOUT);
        self.status == BatchStatus::Open && !leased && !waiting
    }
}
