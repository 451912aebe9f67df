//! The liveness rule: who is due, and for whom no limit or status says otherwise, is claimed
//! within a bounded time after the last fault.

use std::collections::BTreeMap;

use carillon::campaign::{Campaign, Status as CampaignStatus};
use carillon::recipient::{Recipient, Status};
use carillon::time::Timestamp;
use jiff::SignedDuration;

use super::state::StreamState;
use crate::campaign_contact::CampaignContact;

/// The longest time for which a recipient may be due without a fault:
///
/// - 10 minutes until a batch is requeued whose message is gone, or whose lane was blocked by a
///   sender that died before (its message is hidden for 5.5 minutes);
/// - 5 minutes for a run that holds the batch's lease, and 5 for one before it in the lane;
/// - 2 minutes of work that a lane has ahead;
/// - 2 runs of the scheduler, a minute apart, with clocks a minute apart from the senders';
/// - a minute for claims that met others, likely twins, and indexes that are late.
pub(crate) const LONGEST_WAIT: SignedDuration = SignedDuration::from_mins(25);

/// Conditions that depend on the time must hold by every clock: so far around the true time.
const AROUND: SignedDuration = SignedDuration::from_secs(61);

/// Since when recipients are due, and nothing limits them.
#[derive(Debug, Default)]
pub(crate) struct Liveness {
    due_since: BTreeMap<CampaignContact, Timestamp>,
    longest: SignedDuration,
}

impl Liveness {
    /// Looks who is due at `now`. Returns the violation, where somebody has been for too long
    /// since the last fault.
    pub(crate) fn check(
        &mut self,
        state: &StreamState,
        last_fault: Timestamp,
        now: Timestamp,
    ) -> Option<String> {
        let due_since = std::mem::take(&mut self.due_since);
        let due = state.recipients.iter().filter(|(key, one)| is_due(state, key, one, now));
        self.due_since =
            due.map(|(key, _)| (*key, due_since.get(key).copied().unwrap_or(now))).collect();
        let (key, since) = self.due_since.iter().min_by_key(|(_, since)| **since)?;
        let waits = now.duration_since(last_fault.max(*since));
        self.longest = self.longest.max(waits);
        (waits > LONGEST_WAIT).then(|| {
            let recipient = state.recipients.get(key);
            format!(
                "{key} is due since {since}, nothing limits it, the last fault was at \
                 {last_fault}: {recipient:?}"
            )
        })
    }

    /// Whether somebody is due whom nothing limits.
    pub(crate) fn is_somebody_due(&self) -> bool {
        !self.due_since.is_empty()
    }

    /// For how long somebody was due without a fault, at most.
    pub(crate) fn longest(&self) -> SignedDuration {
        self.longest
    }
}

fn is_due(
    state: &StreamState,
    key: &CampaignContact,
    recipient: &Recipient,
    now: Timestamp,
) -> bool {
    let (earliest, latest) = (now - AROUND, now + AROUND);
    let is_pending = recipient.status == Status::Pending && recipient.is_due(earliest);
    is_pending
        && state.quota.free(earliest) > 0
        && state
            .campaign(key.campaign)
            .is_some_and(|campaign| [earliest, latest].into_iter().all(|at| may_plan(campaign, at)))
}

fn may_plan(campaign: &Campaign, at: Timestamp) -> bool {
    let settings = &campaign.settings;
    campaign.status == CampaignStatus::Active
        && settings.scheduled_end.is_none_or(|end| at < end)
        && campaign.window_opens(at).is_none()
        && campaign.day_at(at).planned < settings.daily_send_limit
}
