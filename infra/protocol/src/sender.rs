//! The sender: the steps of one run over one batch. Between any two of them it may crash, freeze,
//! or others may go on.

use carillon_nouns::recipient::Status;

use crate::product::{closes_batches, decide};
use crate::rule::Rule;
use crate::setting::Setting;
use crate::state::{
    Answer, At, Decided, Index, Lease, Members, RECIPIENTS, Recipient, Refusal, Run, Seen, State,
    Stop, Violation, Why,
};

/// What becomes of the request for a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// It is answered.
    Answered,
    /// It is carried out, and its answer is lost.
    Unanswered,
    /// It is not carried out, and nobody says so.
    Unheard,
}

impl State {
    /// Begins a run over a batch in a free slot. `false` where that is not possible.
    pub fn begin_run(&mut self, batch: usize, setting: &Setting) -> bool {
        let Some(slot) = self.runs.iter().position(Option::is_none) else { return false };
        let found = self.batches[batch].filter(|found| found.is_queued);
        let Some(leased) = found.and_then(|found| found.lease(slot, setting.rules)) else {
            return false;
        };
        self.batches[batch] = Some(leased);
        self.runs[slot] = Some(Run {
            batch,
            at: At::Leased,
            is_late: false,
            stop: None,
            is_over: false,
            due: [None; RECIPIENTS],
            in_doubt: [None; RECIPIENTS],
            knew_person: false,
        });
        true
    }

    /// A run is frozen for so long that its lease and the time of its claim are over.
    pub fn freeze_run(&mut self, slot: usize) {
        let Some(run) = &mut self.runs[slot] else { return };
        run.is_late = true;
        if let Some(batch) = &mut self.batches[run.batch]
            && batch.lease == Lease::Held(slot)
        {
            batch.lease = Lease::Expired(Some(slot));
        }
    }

    /// The process of a run is killed.
    pub fn crash_run(&mut self, slot: usize) {
        let Some(run) = self.runs[slot] else { return };
        if let At::Requeue { who, attempt } | At::IsOver { who, attempt } = run.at
            && self.recipients[who].seen() == (attempt, Status::Pending)
        {
            self.recipients[who].is_orphan = true;
        }
        self.end_run(slot);
    }

    /// The next step of a run that depends on nobody else.
    pub fn step_run(&mut self, slot: usize, setting: &Setting) {
        let Some(run) = self.runs[slot] else { return };
        let next = match run.at {
            At::Leased => self.open_batch(slot, setting),
            At::Next => self.next_recipient(slot, setting),
            At::Claim { .. } => return self.claim(slot, Request::Answered, setting),
            At::Skip { who, why } => self.skip(slot, who, why, setting),
            At::Claimed { who } => self.look_at_clock(slot, who, setting),
            At::Request { .. } => return,
            At::Answered { who, answer } => self.settle_answer(slot, who, answer, setting),
            At::Preference { who } => self.settle_refusal(slot, who, Refusal::OptedOut, setting),
            At::Requeue { who, attempt } => {
                self.say_pending(who, attempt, setting);
                At::IsOver { who, attempt }
            }
            At::IsOver { who, attempt } => {
                self.look_if_over(who, attempt, setting);
                let is_stopped = run.stop.is_some();
                if is_stopped { At::End } else { At::Next }
            }
            At::GiveBack { who, attempt } => self.give_back(slot, who, attempt, setting),
            At::End => match self.end(slot, setting) {
                Some(at) => at,
                None => return self.end_run(slot),
            },
        };
        if let Some(run) = &mut self.runs[slot] {
            run.at = next;
        }
    }

    /// Settles the claims of earlier runs, and reads who is due.
    fn open_batch(&mut self, slot: usize, setting: &Setting) -> At {
        let Some(mut run) = self.runs[slot] else { return At::End };
        run.is_over = self.campaign.status.is_final();
        self.settle_earlier_runs(run, setting);
        if closes_batches(self.campaign.status) {
            run.stop = Some(Stop::Closed);
            self.runs[slot] = Some(run);
            return At::End;
        }
        let members = self.batches[run.batch].map(|batch| batch.members);
        for who in 0..RECIPIENTS {
            let recipient = self.recipients[who];
            let is_meant = members.is_some_and(|members| members.contain(who));
            run.due[who] = (is_meant && recipient.is_due(who)).then_some(recipient.attempt);
        }
        self.runs[slot] = Some(run);
        At::Next
    }

