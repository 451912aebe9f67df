//! The conditional writes of the product's stores, as the model makes them. A test compares each
//! with the product's own on a real table.

use carillon_nouns::campaign::{Action, Status as CampaignStatus};
use carillon_nouns::recipient::{Event, Status};

use crate::rule::{Rule, Rules};
use crate::state::{Batch, Campaign, Contact, Decided, Lease, Recipient, Seen, Upload, Walk};

/// Where a write finds its condition true, what it writes; `None` elsewhere.
type Written<T> = Option<T>;

impl Recipient {
    /// A recipient that waits for its first attempt.
    pub const PENDING: Self = Self {
        attempt: 1,
        status: Status::Pending,
        uncounted: 0,
        is_listed: false,
        is_deferred: false,
        run: None,
        batch: None,
        is_orphan: false,
        waived: 0,
    };

    /// `recipient::store::claim_update`.
    pub fn claim(self, attempt: u8, (run, batch): (usize, usize), rules: Rules) -> Written<Self> {
        let holds =
            !rules.hold(Rule::ClaimNeedsPending) || self.seen() == (attempt, Status::Pending);
        let claimed = Self {
            status: Status::Sending,
            run: Some(run),
            batch: Some(batch),
            is_listed: false,
            is_deferred: false,
            is_orphan: false,
            ..self
        };
        holds.then_some(claimed)
    }

    /// `recipient::store::settle_accepted`.
    pub fn settle_accepted(self, attempt: u8, rules: Rules) -> Written<Self> {
        let is_unsettled = self.has_rank(Status::Sending, Status::Unconfirmed);
        let holds = is_unsettled || !rules.hold(Rule::AcceptedBelowReports);
        let is_own = self.attempt == attempt || !rules.hold(Rule::SettleOwnAttempt);
        (is_own && holds).then_some(Self { status: Status::Sent, ..self })
    }

    /// `recipient::store::settle`.
    pub fn settle(self, attempt: u8, decided: Decided, rules: Rules) -> Written<Self> {
        let is_own = self.attempt == attempt || !rules.hold(Rule::SettleOwnAttempt);
        let last = if rules.hold(Rule::SettleBeforeArrival) { Status::Sent } else { Status::Read };
        let is_lost_before = decided == Decided::Unconfirmed && self.status != Status::Sending;
        if !is_own || !self.has_rank(Status::Sending, last) || is_lost_before {
            return None;
        }
        Some(match decided {
            Decided::Retry { counts, is_deferred } => Self {
                attempt: attempt + 1,
                status: Status::Pending,
                uncounted: self.uncounted + u8::from(!counts),
                is_listed: true,
                is_deferred,
                ..self
            },
            Decided::Fail => Self { status: Status::Failed, ..self },
            Decided::Skip => Self { status: Status::Skipped, ..self },
            Decided::Unconfirmed => Self { status: Status::Unconfirmed, ..self },
        })
    }

    /// `recipient::store::settle_lost`.
    pub fn settle_lost(self, attempt: u8, rules: Rules) -> Written<Self> {
        let retry = Decided::Retry { counts: true, is_deferred: false };
        let safe = rules.hold(Rule::LostClaimIsUnconfirmed);
        self.settle(attempt, if safe { Decided::Unconfirmed } else { retry }, rules)
    }

    /// `recipient::store::give_back`, of a claim that `run` has won: the product compares the
    /// time of the claim.
    pub fn give_back(self, attempt: u8, run: usize, rules: Rules) -> Written<Self> {
        let is_own = self.run == Some(run) || !rules.hold(Rule::GiveBackOwnClaims);
        let is_unsettled = self.has_rank(Status::Sending, Status::Unconfirmed);
        let next = attempt + u8::from(rules.hold(Rule::GiveBackIsNewAttempt));
        let given_back = Self {
            attempt: next,
            status: Status::Pending,
            uncounted: self.uncounted + 1,
            is_listed: true,
            is_deferred: false,
            ..self
        };
        (self.attempt == attempt && is_unsettled && is_own).then_some(given_back)
    }

    /// `recipient::store::skip_update`.
    pub fn skip(self, attempt: u8, rules: Rules) -> Written<Self> {
        let holds =
            self.seen() == (attempt, Status::Pending) || !rules.hold(Rule::SkipNeedsPending);
        holds.then_some(Self { status: Status::Skipped, ..self })
    }

    /// `recipient::store::cancel`.
    pub fn cancel(self, attempt: u8, rules: Rules) -> Written<Self> {
        let holds =
            self.seen() == (attempt, Status::Pending) || !rules.hold(Rule::CancelNeedsPending);
        holds.then_some(Self { status: Status::Cancelled, ..self })
    }

    /// `recipient::store::go_before_walk`.
    pub fn go_before_walk(self, attempt: u8) -> Written<Self> {
        let holds = self.seen() == (attempt, Status::Pending);
        holds.then_some(Self { is_listed: true, ..self })
    }

