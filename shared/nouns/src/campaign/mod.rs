//! Campaigns: one message to one audience under rules.

mod audit_turn;
mod halt;
mod import;
mod requeues;
mod settings;
mod shards;
mod status;
pub mod store;
mod sweep;
mod walk;

use carillon_foundations::ids::{CampaignId, ImportId};
use carillon_foundations::time::date_in;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

pub use audit_turn::AuditTurn;
pub use halt::{Halt, HaltCode, HaltScope};
pub use import::{ColumnFacts, Import, MissingColumn, missing_columns};
pub use requeues::Requeues;
pub use settings::{
    DEFAULT_MAX_RETRIES, MAX_DAILY_SEND_LIMIT, MAX_RETRIES_LIMIT, SendWindow, Settings, Speed,
};
pub use shards::shards_for;
pub use status::{Action, IllegalAction, Status};
pub use sweep::Sweep;
pub use walk::{Passage, Rewind, Walk};

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
    /// The upload that announced this alone; none where several did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uploading: Option<ImportId>,
    /// The progress of the walk over its recipients.
    #[serde(default)]
    pub walk: Walk,
    /// When the scheduler worked on it last: who has waited longest goes first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned_at: Option<Timestamp>,
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
            uploading: None,
            walk: Walk::default(),
            planned_at: None,
            day: None,
            version: 1,
        }
    }

    /// Whether no recipient is pending: a whole pass of the walk, which began after the
    /// last upload and the last requeue, met none.
    pub fn is_exhausted(&self, requeues: Requeues, now: Timestamp) -> bool {
        let uploaded = self.uploading_until.is_none_or(|until| until <= now);
        let walked = self.is_after_uploads(self.walk.exhausted_at);
        uploaded && walked && self.walk.requeues == requeues && self.walk.is_at_rest()
    }

    /// Until when all pending recipients are deferred; none where one may be due. Retries since
    /// are on the list of those who go before the walk.
    pub fn deferred_until(&self, requeues: Requeues, now: Timestamp) -> Option<Timestamp> {
        let walk = &self.walk;
        let uploaded = walk.requeues.uploaded == requeues.uploaded;
        let settled = uploaded && self.is_after_uploads(walk.deferred_since);
        walk.next_due_at.filter(|due| walk.is_at_rest() && settled && *due > now)
    }

    /// Whether a pass that began at that time began after the last announced upload.
    fn is_after_uploads(&self, began: Option<Timestamp>) -> bool {
        began.is_some_and(|began| self.uploading_until.is_none_or(|until| until <= began))
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