    fn settle_earlier_runs(&mut self, run: Run, setting: &Setting) {
        let Some(batch) = self.batches[run.batch] else { return };
        if batch.runs < 2 && !run.is_over {
            return;
        }
        for who in (0..RECIPIENTS).filter(|who| batch.members.contain(*who)) {
            let found = self.recipients[who];
            if found.batch != Some(run.batch) {
                continue;
            }
            let settled = match found.status {
                Status::Pending if run.is_over => found.cancel(found.attempt, setting.rules),
                Status::Sending => found.settle_lost(found.attempt, setting.rules),
                _ => None,
            };
            self.recipients[who] = settled.unwrap_or(found);
        }
    }

    /// Looks at the campaign, and for a retry at the person's other recipient.
    fn next_recipient(&mut self, slot: usize, setting: &Setting) -> At {
        let Some(run) = &mut self.runs[slot] else { return At::End };
        let Some(who) = run.due.iter().position(Option::is_some) else { return At::End };
        if run.is_late {
            run.stop = Some(Stop::OutOfTime);
        } else if closes_batches(self.campaign.status) {
            run.stop = Some(Stop::Closed);
        }
        if run.stop.is_some() {
            return At::End;
        }
        let is_retry = run.due[who].is_some_and(|attempt| attempt > 1);
        let other = is_retry.then(|| self.goes_instead(who)).flatten();
        match other.filter(|_| setting.rules.hold(Rule::RetryLooksAtOther)) {
            Some(other) => At::Skip { who, why: Why::Other(other) },
            None => At::Claim { who, merged: self.is_merged },
        }
    }

    /// The person's other recipient, where that was sent to or goes first.
    fn goes_instead(&self, who: Index) -> Option<Seen> {
        let other = 1 - who;
        let found = self.recipients[other];
        let goes_first = found.status == Status::Pending && found.attempt > 1 && other < who;
        let instead = goes_first || found.may_have_reached(other);
        (self.is_merged && instead).then(|| found.seen())
    }

    /// Requests a claim: one transaction over the recipient and the contact.
    pub fn claim(&mut self, slot: usize, request: Request, setting: &Setting) {
        let Some(mut run) = self.runs[slot] else { return };
        let At::Claim { who, merged } = run.at else { return };
        let Some(attempt) = run.due[who] else { return };
        let found = self.recipients[who];
        if request != Request::Unheard {
            run.knew_person = self.is_merged;
        }
        if request == Request::Unanswered
            && self.contact_obstacle(who, attempt, merged, setting).is_none()
            && let Some(claimed) = found.claim(attempt, (slot, run.batch), setting.rules)
        {
            self.win(who, claimed, setting);
        }
        if request != Request::Answered {
            run.in_doubt[who] = Some(attempt);
            run.at = At::Next;
            self.runs[slot] = Some(run);
            return;
        }
        run.at = match found.claim(attempt, (slot, run.batch), setting.rules) {
            None if self.has_claimed(slot, who, attempt, setting) => {
                // A run knows its own requests: it has asked for this claim before.
                let is_known = run.in_doubt[who].take() == Some(attempt);
                if is_known { At::Claimed { who } } else { run.leave(who) }
            }
            None => run.leave(who),
            Some(claimed) => match self.contact_obstacle(who, attempt, merged, setting) {
                None => {
                    run.in_doubt[who] = None;
                    self.win(who, claimed, setting);
                    At::Claimed { who }
                }
                Some(Obstacle::Skip(why)) => At::Skip { who, why },
                Some(Obstacle::Changed) => At::Next,
            },
        };
        self.runs[slot] = Some(run);
    }

    fn win(&mut self, who: Index, claimed: Recipient, setting: &Setting) {
        if self.has_opted_out(who) {
            self.violate(Violation::SentToOptedOut);
        }
        let is_first = claimed.attempt == 1;
        self.recipients[who] = claimed;
        let index = self.claimed_contact(who, setting);
        let contact = &mut self.contacts[index];
        *contact = contact.claim(is_first, setting.rules).unwrap_or(*contact);
    }

    /// Whether the claim of an attempt is the run's own, although it has no answer.
    fn has_claimed(&self, slot: usize, who: Index, attempt: u8, setting: &Setting) -> bool {
        let found = self.recipients[who];
        let is_anybodys = found.seen() == (attempt, Status::Sending);
        found.is_claimed_by(who, slot, attempt)
            || (is_anybodys && !setting.rules.hold(Rule::ClaimKnowsItsRun))
    }

    fn claimed_contact(&self, who: Index, setting: &Setting) -> Index {
        if setting.rules.hold(Rule::ClaimFollowsMerge) { self.person(who) } else { who }
    }

