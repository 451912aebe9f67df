//! Campaigns: one message to one audience under rules.

mod halt;
mod import;
mod settings;
mod status;
pub mod store;
mod sweep;
mod walk;

use carillon_foundations::ids::CampaignId;
use carillon_foundations::time::date_in;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

pub use halt::{Halt, HaltCode, HaltScope};
pub use import::{ColumnFacts, Import, MissingColumn, missing_columns};
pub use settings::{
    DEFAULT_MAX_RETRIES, MAX_DAILY_SEND_LIMIT, MAX_RETRIES_LIMIT, SendWindow, Settings, Speed,
};
pub use status::{Action, IllegalAction, Status};
pub use sweep::Sweep;
pub use walk::{Rewind, Walk};

use crate::recipient::RecipientSet;

/// A campaign: its settings, its status and the progress of the engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Campaign {
    /// Its id.
    pub id: CampaignId,
    /// Its settings.
    #[serde(flatten)]
    pub settings: Settings,
    /// Its status.
    pub status: Status,
    /// Why it was halted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halt: Option<Halt>,
    /// The number of shards that its recipients are spread over; fixed at its creation.
    pub shards: u16,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it first became active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it was completed or cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// Until when an upload may add recipients: before that it is not completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uploading_until: Option<Timestamp>,
    /// When a recipient became pending again after a pass had met it: a pass that began
    /// before cannot show that the campaign is exhausted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requeued_at: Option<Timestamp>,
    /// The progress of the walk over its recipients.
    #[serde(default)]
    pub walk: Walk,
    /// What was planned on its latest day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<Day>,
    /// Counts the changes, for conditional writes.
    pub version: u64,
}

/// What was planned on one day, in the campaign's time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    /// The day.
    pub date: Date,
    /// How many reservations its batches have; a batch refunds what it does not use.
    pub planned: u32,
    /// The number of its batches.
    pub batches: u32,
}

impl Campaign {
    /// A draft.
    pub fn draft(id: CampaignId, settings: Settings, shards: u16, now: Timestamp) -> Self {
        Self {
            id,
            settings,
            status: Status::Draft,
            halt: None,
            shards,
            created_at: now,
            started_at: None,
            finished_at: None,
            uploading_until: None,
            requeued_at: None,
            walk: Walk::default(),
            day: None,
            version: 1,
        }
    }

    /// Whether no recipient is pending: a whole pass of the walk, which began after the
    /// last upload and the last requeue, met none.
    pub fn is_exhausted(&self, now: Timestamp) -> bool {
        let uploaded = self.uploading_until.is_none_or(|until| until <= now);
        let latest = self.uploading_until.max(self.requeued_at);
        let walked =
            self.walk.exhausted_at.is_some_and(|began| latest.is_none_or(|at| at <= began));
        uploaded && walked && self.walk.began_at.is_none() && self.walk.rewind.is_none()
    }

    /// Until when all pending recipients are deferred; none where one may be due.
    pub fn deferred_until(&self, now: Timestamp) -> Option<Timestamp> {
        let walk = &self.walk;
        let latest = self.uploading_until.max(self.requeued_at);
        let settled = walk.deferred_since.is_some_and(|began| latest.is_none_or(|at| at <= began));
        let between_passes = walk.began_at.is_none() && walk.rewind.is_none();
        walk.next_due_at.filter(|due| between_passes && settled && *due > now)
    }

    /// All its recipients.
    pub fn recipients(&self) -> RecipientSet {
        RecipientSet { campaign: self.id, shards: self.shards }
    }

    /// When its send window opens; none while it is open, or without one.
    pub fn window_opens(&self, now: Timestamp) -> Option<Timestamp> {
        self.settings.send_window.as_ref()?.opens(now, &self.zone())
    }

    /// When its next day begins.
    pub fn next_day(&self, now: Timestamp) -> Option<Timestamp> {
        let date = self.today(now).tomorrow().ok()?;
        date.to_zoned(self.zone()).ok().map(|zoned| zoned.timestamp())
    }

    /// The time zone of its days and of its send window.
    pub fn zone(&self) -> TimeZone {
        self.settings.timezone.time_zone()
    }

    /// Its calendar date at `now`.
    pub fn today(&self, now: Timestamp) -> Date {
        date_in(now, &self.zone())
    }

    /// What was planned on the current day so far.
    pub fn day_at(&self, now: Timestamp) -> Day {
        let today = self.today(now);
        self.day.filter(|day| day.date == today).unwrap_or(Day {
            date: today,
            planned: 0,
            batches: 0,
        })
    }
}
