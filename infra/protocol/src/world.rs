//! Worlds: bounded configurations of the protocol.

use std::fmt;

use carillon_nouns::campaign::Status as CampaignStatus;
use carillon_nouns::recipient::Status;

use crate::liveness::Quiet;
use crate::rule::Rules;
use crate::setting::Setting;
use crate::state::{
    BATCHES, Budget, Campaign, Contact, Kind, MESSAGES, Message, Outcome, RECIPIENTS, RUNS,
    Recipient, Report, State, Upload, Walk,
};

/// A world: what may happen in it.
pub struct World {
    /// Its name.
    pub name: &'static str,
    pub(crate) setting: Setting,
    pub(crate) budget: Budget,
    start: fn(&mut State),
    pub(crate) quiet: Quiet,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("name", &self.name).finish_non_exhaustive()
    }
}

impl World {
    fn new(name: &'static str, batch_size: usize, budget: Budget) -> Self {
        let setting = Setting { rules: Rules::default(), batch_size, retries_wait: false };
        Self { name, setting, budget, start: |_| {}, quiet: Quiet::default() }
    }

    /// A sender is killed, another one freezes, an answer is lost.
    pub fn senders() -> Self {
        let budget = Budget { crashes: 1, freezes: 1, lost_answers: 1, ..Budget::default() };
        Self::new("senders", 2, budget)
    }

    /// Answers to claims are lost, and a sender freezes.
    pub fn claims() -> Self {
        let budget = Budget { freezes: 1, lost_claims: 1, ..Budget::default() };
        Self::new("claims", 2, budget)
    }

    /// Messages are refused, retries wait, and a sender freezes.
    pub fn refusals() -> Self {
        let budget = Budget { freezes: 1, refusals: 1, ..Budget::default() };
        Self::new("refusals", 2, budget)
    }

    /// The queue loses a message, a sender is killed, a message is refused; the campaign is paused.
    pub fn pauses() -> Self {
        let budget = Budget { lost_messages: 1, pauses: 1, refusals: 1, ..Budget::default() };
        Self::new("pauses", 1, budget).with(|setting| setting.retries_wait = true)
    }

    /// The provider reports what became of two messages: early, late, twice, or never.
    pub fn reports() -> Self {
        let budget = Budget { reports: 2, repetitions: 1, ..Budget::default() };
        Self::new("reports", 2, budget)
    }

    /// The provider reports of one recipient, and contradicts itself.
    pub fn contradictions() -> Self {
        let budget = Budget {
            throttles: 1,
            reports: 2,
            repetitions: 1,
            contradictions: 1,
            ..Budget::default()
        };
        Self::new("contradictions", 1, budget).starting(one_recipient)
    }

    /// Processes are killed while a failure is reported.
    pub fn failures() -> Self {
        let budget = Budget { crashes: 2, repetitions: 1, reports: 1, ..Budget::default() };
        Self::new("failures", 1, budget).starting(one_failed)
    }

    /// A limit is used up for a while, claims are not answered, and a message is refused.
    pub fn limits() -> Self {
        let budget = Budget { limits: 1, lost_claims: 1, refusals: 1, ..Budget::default() };
        Self::new("limits", 1, budget).starting(one_recipient)
    }

    /// The queue delivers a message again.
    pub fn redeliveries() -> Self {
        let budget = Budget { redeliveries: 1, freezes: 1, ..Budget::default() };
        Self::new("redeliveries", 2, budget)
    }

    /// The campaign is paused while a sender is frozen or killed; the provider knows of an opt-out.
    pub fn interruptions() -> Self {
        let budget =
            Budget { crashes: 1, freezes: 1, pauses: 1, refused_opt_outs: 1, ..Budget::default() };
        Self::new("interruptions", 1, budget).starting(one_recipient)
    }

    /// A refusal is settled late, by a sender that was frozen, and is killed then.
    pub fn late_refusals() -> Self {
        let budget = Budget { crashes: 1, freezes: 1, refusals: 1, ..Budget::default() };
        Self::new("late refusals", 1, budget).starting(one_recipient)
    }

