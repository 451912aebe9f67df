use std::collections::BTreeMap;

use carillon_foundations::ids::{CampaignId, ConnectionId};
use carillon_nouns::batch::BATCH_SIZE;
use carillon_nouns::campaign::{Campaign, Requeues};
use carillon_nouns::connection::{Connection, Lane};
use carillon_nouns::quota::QuotaStatus;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use utoipa::ToSchema;

/// What the planner knows of an active campaign.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The campaign.
    pub campaign: CampaignId,
    /// 1 (first) to 10 (last).
    pub priority: u8,
    /// When it was started; at the same priority the earlier one is first.
    pub started_at: Timestamp,
    /// Its connection and lane; none where the connection does not exist.
    pub lane: Option<(ConnectionId, Lane)>,
    /// The quota group of its connection; none for a connection without a quota.
    pub quota_group: Option<String>,
    /// Its calendar date.
    pub today: Date,
    /// How many messages were planned for today.
    pub planned_today: u32,
    /// How many more messages its daily limit allows today.
    pub left_today: u32,
    /// When its next day begins.
    pub tomorrow: Timestamp,
    /// When its send window opens; none while it is open.
    pub window_opens: Option<Timestamp>,
    /// An upper bound of its pending recipients.
    pub pending: u64,
    /// How many recipients that go before its walk are due.
    pub before_walk: u64,
    /// Until when all its pending recipients are deferred; none where one may be due.
    pub deferred_until: Option<Timestamp>,
    /// Whether its walk is at the end of a pass while ranges of it are open: the next pass
    /// starts when they are done.
    pub pass_is_over: bool,
}

/// Why no message of a campaign is planned, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Wait {
    /// Why.
    pub reason: WaitReason,
    /// Until when, where it is known.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
}

/// Why a campaign waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WaitReason {
    /// Its send window is closed.
    WindowClosed,
    /// Its daily limit is reached; its next day begins at `until`.
    DailyLimit,
    /// The quota is exhausted; the oldest reservations expire at `until`.
    QuotaExhausted,
    /// Its lane has enough work ahead.
    LaneBusy,
    /// All pending recipients are deferred.
    Deferred,
    /// Its last batches are being sent.
    Finishing,
    /// Its connection does not exist.
    NoConnection,
}

impl WaitReason {
    pub(super) const fn until(self, until: Option<Timestamp>) -> Wait {
        Wait { reason: self, until }
    }
}

/// What is left of an active campaign.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// An estimate of its pending recipients.
    pub pending: u64,
    /// How many recipients that go before its walk are due.
    pub before_walk: u64,
    /// The number of its open batches that are ranges of its walk.
    pub open_ranges: u32,
    /// How often recipients became pending behind its walk.
    pub requeues: Requeues,
}

impl Candidate {
    /// An active campaign with its connection.
    pub fn of(
        campaign: &Campaign,
        connection: Option<&Connection>,
        work: Work,
        now: Timestamp,
    ) -> Self {
        let settings = &campaign.settings;
        let day = campaign.day_at(now);
        Self {
            campaign: campaign.id,
            priority: settings.priority,
            started_at: campaign.started_at.unwrap_or(campaign.created_at),
            lane: connection.map(|connection| (connection.id, settings.speed.lane())),
            quota_group: connection.and_then(|connection| connection.quota_group.clone()),
            today: day.date,
            planned_today: day.planned,
            left_today: settings.daily_send_limit.saturating_sub(day.planned),
            tomorrow: campaign.next_day(now).unwrap_or(now),
            window_opens: campaign.window_opens(now),
            // The counters are late: a batch's worth of recipients may always be pending.
            pending: work.pending.max(u64::from(BATCH_SIZE)),
            before_walk: work.before_walk,
            deferred_until: campaign.deferred_until(work.requeues, now),
            pass_is_over: work.open_ranges > 0 && campaign.walk.starts_over(),
        }
    }

    /// Whether its walk may go on.
    pub fn may_walk(&self) -> bool {
        self.deferred_until.is_none() && !self.pass_is_over && self.pending > 0
    }

    /// An upper bound of the messages that it has for now.
    pub(super) fn due(&self) -> u64 {
        if self.may_walk() { self.pending.max(self.before_walk) } else { self.before_walk }
    }

    /// Why the campaign waits whatever the others do, if so.
    pub(super) fn own_wait(&self) -> Option<Wait> {
        if self.lane.is_none() {
            return Some(WaitReason::NoConnection.until(None));
        }
        if let Some(opens) = self.window_opens {
            return Some(WaitReason::WindowClosed.until(Some(opens)));
        }
        if self.due() == 0 {
            return Some(match self.deferred_until {
                Some(until) => WaitReason::Deferred.until(Some(until)),
                None => WaitReason::Finishing.until(None),
            });
        }
        (self.left_today == 0).then(|| WaitReason::DailyLimit.until(Some(self.tomorrow)))
    }
}

/// Why a campaign waits, if so: the one order of reasons for the planner and for the
/// report. The planner adds [`WaitReason::LaneBusy`].
pub fn wait(candidate: &Candidate, quotas: &BTreeMap<String, QuotaStatus>) -> Option<Wait> {
    if let Some(wait) = candidate.own_wait() {
        return Some(wait);
    }
    let quota = candidate.quota_group.as_ref().and_then(|group| quotas.get(group))?;
    (quota.free == 0).then(|| WaitReason::QuotaExhausted.until(quota.next_free_at))
}
