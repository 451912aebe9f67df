//! Liveness as safety: from a state on nothing goes wrong any more, and within a few runs of the
//! scheduler everybody is settled or waits with a reason.

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::{Mutex, PoisonError};

use carillon_nouns::campaign::Status as CampaignStatus;
use carillon_nouns::recipient::Status;

use crate::provider::Treatment;
use crate::setting::Setting;
use crate::state::{At, BATCHES, Budget, Kind, MESSAGES, RECIPIENTS, RUNS, Report, State};

/// How many runs of the scheduler it takes at most.
pub const RUNS_OF_SCHEDULER: usize = 4;
/// A process that takes more steps than this goes round in circles.
const MAX_STEPS: usize = 500;

/// The states from which everything ends well, as far as that is known: most states come to one
/// of a few once the processes that are under way have ended.
#[derive(Default)]
pub(crate) struct Quiet {
    known: Mutex<HashSet<u64>>,
}

impl Quiet {
    /// Whether everybody is settled after a few runs without faults.
    pub(crate) fn ends_well(&self, state: &State, setting: &Setting) -> bool {
        let mut state = State { budget: Budget::default(), ..*state };
        if !state.work_off(setting) {
            return false;
        }
        let key = BuildHasherDefault::<DefaultHasher>::default().hash_one(state.canonical());
        if self.known().contains(&key) {
            return true;
        }
        for _ in 0..RUNS_OF_SCHEDULER {
            if state.is_settled() {
                break;
            }
            if !state.scheduler_run(setting) {
                return false;
            }
        }
        let ends_well = state.is_settled();
        if ends_well {
            self.known().insert(key);
        }
        ends_well
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashSet<u64>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether everybody is settled, or the campaign is paused: then they wait with a reason.
    fn is_settled(&self) -> bool {
        let is_paused = self.campaign.status == CampaignStatus::Paused;
        let is_over = self.campaign.status.is_final();
        let is_settled = |status: Status| match status {
            Status::Pending => is_paused,
            Status::Sending => false,
            Status::Unconfirmed
            | Status::Sent
            | Status::Failed
            | Status::Delivered
            | Status::Read
            | Status::Replied
            | Status::Closed
            | Status::Skipped
            | Status::Cancelled => true,
        };
        (is_paused || is_over) && self.recipients.iter().all(|one| is_settled(one.status))
    }

    /// A run of the scheduler, a while later, and what follows from it. `false` where that does
    /// not end.
    fn scheduler_run(&mut self, setting: &Setting) -> bool {
        self.waits_end();
        self.announcement_ends();
        for who in 0..RECIPIENTS {
            self.audit(who, setting);
        }
        if self.campaign.has_sweep {
            self.sweep(setting);
        }
        self.begin_scheduler(setting);
        self.work_off(setting)
    }

    /// Lets all processes end, and stores what the provider still has to report.
    fn work_off(&mut self, setting: &Setting) -> bool {
        for _ in 0..MAX_STEPS {
            if !self.work(setting) {
                return true;
            }
            *self = self.canonical();
        }
        false
    }

    /// One step of anybody; `false` where nobody has one to make.
    fn work(&mut self, setting: &Setting) -> bool {
        if let Some(slot) = (0..RUNS).find(|slot| self.runs[*slot].is_some()) {
            match self.runs[slot].map(|run| run.at) {
                Some(At::Request { who }) => self.hand_over(slot, who, Treatment::Accepts),
                _ => self.step_run(slot, setting),
            }
        } else if self.webhook.is_some() {
            self.step_webhook(setting);
        } else if self.retry.is_some() {
            self.retry(setting);
        } else if self.scheduler.is_some() {
            self.step_scheduler(setting);
        } else {
            return self.begin_report(setting)
                || (0..BATCHES).any(|batch| self.begin_run(batch, setting));
        }
        true
    }

    fn begin_report(&mut self, setting: &Setting) -> bool {
        let kinds = [Kind::Sent, Kind::Delivered, Kind::Failed];
        for (index, kind) in (0..MESSAGES).flat_map(|index| kinds.map(|kind| (index, kind))) {
            let report = self.messages[index].map(|message| message.reports[kind as usize]);
            if matches!(report, Some(Report::Owed | Report::Begun)) {
                return self.begin_webhook(index, kind, setting);
            }
        }
        false
    }
}
