use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::campaign::Lane;
use crate::ids::{CampaignId, ConnectionId, RunId};

/// The most recipients of one batch.
pub const BATCH_SIZE: u32 = 250;

/// A place in the walk over a campaign's recipients.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cursor {
    /// The shard.
    pub shard: u16,
    /// The contact's key within it.
    pub contact: String,
}

/// Names a batch: unique by campaign, date and number.
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
    /// How a recipient remembers the batch that claimed it.
    pub fn tag(&self) -> String {
        format!("{}#{}", self.date, self.number)
    }
}

/// A range of a campaign's recipients, and how many of them may be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Its name.
    #[serde(flatten)]
    pub name: BatchRef,
    /// The connection that sends it.
    pub connection: ConnectionId,
    /// The lane it takes.
    pub lane: Lane,
    /// Where its range starts, exclusive; none for the very start, and once it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// Where its range ends, inclusive; before anyone once it is done.
    pub until: Cursor,
    /// How many may be sent, 1 to [`BATCH_SIZE`].
    pub size: u32,
    /// Whether there is work left.
    pub status: BatchStatus,
    /// The portfolio that gave the places.
    pub portfolio: String,
    /// The ledger's bucket in which the places are counted.
    pub bucket: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// How often it was put on the queue.
    pub enqueued: u32,
    /// When it was put on the queue last; none until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enqueued_at: Option<Timestamp>,
    /// How many runs took its lease, the one under way included.
    #[serde(default)]
    pub runs: u32,
    /// Who is sending it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// How many places were used, known when it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<u32>,
    /// When it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_at: Option<Timestamp>,
    /// Why it was closed before its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_for: Option<String>,
}

/// Whether a batch has work left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BatchStatus {
    /// Waiting for a sender, or being sent.
    Open,
    /// Done; nobody is sent from it any more.
    Done,
}

/// The right to send a batch, for a time. It saves work; what keeps a message
/// from being sent twice is the claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Who.
    pub run: RunId,
    /// Until when.
    pub until: Timestamp,
}

impl Batch {
    /// Whether it was put on the queue so long ago, or never, that it belongs
    /// there again: nobody sends it, and the message may be lost.
    pub fn is_forgotten(&self, now: Timestamp, patience: jiff::SignedDuration) -> bool {
        let leased = self.lease.is_some_and(|lease| lease.until > now);
        let waiting = self.enqueued_at.is_some_and(|then| now < then + patience);
        self.status == BatchStatus::Open && !leased && !waiting
    }
}

/// The recipients left over when a campaign was cancelled or ended: they are
/// marked cancelled piece by piece.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sweep {
    /// The campaign.
    pub campaign: CampaignId,
    /// Its shard count.
    pub shards: u16,
    /// How far the sweep is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// When this pass over them began; none before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_at: Option<Timestamp>,
    /// What the recipients' reason will be.
    pub reason: String,
}