    /// `recipient::store::retry_update`.
    pub fn retry(self, attempt: u8, rules: Rules) -> Written<Self> {
        let is_free = !rules.hold(Rule::RetryNeedsUnconfirmed);
        let holds = self.seen() == (attempt, Status::Unconfirmed) || is_free;
        let pending = Self {
            attempt: attempt + 1,
            status: Status::Pending,
            is_listed: true,
            is_deferred: false,
            waived: attempt,
            ..self
        };
        holds.then_some(pending)
    }

    /// The write of `recipient::store::record` for the usual case.
    pub fn advance(self, event: Event, rules: Rules) -> Written<Self> {
        let is_own = self.is_at(event.attempt) || !rules.hold(Rule::ReportOfOwnAttempt);
        let reported = event.status.status();
        let is_lower = self.status.rank() < reported.rank() || !rules.hold(Rule::StatusAdvances);
        let was_sent = self.status.rank() >= Status::Sending.rank();
        (is_own && was_sent && is_lower).then_some(Self { status: reported, ..self })
    }

    /// The write of `recipient::store::record` that takes up an older attempt.
    pub fn restore(self, seen: Seen, event: Event) -> Written<Self> {
        let status = event.status.status();
        let restored = Self { attempt: event.attempt as u8, status, ..self };
        (self.seen() == seen).then_some(restored)
    }

    fn is_at(&self, attempt: u32) -> bool {
        u32::from(self.attempt) == attempt
    }

    fn has_rank(&self, first: Status, last: Status) -> bool {
        (first.rank()..=last.rank()).contains(&self.status.rank())
    }
}

impl Contact {
    /// `contact::store::claim_update`: the contact's part of the claim of a first attempt, or of
    /// a retry.
    pub fn claim(self, is_first: bool, rules: Rules) -> Written<Self> {
        let is_suppressed = self.has_opted_out && rules.hold(Rule::ClaimNeedsConsent);
        let is_second = is_first && self.was_sent && rules.hold(Rule::FirstClaimOncePerPerson);
        let claimed = Self { was_sent: self.was_sent || is_first, ..self };
        (!is_suppressed && !is_second).then_some(claimed)
    }

    /// `contact::merge::merge`: what the survivor gets.
    #[must_use]
    pub fn merged_with(self, loser: Self, rules: Rules) -> Self {
        let unites_opt_outs = rules.hold(Rule::MergeUnitesOptOuts);
        let unites_campaigns = rules.hold(Rule::MergeUnitesCampaigns);
        Self {
            has_opted_out: self.has_opted_out || (loser.has_opted_out && unites_opt_outs),
            was_sent: self.was_sent || (loser.was_sent && unites_campaigns),
        }
    }
}

impl Batch {
    /// `batch::store::lease`, for a run of that slot.
    pub fn lease(self, run: usize, rules: Rules) -> Written<Self> {
        let is_free = !matches!(self.lease, Lease::Held(_)) || !rules.hold(Rule::OneLease);
        let leased = Self {
            lease: Lease::Held(run),
            is_queued: false,
            runs: (self.runs + 1).min(2),
            ..self
        };
        (self.is_open && is_free).then_some(leased)
    }

    /// `batch::store::break_lease`, by a run.
    pub fn break_lease(self, run: usize) -> Written<Self> {
        (self.is_open && self.is_leased_to(run)).then_some(Self { lease: Lease::Free, ..self })
    }

    /// The batch's part of the close: `batch::store::leased_update`.
    pub fn close(self, run: usize, rules: Rules) -> Written<Self> {
        let is_own = self.is_leased_to(run) || !rules.hold(Rule::CloseNeedsLease);
        (self.is_open && is_own).then_some(Self { is_open: false, lease: Lease::Free, ..self })
    }

    fn is_leased_to(&self, run: usize) -> bool {
        matches!(self.lease, Lease::Held(other) | Lease::Expired(Some(other)) if other == run)
    }
}

impl Campaign {
    /// The count of `campaign::store::requeue`.
    pub fn count_requeue(&mut self, rules: Rules) {
        if rules.hold(Rule::RequeueIsCounted) {
            self.requeues += 1;
        }
    }

    /// `campaign::store::complete`, of a campaign that has not changed since it was read.
    pub fn complete(self, rules: Rules) -> Written<Self> {
        let counted = self.walk.requeues == self.requeues;
        let holds = counted || !rules.hold(Rule::CompletionChecksRequeues);
        self.after(Action::Complete).filter(|_| holds)
    }

    /// `campaign::store::try_status`.
    pub fn after(self, action: Action) -> Written<Self> {
        let status = self.status.after(action).ok()?;
        let has_sweep = self.has_sweep || status == CampaignStatus::Cancelled;
        let walk = if action == Action::Reopen { Walk::default() } else { self.walk };
        Some(Self { status, walk, has_sweep, ..self })
    }

    /// `campaign::store::announce_upload`: passes that began before do not count.
    pub fn announce(self) -> Written<Self> {
        let announced = Self { upload: Upload::Announced, ..self };
        (!self.status.is_final()).then(|| announced.with_older_walk())
    }

    fn with_older_walk(mut self) -> Self {
        self.walk.grow_older();
        self
    }
}
