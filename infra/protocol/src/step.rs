//! Steps: what anybody may do next, and what it changes.

use carillon_nouns::campaign::{Action as CampaignAction, Status as CampaignStatus};

use crate::provider::Treatment;
use crate::sender::Request;
use crate::setting::Setting;
use crate::state::{
    At, BATCHES, Budget, Index, Kind, RECIPIENTS, RUNS, Refusal, Report, State, Upload,
};

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

impl State {
    /// Adds the steps that are possible.
    pub fn add_steps(&self, setting: &Setting, steps: &mut Vec<Step>) {
        self.scheduler_steps(steps);
        for slot in 0..RUNS {
            self.run_steps(slot, steps);
        }
        if self.runs.contains(&None) {
            let queued = |batch: usize| self.batches[batch].is_some_and(|batch| batch.is_queued);
            steps.extend((0..BATCHES).filter(|batch| queued(*batch)).map(Step::BeginRun));
        }
        if self.budget.lost_messages > 0 {
            let queued = |batch: usize| self.batches[batch].is_some_and(|batch| batch.is_queued);
            steps.extend((0..BATCHES).filter(|batch| queued(*batch)).map(Step::LoseMessage));
        }
        if self.budget.redeliveries > 0 {
            let taken = |batch: usize| self.batches[batch].is_some_and(|one| !one.is_queued);
            steps.extend((0..BATCHES).filter(|batch| taken(*batch)).map(Step::Redeliver));
        }
        self.message_steps(steps);
        self.people_steps(steps);
        let audits = (0..RECIPIENTS).filter(|who| self.needs_audit(*who, setting));
        steps.extend(audits.map(Step::Audit));
        if self.recipients.iter().any(|recipient| recipient.is_deferred) {
            steps.push(Step::WaitsEnd);
        }
        if self.campaign.upload == Upload::Announced {
            steps.push(Step::AnnouncementEnds);
        }
    }

    /// Makes a step. `false` where it is not possible, or changes nothing.
    pub fn make(&mut self, step: Step, setting: &Setting) -> bool {
        match step {
            Step::BeginScheduler => {
                return self.begin_scheduler(setting);
            }
            Step::BeginSchedulerAtLimit => {
                self.budget.limits -= 1;
                return self.begin_scheduler_at_limit(setting);
            }
            Step::Scheduler => self.step_scheduler(setting),
            Step::StopScheduler => self.scheduler = None,
            Step::BeginRun(batch) => return self.begin_run(batch, setting),
            Step::Run(slot) => self.step_run(slot, setting),
            Step::CrashRun(slot) => {
                self.budget.crashes -= 1;
                self.crash_run(slot);
            }
            Step::FreezeRun(slot) => {
                self.budget.freezes -= 1;
                self.freeze_run(slot);
            }
            Step::LoseClaim(slot, request) => {
                self.budget.lost_claims -= 1;
                self.claim(slot, request, setting);
            }
            Step::GiveUp(slot) => self.give_up(slot),
            Step::Provider(slot, treatment) => {
                let Some(At::Request { who }) = self.runs[slot].map(|run| run.at) else {
                    return false;
                };
                pay_for(&mut self.budget, treatment);
                self.hand_over(slot, who, treatment);
            }
            Step::Report(index, kind) => {
                self.budget.reports -= 1;
                return self.report(index, kind);
            }
            Step::BeginWebhook(index, kind) => return self.begin_webhook(index, kind, setting),
            Step::Webhook => self.step_webhook(setting),
            Step::CrashWebhook => {
                self.budget.crashes -= 1;
                self.crash_webhook();
            }
            Step::LoseMessage(batch) => {
                self.budget.lost_messages -= 1;
                if let Some(batch) = &mut self.batches[batch] {
                    batch.is_queued = false;
                }
            }
            Step::Redeliver(batch) => {
                self.budget.redeliveries -= 1;
                if let Some(batch) = &mut self.batches[batch] {
                    batch.is_queued = batch.is_open;
                }
            }
            Step::Audit(who) => self.audit(who, setting),
            Step::Sweep => self.sweep(setting),
            Step::WaitsEnd => self.waits_end(),
            Step::AnnouncementEnds => self.announcement_ends(),
            Step::OptOut(who) => {
                self.budget.opt_outs -= 1;
                self.opt_out(who);
            }
            Step::Merge => {
                self.budget.merges -= 1;
                self.merge(setting);
            }
            Step::Pause => {
                self.budget.pauses -= 1;
                return self.act(CampaignAction::Pause);
            }
            Step::Resume => return self.act(CampaignAction::Resume { scheduled: false }),
            Step::Cancel => {
                self.budget.cancels -= 1;
                return self.act(CampaignAction::Cancel);
            }
            Step::AskToRetry(who) => {
                self.budget.retries -= 1;
                return self.ask_to_retry(who, setting);
            }
            Step::Retry => self.retry(setting),
        }
        true
    }

    fn run_steps(&self, slot: usize, steps: &mut Vec<Step>) {
        let Some(run) = self.runs[slot] else { return };
        let budget = &self.budget;
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

    fn scheduler_steps(&self, steps: &mut Vec<Step>) {
        if self.scheduler.is_some() {
            steps.extend([Step::Scheduler, Step::StopScheduler]);
        } else if self.campaign.status == CampaignStatus::Active || self.has_lost_messages() {
            steps.push(Step::BeginScheduler);
            if self.budget.limits > 0 {
                steps.push(Step::BeginSchedulerAtLimit);
            }
        }
        if self.campaign.has_sweep {
            steps.push(Step::Sweep);
        }
    }

    fn message_steps(&self, steps: &mut Vec<Step>) {
        for (index, message) in self.messages.iter().enumerate() {
            let Some(message) = message else { continue };
            for kind in [Kind::Sent, Kind::Delivered, Kind::Failed] {
                match message.reports[kind as usize] {
                    Report::None if self.budget.reports > 0 => {
                        steps.push(Step::Report(index, kind));
                    }
                    Report::None => {}
                    _ if self.webhook.is_none() => steps.push(Step::BeginWebhook(index, kind)),
                    _ => {}
                }
            }
        }
        if self.webhook.is_some() {
            steps.push(Step::Webhook);
            if self.budget.crashes > 0 {
                steps.push(Step::CrashWebhook);
            }
        }
    }

    fn people_steps(&self, steps: &mut Vec<Step>) {
        let (budget, status) = (&self.budget, self.campaign.status);
        for who in 0..RECIPIENTS {
            if budget.opt_outs > 0 && !self.has_opted_out(who) {
                steps.push(Step::OptOut(who));
            }
            if budget.retries > 0 {
                steps.push(Step::AskToRetry(who));
            }
        }
        let may_merge = budget.merges > 0 && !self.is_merged;
        let optional = [
            (may_merge, Step::Merge),
            (budget.pauses > 0 && status == CampaignStatus::Active, Step::Pause),
            (status == CampaignStatus::Paused, Step::Resume),
            (budget.cancels > 0, Step::Cancel),
            (self.retry.is_some(), Step::Retry),
        ];
        steps.extend(optional.into_iter().filter_map(|(may, step)| may.then_some(step)));
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
