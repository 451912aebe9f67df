//! What people do, what time does, and what the scheduler does between its runs: one write each,
//! or as many as are told apart.

use carillon_nouns::campaign::{Action, Status as CampaignStatus};
use carillon_nouns::recipient::Status;

use crate::rule::Rule;
use crate::setting::Setting;
use crate::state::{Age, Due, Index, RECIPIENTS, Retry, State, Upload, Violation};

impl State {
    /// Stores an opt-out of a contact.
    pub fn opt_out(&mut self, who: Index) {
        let person = self.person(who);
        self.contacts[person].has_opted_out = true;
    }

    /// Merges the second contact into the first.
    pub fn merge(&mut self, setting: &Setting) {
        let [survivor, loser] = self.contacts;
        let merged = survivor.merged_with(loser, setting.rules);
        self.contacts[0] = merged;
        self.is_merged = true;
        let lost = (survivor.has_opted_out || loser.has_opted_out) && !merged.has_opted_out;
        if lost {
            self.violate(Violation::OptOutLost);
        }
    }

    /// Changes the campaign's status. `false` where that is not allowed.
    pub fn act(&mut self, action: Action) -> bool {
        let Some(campaign) = self.campaign.after(action) else { return false };
        self.campaign = campaign;
        self.campaign_changed();
        true
    }

    /// A person asks to retry an unconfirmed recipient: first the campaign is taken up. `false`
    /// where that is not possible.
    pub fn ask_to_retry(&mut self, who: Index, setting: &Setting) -> bool {
        let found = self.recipients[who];
        if self.retry.is_some() || found.status != Status::Unconfirmed {
            return false;
        }
        if self.campaign.status == CampaignStatus::Completed {
            self.act(Action::Reopen);
        }
        if setting.rules.hold(Rule::RetryIsAnnounced) {
            let Some(announced) = self.campaign.announce() else { return false };
            self.campaign = announced;
            self.campaign_changed();
            if let Some(scheduler) = &mut self.scheduler {
                scheduler.now = Age::Before;
            }
        }
        if self.campaign.status.is_final() {
            return false;
        }
        self.retry = Some(Retry { who, attempt: found.attempt, is_stored: false });
        true
    }

    /// The next step of a person's retry: the write, which counts a requeue too, and then the look
    /// at the campaign.
    pub fn retry(&mut self, setting: &Setting) {
        let Some(Retry { who, attempt, is_stored }) = self.retry.take() else { return };
        if is_stored {
            let is_late = self.campaign.upload == Upload::Over;
            if self.campaign.status == CampaignStatus::Completed && !is_late {
                self.violate(Violation::RetryInVain);
            }
            return self.cancel_if_over(who, attempt + 1, setting);
        }
        let Some(pending) = self.recipients[who].retry(attempt, setting.rules) else { return };
        self.recipients[who] = pending;
        self.campaign.count_requeue(setting.rules);
        for message in self.messages.iter_mut().flatten().filter(|message| message.who == who) {
            message.is_waived = true;
        }
        self.retry = Some(Retry { who, attempt, is_stored: true });
    }

    /// The time comes until which retries wait.
    pub fn waits_end(&mut self) {
        for recipient in &mut self.recipients {
            recipient.is_deferred = false;
        }
        if let Some(due) = &mut self.campaign.walk.next_due {
            *due = Due::Now;
        }
    }

    /// The time comes until which the campaign is not completed.
    pub fn announcement_ends(&mut self) {
        if self.campaign.upload == Upload::Announced {
            self.campaign.upload = Upload::Over;
        }
    }

    /// The sweep of a cancelled campaign.
    pub fn sweep(&mut self, setting: &Setting) {
        self.campaign.has_sweep = false;
        for who in 0..RECIPIENTS {
            self.cancel_pending(who, setting);
        }
    }

    fn cancel_pending(&mut self, who: Index, setting: &Setting) {
        let found = self.recipients[who];
        if found.status == Status::Pending {
            self.recipients[who] = found.cancel(found.attempt, setting.rules).unwrap_or(found);
        }
    }

    /// Whether the audit has something to do with a recipient.
    pub fn needs_audit(&self, who: Index, setting: &Setting) -> bool {
        self.is_lost(who, setting) || self.is_left_behind(who, setting)
    }

    fn is_lost(&self, who: Index, setting: &Setting) -> bool {
        let is_sending = self.recipients[who].status == Status::Sending;
        is_sending && self.claim_is_expired(who) && setting.rules.hold(Rule::AuditSettlesClaims)
    }

    fn is_left_behind(&self, who: Index, setting: &Setting) -> bool {
        let is_over = self.campaign.status.is_final() && !self.campaign.has_sweep;
        let is_pending = self.recipients[who].status == Status::Pending;
        is_over && is_pending && setting.rules.hold(Rule::AuditCancelsLeftBehind)
    }

    /// The audit of a recipient.
    pub fn audit(&mut self, who: Index, setting: &Setting) {
        let found = self.recipients[who];
        if self.is_lost(who, setting) {
            let settled = found.settle_lost(found.attempt, setting.rules);
            self.recipients[who] = settled.unwrap_or(found);
        } else if self.is_left_behind(who, setting) {
            if !self.is_owed(who) {
                self.violate(Violation::LeftBehind);
            }
            self.cancel_pending(who, setting);
        }
    }
}
