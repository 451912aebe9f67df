//! The webhook: the steps in which it stores a report. It answers 200 after the last one;
//! otherwise the provider reports again.

use carillon_nouns::recipient::{Status, Transition};

use crate::product::{decide, event};
use crate::rule::Rule;
use crate::setting::Setting;
use crate::state::{At, Decided, Index, Kind, Refusal, Report, State, Storing, Violation, Webhook};

impl State {
    /// Begins to store a report of a message. `false` where there is none, or another one is
    /// being stored.
    pub fn begin_webhook(&mut self, index: usize, kind: Kind, setting: &Setting) -> bool {
        let Some(message) = &mut self.messages[index] else { return false };
        let (who, attempt) = (message.who, message.attempt);
        if self.webhook.is_some() {
            return false;
        }
        match &mut message.reports[kind as usize] {
            Report::None => return false,
            Report::Done if self.budget.repetitions == 0 => return false,
            Report::Done => self.budget.repetitions -= 1,
            report @ (Report::Owed | Report::Begun) => *report = Report::Begun,
        }
        let at = match kind {
            Kind::Sent | Kind::Delivered => self.record(who, attempt, kind, setting),
            Kind::Failed => Some(self.read_failure(who, attempt, setting)),
        };
        self.webhook = Some(Webhook { who, attempt, kind, at: at.unwrap_or(Storing::IsOver) });
        if at.is_none() {
            self.acknowledge();
        }
        true
    }

    /// Records a status; what follows if that needs a second write.
    fn record(
        &mut self,
        who: Index,
        attempt: u8,
        kind: Kind,
        setting: &Setting,
    ) -> Option<Storing> {
        let (found, event) = (self.recipients[who], event(attempt, kind));
        if let Some(advanced) = found.advance(event, setting.rules) {
            self.recipients[who] = advanced;
            return None;
        }
        match found.transition(event) {
            Transition::DropRetry | Transition::Restore
                if setting.rules.hold(Rule::ArrivalDropsRetry) =>
            {
                Some(Storing::Restore(found.seen()))
            }
            Transition::DropRetry
            | Transition::Restore
            | Transition::Advance
            | Transition::KeepTime
            | Transition::Ignore => None,
        }
    }

    /// Decides what becomes of an attempt that failed, by the recipient as it is now.
    fn read_failure(&self, who: Index, attempt: u8, setting: &Setting) -> Storing {
        let found = self.recipients[who];
        let was_retried = found.seen() == (attempt + 1, Status::Pending);
        if was_retried && setting.rules.hold(Rule::RepetitionRequeues) {
            return Storing::Requeue;
        }
        let uncounted = if found.attempt == attempt { found.uncounted } else { 0 };
        let decided = decide(Some(Refusal::Transient), attempt, uncounted);
        Storing::Settle(setting.timed(decided))
    }

    /// The next step of the webhook.
    pub fn step_webhook(&mut self, setting: &Setting) {
        let Some(Webhook { who, attempt, kind, at }) = self.webhook else { return };
        let next = match at {
            Storing::Restore(seen) => {
                let found = self.recipients[who];
                match found.restore(seen, event(attempt, kind)) {
                    Some(restored) => {
                        self.recipients[who] = restored;
                        None
                    }
                    None if setting.rules.hold(Rule::ArrivalIsRepeated) => {
                        self.record(who, attempt, kind, setting)
                    }
                    None => None,
                }
            }
            Storing::Settle(decided) => {
                let found = self.recipients[who];
                let settled = found.settle(attempt, decided, setting.rules);
                self.recipients[who] = settled.unwrap_or(found);
                matches!(decided, Decided::Retry { .. }).then_some(Storing::Requeue)
            }
            Storing::Requeue => {
                self.say_pending(who, attempt + 1, setting);
                Some(Storing::IsOver)
            }
            Storing::IsOver => {
                self.look_if_over(who, attempt + 1, setting);
                None
            }
        };
        match (next, &mut self.webhook) {
            (Some(at), Some(webhook)) => webhook.at = at,
            _ => self.acknowledge(),
        }
    }

    /// The process is killed: the provider has no answer.
    pub fn crash_webhook(&mut self) {
        self.webhook = None;
    }

    /// Everything is stored: the answer is 200.
    fn acknowledge(&mut self) {
        let Some(Webhook { who, attempt, kind, .. }) = self.webhook.take() else { return };
        if let Some(message) = self.message_mut(who, attempt) {
            message.reports[kind as usize] = Report::Done;
        }
        let found = self.recipients[who];
        if kind == Kind::Delivered && found.status == Status::Pending && found.attempt > attempt {
            self.violate(Violation::ArrivalLost);
        }
    }

    /// Whether somebody will still say that a pending recipient is to be met, or was lost before
    /// they could.
    pub fn is_owed(&self, who: Index) -> bool {
        let recipient = self.recipients[who];
        let by_run = self.runs.iter().flatten().any(|run| match run.at {
            At::Requeue { who: other, .. } | At::IsOver { who: other, .. } => other == who,
            _ => false,
        });
        let is_report = |report: Report| matches!(report, Report::Owed | Report::Begun);
        let by_report = self.messages().any(|message| {
            let is_latest = message.who == who && message.attempt + 1 == recipient.attempt;
            is_latest && is_report(message.reports[Kind::Failed as usize])
        });
        let by_webhook = self.webhook.is_some_and(|webhook| {
            webhook.who == who && matches!(webhook.at, Storing::Requeue | Storing::IsOver)
        });
        let by_person = self.retry.is_some_and(|retry| retry.who == who && retry.is_stored);
        recipient.is_orphan || by_run || by_report || by_webhook || by_person
    }
}