    /// Why the contact's part of the claim fails.
    fn contact_obstacle(
        &self,
        who: Index,
        attempt: u8,
        merged: bool,
        setting: &Setting,
    ) -> Option<Obstacle> {
        let contact = self.contacts[self.claimed_contact(who, setting)];
        if contact.claim(attempt == 1, setting.rules).is_none() {
            let why = if contact.has_opted_out { Why::OptedOut } else { Why::WasSent };
            return Some(Obstacle::Skip(why));
        }
        if attempt == 1 {
            return None;
        }
        let is_changed = merged != self.is_merged;
        (is_changed && setting.rules.hold(Rule::RetryClaimSeesMerges)).then_some(Obstacle::Changed)
    }

    /// The run leaves a recipient whose claim is not answered to a later batch.
    pub fn give_up(&mut self, slot: usize) {
        let Some(run) = &mut self.runs[slot] else { return };
        let Some(who) = run.due.iter().position(Option::is_some) else { return };
        if let Some(attempt) = run.due[who].take() {
            let found = self.recipients[who];
            self.recipients[who] = found.go_before_walk(attempt).unwrap_or(found);
        }
    }

    fn skip(&mut self, slot: usize, who: Index, why: Why, setting: &Setting) -> At {
        let Some(run) = &mut self.runs[slot] else { return At::End };
        let Some(attempt) = run.due[who] else { return At::Next };
        let other = self.recipients[1 - who];
        if let Why::Other(seen) = why
            && setting.rules.hold(Rule::SkipChecksOther)
            && other.seen() != seen
        {
            return At::Next;
        }
        let left = run.leave(who);
        let found = self.recipients[who];
        let Some(skipped) = found.skip(attempt, setting.rules) else { return left };
        self.recipients[who] = skipped;
        let is_other = matches!(why, Why::Other(_)) && other.status == Status::Skipped;
        if is_other && !self.has_opted_out(who) {
            self.violate(Violation::BothSkipped);
        }
        left
    }

    /// A claim that is too old is not sent.
    fn look_at_clock(&mut self, slot: usize, who: Index, setting: &Setting) -> At {
        let Some(run) = self.runs[slot] else { return At::End };
        if !run.is_late {
            return At::Request { who };
        }
        match run.due[who] {
            Some(attempt) if setting.rules.hold(Rule::ClaimAge) => At::GiveBack { who, attempt },
            _ => {
                self.violate(Violation::SentLate);
                At::Request { who }
            }
        }
    }

    fn settle_answer(&mut self, slot: usize, who: Index, answer: Answer, setting: &Setting) -> At {
        let Some(run) = &mut self.runs[slot] else { return At::End };
        let Some(attempt) = run.due[who] else { return At::Next };
        let found = self.recipients[who];
        match answer {
            Answer::Accepted => {
                let left = run.leave(who);
                let settled = found.settle_accepted(attempt, setting.rules);
                self.recipients[who] = settled.unwrap_or(found);
                left
            }
            Answer::Refused(Refusal::OptedOut) if setting.rules.hold(Rule::OptOutGoesFirst) => {
                let person = self.person(who);
                self.contacts[person].has_opted_out = true;
                At::Preference { who }
            }
            Answer::Refused(refusal) => self.settle_refusal(slot, who, refusal, setting),
            Answer::Lost => {
                let decided = decide(None, attempt, found.uncounted);
                let retry = Decided::Retry { counts: true, is_deferred: false };
                let is_safe = setting.rules.hold(Rule::LostAnswerIsUnconfirmed);
                self.settle_as(slot, who, if is_safe { decided } else { retry }, setting)
            }
        }
    }

    fn settle_refusal(
        &mut self,
        slot: usize,
        who: Index,
        refusal: Refusal,
        setting: &Setting,
    ) -> At {
        let Some(run) = &self.runs[slot] else { return At::End };
        let Some(attempt) = run.due[who] else { return At::Next };
        let uncounted = self.uncounted_before(who, attempt);
        let decided = decide(Some(refusal), attempt, uncounted);
        self.settle_as(slot, who, decided, setting)
    }

    /// How many attempts do not count, as the run has read them with the attempt.
    fn uncounted_before(&self, who: Index, attempt: u8) -> u8 {
        let found = self.recipients[who];
        found.uncounted.min(attempt - 1)
    }

