//! Campaigns: one message to one audience under rules.

mod import;
mod settings;
mod status;
pub mod store;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

pub use import::{ColumnFacts, Import, MissingColumn, missing_columns};
pub use settings::{
    CountryCode, Lane, MAX_DAILY_SEND_LIMIT, MAX_RETRIES, MOST_RETRIES, SendWindow, Settings,
    SettingsProblem, Speed, Zone,
};
pub use status::{Move, Refused, Status};

use crate::ids::CampaignId;
use crate::plan::Cursor;
use crate::time::date_in;

/// A campaign as stored: what people set, and how far the engine is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Campaign {
    /// Its id.
    pub id: CampaignId,
    /// What people set.
    #[serde(flatten)]
    pub settings: Settings,
    /// Where it stands.
    pub status: Status,
    /// Why it was halted, in plain words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halted_for: Option<String>,
    /// How many parts its recipients are spread over; fixed when it is made.
    pub shards: u16,
    /// When it was made.
    pub created_at: Timestamp,
    /// When sending could first begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it was completed or cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// While recipients may still be arriving: until then it isn't completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uploading_until: Option<Timestamp>,
    /// When someone who had had their turn was put back among those who wait: a
    /// pass of the walk that began before doesn't tell that nobody waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stirred_at: Option<Timestamp>,
    /// How far the walk over its recipients is.
    #[serde(default)]
    pub walk: Walk,
    /// What was planned on the day planned last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<Day>,
    /// Counts every change, so that nobody overwrites what they haven't seen.
    pub version: u64,
}

/// The walk over a campaign's recipients. Batches are cut off it one after the
/// other; at the end it starts again, for those added or put off meanwhile,
/// until a whole pass meets nobody who waits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Walk {
    /// The last recipient this pass has looked at; none at its start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// When this pass began; none between two passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_at: Option<Timestamp>,
    /// Whether this pass has cut off a batch.
    #[serde(default)]
    pub cut_any: bool,
    /// Someone who may be sent to is known to come next.
    #[serde(default)]
    pub peeked: bool,
    /// The earliest time at which someone this pass met, who was put off, may be
    /// sent to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake_at: Option<Timestamp>,
    /// When the last pass that met only such people began; none while awake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asleep_since: Option<Timestamp>,
    /// Where to go back to, because a batch was closed before its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewind: Option<Rewind>,
    /// When the last pass that met nobody who waits began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exhausted_at: Option<Timestamp>,
}

/// A place to go back to: after a cursor, or the very start.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rewind {
    /// Exclusive; none for the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
}

impl Walk {
    /// Goes to where the next batch is to be cut off: on in this pass, back to a
    /// batch that was cut short, or to the start of a new pass. For the latter
    /// two no batch may be open, or its people would be planned twice.
    pub fn begin(&mut self, now: Timestamp) {
        if let Some(Rewind { after }) = self.rewind.take() {
            self.cursor = after;
            self.cut_any = true;
            self.peeked = false;
        } else if self.began_at.is_none() {
            self.cursor = None;
            self.cut_any = false;
            self.peeked = false;
            self.wake_at = None;
        }
        self.began_at.get_or_insert(now);
    }

    /// The pass has reached the end.
    pub fn end(&mut self) {
        let began_at = self.began_at.take();
        self.cursor = None;
        self.peeked = false;
        if self.cut_any {
            self.wake_at = None;
        }
        let met_nobody = !self.cut_any && self.wake_at.is_none();
        self.exhausted_at = began_at.filter(|_| met_nobody);
        self.asleep_since = began_at.filter(|_| self.wake_at.is_some());
    }

    /// Whether it stands at `contact`, or is to go back there.
    pub fn stands_at(&self, contact: &str) -> bool {
        let rewind = self.rewind.as_ref().and_then(|rewind| rewind.after.as_ref());
        self.cursor.iter().chain(rewind).any(|cursor| cursor.contact == contact)
    }

    /// Forgets that it stands at `contact`: it goes back to the start of the shard.
    pub fn forget(&mut self, contact: &str) {
        let rewind = self.rewind.as_mut().and_then(|rewind| rewind.after.as_mut());
        let places = self.cursor.as_mut().into_iter().chain(rewind);
        for cursor in places.filter(|cursor| cursor.contact == contact) {
            cursor.contact.clear();
            self.peeked = false;
        }
    }

    /// Remembers to go back to `after`, unless it goes back further already.
    pub fn rewind_to(&mut self, after: Option<Cursor>) {
        let wanted = Rewind { after };
        self.rewind = Some(match self.rewind.take() {
            Some(known) => known.min(wanted),
            None => wanted,
        });
    }
}

/// What was planned on one day of the campaign's calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    /// The day.
    pub date: Date,
    /// How many people its batches may hold; what a batch didn't use is given back.
    pub planned: u32,
    /// How many batches were made.
    pub batches: u32,
}

impl Campaign {
    /// A draft.
    pub fn draft(id: CampaignId, settings: Settings, shards: u16, now: Timestamp) -> Self {
        Self {
            id,
            settings,
            status: Status::Draft,
            halted_for: None,
            shards,
            created_at: now,
            started_at: None,
            finished_at: None,
            uploading_until: None,
            stirred_at: None,
            walk: Walk::default(),
            day: None,
            version: 1,
        }
    }

    /// Whether everyone had their turn: a whole pass of the walk, begun after the
    /// last upload and after anyone was put back, met nobody who waits.
    pub fn is_exhausted(&self, now: Timestamp) -> bool {
        let uploaded = self.uploading_until.is_none_or(|until| until <= now);
        let latest = self.uploading_until.max(self.stirred_at);
        let walked =
            self.walk.exhausted_at.is_some_and(|began| latest.is_none_or(|at| at <= began));
        uploaded && walked && self.walk.began_at.is_none() && self.walk.rewind.is_none()
    }

    /// Until when everyone who waits was put off, and nobody came since that was
    /// seen; none when someone may be due.
    pub fn asleep_until(&self, now: Timestamp) -> Option<Timestamp> {
        let walk = &self.walk;
        let latest = self.uploading_until.max(self.stirred_at);
        let settled = walk.asleep_since.is_some_and(|began| latest.is_none_or(|at| at <= began));
        let between_passes = walk.began_at.is_none() && walk.rewind.is_none();
        walk.wake_at.filter(|wake| between_passes && settled && *wake > now)
    }

    /// The time zone its days and its window are counted in.
    pub fn zone(&self) -> TimeZone {
        self.settings.timezone.time_zone()
    }

    /// Its calendar date at `now`.
    pub fn today(&self, now: Timestamp) -> Date {
        date_in(now, &self.zone())
    }

    /// What was planned today so far.
    pub fn day_at(&self, now: Timestamp) -> Day {
        let today = self.today(now);
        self.day.filter(|day| day.date == today).unwrap_or(Day {
            date: today,
            planned: 0,
            batches: 0,
        })
    }
}