    /// Both recipients wait for a retry, and turn out to be one person.
    pub fn person() -> Self {
        let budget = Budget { freezes: 1, merges: 1, refusals: 1, ..Budget::default() };
        Self::new("person", 1, budget).starting(both_refused)
    }

    /// Two contacts turn out to be one person, who opts out.
    pub fn opt_outs() -> Self {
        let budget = Budget { freezes: 1, merges: 1, opt_outs: 1, ..Budget::default() };
        Self::new("opt-outs", 1, budget)
    }

    /// The campaign is cancelled while a sender is frozen.
    pub fn cancellations() -> Self {
        let budget = Budget { freezes: 1, refusals: 1, cancels: 1, ..Budget::default() };
        Self::new("cancellations", 1, budget).starting(one_recipient)
    }

    /// A person asks to send to an unconfirmed recipient again.
    pub fn retries() -> Self {
        let budget =
            Budget { lost_answers: 1, retries: 1, refusals: 1, reports: 1, ..Budget::default() };
        Self::new("retries", 1, budget).starting(one_recipient)
    }

    /// All worlds.
    pub fn all() -> Vec<Self> {
        vec![
            Self::senders(),
            Self::claims(),
            Self::refusals(),
            Self::pauses(),
            Self::reports(),
            Self::contradictions(),
            Self::failures(),
            Self::limits(),
            Self::redeliveries(),
            Self::interruptions(),
            Self::late_refusals(),
            Self::person(),
            Self::opt_outs(),
            Self::cancellations(),
            Self::retries(),
        ]
    }

    fn with(mut self, change: impl FnOnce(&mut Setting)) -> Self {
        change(&mut self.setting);
        self
    }

    fn starting(self, start: fn(&mut State)) -> Self {
        Self { start, ..self }
    }

    /// The same world under other rules.
    #[must_use]
    pub fn under(mut self, rules: Rules) -> Self {
        self.setting.rules = rules;
        self
    }

    /// The state in which it begins.
    pub(crate) fn first_state(&self) -> State {
        let campaign = Campaign {
            status: CampaignStatus::Active,
            walk: Walk::default(),
            requeues: 0,
            upload: Upload::None,
            has_sweep: false,
        };
        let mut state = State {
            campaign,
            recipients: [Recipient::PENDING; RECIPIENTS],
            contacts: [Contact::default(); RECIPIENTS],
            is_merged: false,
            batches: [None; BATCHES],
            runs: [None; RUNS],
            scheduler: None,
            webhook: None,
            retry: None,
            messages: [None; MESSAGES],
            budget: self.budget,
            violation: None,
        };
        (self.start)(&mut state);
        state.canonical()
    }
}

/// The second recipient is settled.
fn one_recipient(state: &mut State) {
    state.recipients[1].status = Status::Delivered;
}

/// The second recipient is settled. The first one's second attempt was accepted, and failed; its
/// first one does not count.
fn one_failed(state: &mut State) {
    one_recipient(state);
    let sent = Recipient { attempt: 2, status: Status::Sent, uncounted: 1, ..Recipient::PENDING };
    state.recipients[0] = sent;
    state.contacts[0].was_sent = true;
    let mut reports = [Report::None; 3];
    reports[Kind::Failed as usize] = Report::Owed;
    state.messages[0] = Some(Message {
        who: 0,
        attempt: 2,
        outcome: Outcome::Failed,
        knew_person: false,
        is_waived: false,
        reports,
    });
}

/// Both recipients were refused once, and wait for their retries.
fn both_refused(state: &mut State) {
    for who in 0..RECIPIENTS {
        state.recipients[who] = Recipient { attempt: 2, is_listed: true, ..Recipient::PENDING };
        state.contacts[who].was_sent = true;
        state.messages[who] = Some(Message {
            who,
            attempt: 1,
            outcome: Outcome::Refused,
            knew_person: false,
            is_waived: false,
            reports: [Report::None; 3],
        });
    }
}