    fn settle_as(&mut self, slot: usize, who: Index, decided: Decided, setting: &Setting) -> At {
        let Some(run) = &mut self.runs[slot] else { return At::End };
        let Some(attempt) = run.due[who] else { return At::Next };
        let left = run.leave(who);
        let found = self.recipients[who];
        let decided = setting.timed(decided);
        self.recipients[who] = found.settle(attempt, decided, setting.rules).unwrap_or(found);
        if decided == Decided::Skip && !self.has_opted_out(who) {
            self.violate(Violation::OptOutLost);
        }
        match decided {
            Decided::Retry { .. } => At::Requeue { who, attempt: attempt + 1 },
            Decided::Fail | Decided::Skip | Decided::Unconfirmed => left,
        }
    }

    /// The first of two steps that follow where a recipient is pending again: the campaign counts
    /// a requeue.
    pub fn say_pending(&mut self, who: Index, attempt: u8, setting: &Setting) {
        if setting.rules.hold(Rule::RequeueGoesFirst) {
            self.campaign.count_requeue(setting.rules);
        } else {
            self.cancel_if_over(who, attempt, setting);
        }
    }

    /// The second one: in a campaign that is over the recipient is cancelled.
    pub fn look_if_over(&mut self, who: Index, attempt: u8, setting: &Setting) {
        if setting.rules.hold(Rule::RequeueGoesFirst) {
            self.cancel_if_over(who, attempt, setting);
        } else {
            self.campaign.count_requeue(setting.rules);
        }
    }

    /// Cancels a recipient who is pending again in a campaign that is over.
    pub fn cancel_if_over(&mut self, who: Index, attempt: u8, setting: &Setting) {
        if !self.campaign.status.is_final() || !setting.rules.hold(Rule::OverIsCancelled) {
            return;
        }
        let found = self.recipients[who];
        self.recipients[who] = found.cancel(attempt, setting.rules).unwrap_or(found);
    }

    fn give_back(&mut self, slot: usize, who: Index, attempt: u8, setting: &Setting) -> At {
        let found = self.recipients[who];
        self.recipients[who] = found.give_back(attempt, slot, setting.rules).unwrap_or(found);
        if let Some(run) = &mut self.runs[slot] {
            run.due[who] = run.due[who].filter(|due| *due != attempt);
        }
        At::Requeue { who, attempt: attempt + 1 }
    }

    /// Gives claims back that were not answered, then closes the batch or hands it back. `None`
    /// at the end of the run.
    fn end(&mut self, slot: usize, setting: &Setting) -> Option<At> {
        let mut run = self.runs[slot]?;
        if let Some(who) = run.in_doubt.iter().position(Option::is_some) {
            let attempt = run.in_doubt[who].take()?;
            self.runs[slot] = Some(run);
            let found = self.recipients[who];
            let is_anybodys = found.seen() == (attempt, Status::Sending)
                && !setting.rules.hold(Rule::GiveBackOwnClaims);
            let is_own = found.is_claimed_by(who, slot, attempt) || is_anybodys;
            let gives_back = is_own && setting.rules.hold(Rule::GiveBackUnanswered);
            return Some(if gives_back { At::GiveBack { who, attempt } } else { At::End });
        }
        match run.stop {
            Some(Stop::OutOfTime) => self.hand_back(slot, run),
            stop => self.close(slot, run, stop.is_some(), setting),
        }
        None
    }

    fn hand_back(&mut self, slot: usize, run: Run) {
        let Some(batch) = self.batches[run.batch] else { return };
        let mut rest = batch.break_lease(slot).unwrap_or(batch);
        rest.is_queued |= rest.is_open;
        self.batches[run.batch] = Some(rest);
    }

    fn close(&mut self, slot: usize, run: Run, is_early: bool, setting: &Setting) {
        self.settle_earlier_runs(run, setting);
        let Some(batch) = self.batches[run.batch] else { return };
        let Some(closed) = batch.close(slot, setting.rules) else { return };
        self.batches[run.batch] = Some(closed);
        if !is_early {
            return;
        }
        self.campaign_changed();
        if let Members::Range(after, _) = closed.members {
            self.campaign.walk.rewind_to(after);
        }
    }
}

enum Obstacle {
    Skip(Why),
    /// The contact was merged meanwhile.
    Changed,
}

impl Run {
    /// The run is done with a recipient.
    fn leave(&mut self, who: Index) -> At {
        self.due[who] = None;
        At::Next
    }
}

impl Setting {
    /// A decision, with the waits of this world.
    pub fn timed(&self, decided: Decided) -> Decided {
        match decided {
            Decided::Retry { counts, is_deferred } => {
                Decided::Retry { counts, is_deferred: is_deferred && self.retries_wait }
            }
            other => other,
        }
    }
}
