//! Worlds: bounded configurations of the protocol, each explored as a whole.

use std::fmt;

use carillon_nouns::campaign::{Action as CampaignAction, Status as CampaignStatus};
use carillon_nouns::recipient::Status;
use stateright::{Model, Property};

use crate::liveness::Quiet;
use crate::provider::Treatment;
use crate::rule::Rules;
use crate::sender::Request;
use crate::setting::Setting;
use crate::state::{
    At, BATCHES, Budget, Campaign, Contact, Index, Kind, MESSAGES, Message, Outcome, RECIPIENTS,
    RUNS, Recipient, Refusal, Report, State, Upload, Violation, Walk,
};

/// A world: what may happen in it.
pub struct World {
    /// Its name.
    pub name: &'static str,
    setting: Setting,
    budget: Budget,
    start: fn(&mut State),
    quiet: Quiet,
}

/// One step of anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    BeginScheduler,
    BeginSchedulerAtLimit,
    Scheduler,
    StopScheduler,
    BeginRun(usize),
    Run(usize),
    CrashRun(usize),
    FreezeRun(usize),
    LoseClaim(usize, Request),
    GiveUp(usize),
    Provider(usize, Treatment),
    Report(usize, Kind),
    BeginWebhook(usize, Kind),
    Webhook,
    CrashWebhook,
    LoseMessage(usize),
    Redeliver(usize),
    Audit(Index),
    Sweep,
    WaitsEnd,
    AnnouncementEnds,
    OptOut(Index),
    Merge,
    Pause,
    Resume,
    Cancel,
    AskToRetry(Index),
    Retry,
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

    fn first_state(&self) -> State {
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

    /// Makes a step. `false` where it is not possible, or changes nothing.
    fn make(&self, state: &mut State, step: Step) -> bool {
        let setting = &self.setting;
        match step {
            Step::BeginScheduler => {
                return state.begin_scheduler(setting);
            }
            Step::BeginSchedulerAtLimit => {
                state.budget.limits -= 1;
                return state.begin_scheduler_at_limit(setting);
            }
            Step::Scheduler => state.step_scheduler(setting),
            Step::StopScheduler => state.scheduler = None,
            Step::BeginRun(batch) => return state.begin_run(batch, setting),
            Step::Run(slot) => state.step_run(slot, setting),
            Step::CrashRun(slot) => {
                state.budget.crashes -= 1;
                state.crash_run(slot);
            }
            Step::FreezeRun(slot) => {
                state.budget.freezes -= 1;
                state.freeze_run(slot);
            }
            Step::LoseClaim(slot, request) => {
                state.budget.lost_claims -= 1;
                state.claim(slot, request, setting);
            }
            Step::GiveUp(slot) => state.give_up(slot),
            Step::Provider(slot, treatment) => {
                let Some(At::Request { who }) = state.runs[slot].map(|run| run.at) else {
                    return false;
                };
                pay_for(&mut state.budget, treatment);
                state.hand_over(slot, who, treatment);
            }
            Step::Report(index, kind) => {
                state.budget.reports -= 1;
                return state.report(index, kind);
            }
            Step::BeginWebhook(index, kind) => return state.begin_webhook(index, kind, setting),
            Step::Webhook => state.step_webhook(setting),
            Step::CrashWebhook => {
                state.budget.crashes -= 1;
                state.crash_webhook();
            }
            Step::LoseMessage(batch) => {
                state.budget.lost_messages -= 1;
                if let Some(batch) = &mut state.batches[batch] {
                    batch.is_queued = false;
                }
            }
            Step::Redeliver(batch) => {
                state.budget.redeliveries -= 1;
                if let Some(batch) = &mut state.batches[batch] {
                    batch.is_queued = batch.is_open;
                }
            }
            Step::Audit(who) => state.audit(who, setting),
            Step::Sweep => state.sweep(setting),
            Step::WaitsEnd => state.waits_end(),
            Step::AnnouncementEnds => state.announcement_ends(),
            Step::OptOut(who) => {
                state.budget.opt_outs -= 1;
                state.opt_out(who);
            }
            Step::Merge => {
                state.budget.merges -= 1;
                state.merge(setting);
            }
            Step::Pause => {
                state.budget.pauses -= 1;
                return state.act(CampaignAction::Pause);
            }
            Step::Resume => return state.act(CampaignAction::Resume { scheduled: false }),
            Step::Cancel => {
                state.budget.cancels -= 1;
                return state.act(CampaignAction::Cancel);
            }
            Step::AskToRetry(who) => {
                state.budget.retries -= 1;
                return state.ask_to_retry(who, setting);
            }
            Step::Retry => state.retry(setting),
        }
        true
    }

    fn run_steps(state: &State, slot: usize, steps: &mut Vec<Step>) {
        let Some(run) = state.runs[slot] else { return };
        let budget = &state.budget;
        match run.at {
            At::Request { .. } => {
                steps.extend(treatments(budget).map(|one| Step::Provider(slot, one)));
            }
            at => {
                steps.push(Step::Run(slot));
                if matches!(at, At::Claim { .. }) && budget.lost_claims > 0 {
                    let lost = [Request::Unanswered, Request::Unheard];
                    steps.extend(lost.map(|request| Step::LoseClaim(slot, request)));
                }
                let next = run.due.iter().position(Option::is_some);
                let is_in_doubt = next.is_some_and(|who| run.in_doubt[who].is_some());
                if at == At::Next && is_in_doubt {
                    steps.push(Step::GiveUp(slot));
                }
            }
        }
        if budget.crashes > 0 {
            steps.push(Step::CrashRun(slot));
        }
        if budget.freezes > 0 && !run.is_late {
            steps.push(Step::FreezeRun(slot));
        }
    }

    fn scheduler_steps(state: &State, steps: &mut Vec<Step>) {
        if state.scheduler.is_some() {
            steps.extend([Step::Scheduler, Step::StopScheduler]);
        } else if state.campaign.status == CampaignStatus::Active || state.has_lost_messages() {
            steps.push(Step::BeginScheduler);
            if state.budget.limits > 0 {
                steps.push(Step::BeginSchedulerAtLimit);
            }
        }
        if state.campaign.has_sweep {
            steps.push(Step::Sweep);
        }
    }

    fn message_steps(state: &State, steps: &mut Vec<Step>) {
        for (index, message) in state.messages.iter().enumerate() {
            let Some(message) = message else { continue };
            for kind in [Kind::Sent, Kind::Delivered, Kind::Failed] {
                match message.reports[kind as usize] {
                    Report::None if state.budget.reports > 0 => {
                        steps.push(Step::Report(index, kind));
                    }
                    Report::None => {}
                    _ if state.webhook.is_none() => steps.push(Step::BeginWebhook(index, kind)),
                    _ => {}
                }
            }
        }
        if state.webhook.is_some() {
            steps.push(Step::Webhook);
            if state.budget.crashes > 0 {
                steps.push(Step::CrashWebhook);
            }
        }
    }

    fn people_steps(state: &State, steps: &mut Vec<Step>) {
        let (budget, status) = (&state.budget, state.campaign.status);
        for who in 0..RECIPIENTS {
            if budget.opt_outs > 0 && !state.has_opted_out(who) {
                steps.push(Step::OptOut(who));
            }
            if budget.retries > 0 {
                steps.push(Step::AskToRetry(who));
            }
        }
        let may_merge = budget.merges > 0 && !state.is_merged;
        let optional = [
            (may_merge, Step::Merge),
            (budget.pauses > 0 && status == CampaignStatus::Active, Step::Pause),
            (status == CampaignStatus::Paused, Step::Resume),
            (budget.cancels > 0, Step::Cancel),
            (state.retry.is_some(), Step::Retry),
        ];
        steps.extend(optional.into_iter().filter_map(|(may, step)| may.then_some(step)));
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

fn pay_for(budget: &mut Budget, treatment: Treatment) {
    match treatment {
        Treatment::Accepts => {}
        Treatment::AcceptsSilently | Treatment::Vanishes => budget.lost_answers -= 1,
        Treatment::Refuses(Refusal::Transient) => budget.refusals -= 1,
        Treatment::Refuses(Refusal::Throttled) => budget.throttles -= 1,
        Treatment::Refuses(Refusal::Rejected) => budget.rejections -= 1,
        Treatment::Refuses(Refusal::OptedOut) => budget.refused_opt_outs -= 1,
    }
}

fn treatments(budget: &Budget) -> impl Iterator<Item = Treatment> + use<> {
    let all = [
        (1, Treatment::Accepts),
        (budget.lost_answers, Treatment::AcceptsSilently),
        (budget.lost_answers, Treatment::Vanishes),
        (budget.refusals, Treatment::Refuses(Refusal::Transient)),
        (budget.throttles, Treatment::Refuses(Refusal::Throttled)),
        (budget.rejections, Treatment::Refuses(Refusal::Rejected)),
        (budget.refused_opt_outs, Treatment::Refuses(Refusal::OptedOut)),
    ];
    all.into_iter().filter_map(|(left, treatment)| (left > 0).then_some(treatment))
}

impl Model for World {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![self.first_state()]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        if state.violation.is_some() {
            return;
        }
        Self::scheduler_steps(state, steps);
        for slot in 0..RUNS {
            Self::run_steps(state, slot, steps);
        }
        if state.runs.contains(&None) {
            let queued = |batch: usize| state.batches[batch].is_some_and(|batch| batch.is_queued);
            steps.extend((0..BATCHES).filter(|batch| queued(*batch)).map(Step::BeginRun));
        }
        if state.budget.lost_messages > 0 {
            let queued = |batch: usize| state.batches[batch].is_some_and(|batch| batch.is_queued);
            steps.extend((0..BATCHES).filter(|batch| queued(*batch)).map(Step::LoseMessage));
        }
        if state.budget.redeliveries > 0 {
            let taken = |batch: usize| state.batches[batch].is_some_and(|one| !one.is_queued);
            steps.extend((0..BATCHES).filter(|batch| taken(*batch)).map(Step::Redeliver));
        }
        Self::message_steps(state, steps);
        Self::people_steps(state, steps);
        let audits = (0..RECIPIENTS).filter(|who| state.needs_audit(*who, &self.setting));
        steps.extend(audits.map(Step::Audit));
        if state.recipients.iter().any(|recipient| recipient.is_deferred) {
            steps.push(Step::WaitsEnd);
        }
        if state.campaign.upload == Upload::Announced {
            steps.push(Step::AnnouncementEnds);
        }
    }

    fn next_state(&self, before: &State, step: Step) -> Option<State> {
        let mut state = *before;
        if !self.make(&mut state, step) {
            return None;
        }
        state.check_step(before);
        let state = state.canonical();
        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        fn never<const V: u8>(_: &World, state: &State) -> bool {
            state.violation.is_none_or(|violation| violation as u8 != V)
        }
        vec![
            Property::always(
                "1: nobody is handed to the provider again who may have the message",
                never::<{ Violation::SentTwice as u8 }>,
            ),
            Property::always(
                "1: a person gets the message once under all ids that are known to be theirs",
                never::<{ Violation::PersonSentTwice as u8 }>,
            ),
            Property::always(
                "1: the arrival of an older attempt stops the retry",
                never::<{ Violation::ArrivalLost as u8 }>,
            ),
            Property::always(
                "2: a status is not taken back",
                never::<{ Violation::WentDown as u8 }>,
            ),
            Property::always(
                "2: a status says what became of the message",
                never::<{ Violation::FalseReport as u8 }>,
            ),
            Property::always(
                "2: who is reported as not sent to was not sent to",
                never::<{ Violation::SentButSkipped as u8 }>,
            ),
            Property::always(
                "2: of a person's two recipients one is sent to",
                never::<{ Violation::BothSkipped as u8 }>,
            ),
            Property::always(
                "2: a campaign is completed when nobody is left",
                never::<{ Violation::CompletedTooSoon as u8 }>,
            ),
            Property::always(
                "2: nobody is left behind, unless a process was killed",
                never::<{ Violation::LeftBehind as u8 }>,
            ),
            Property::always(
                "2: who is retried by a person is met, unless the request was frozen",
                never::<{ Violation::RetryInVain as u8 }>,
            ),
            Property::always(
                "3: each message has a reservation",
                never::<{ Violation::NoReservation as u8 }>,
            ),
            Property::always(
                "4: an opt-out wins over every later claim",
                never::<{ Violation::SentToOptedOut as u8 }>,
            ),
            Property::always(
                "4: no message goes out long after its claim",
                never::<{ Violation::SentLate as u8 }>,
            ),
            Property::always(
                "4: an opt-out that was answered is stored",
                never::<{ Violation::OptOutLost as u8 }>,
            ),
            Property::always(
                "10: nobody is unconfirmed who was not sent to, unless a process was killed or frozen",
                |world: &Self, state: &State| !world.is_needlessly_unconfirmed(state),
            ),
            Property::always(
                "10: without faults everybody is settled within a few runs",
                |world: &Self, state: &State| state.violation.is_some() || world.ends_well(state),
            ),
        ]
    }
}

impl World {
    fn is_needlessly_unconfirmed(&self, state: &State) -> bool {
        let (budget, left) = (&self.budget, &state.budget);
        let is_calm = budget.crashes == left.crashes && budget.freezes == left.freezes;
        let is_unsent = |who: Index| {
            let Recipient { attempt, status, .. } = state.recipients[who];
            let sent = |one: &Message| one.who == who && one.attempt == attempt;
            status == Status::Unconfirmed && !state.messages().any(sent)
        };
        is_calm && (0..RECIPIENTS).any(is_unsent)
    }

    fn ends_well(&self, state: &State) -> bool {
        self.quiet.ends_well(state, &self.setting)
    }
}
