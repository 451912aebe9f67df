//! The scheduler: the steps of one run. It reads the table and makes batches, moves the walk and
//! completes the campaign. It may stop between any two steps.

use carillon_nouns::campaign::Status as CampaignStatus;
use carillon_nouns::recipient::Status;

use crate::rule::Rule;
use crate::setting::Setting;
use crate::state::{
    Age, Batch, Index, Lease, Members, Part, RECIPIENTS, Scheduler, Segment, State, Upload,
    Violation,
};

impl State {
    /// Begins a run that may make no batch, because a limit is used up.
    pub fn begin_scheduler_at_limit(&mut self, setting: &Setting) -> bool {
        let begins = self.begin_scheduler(setting);
        if let (true, Some(scheduler)) = (begins, &mut self.scheduler) {
            scheduler.at = Part::Finish;
            scheduler.before = [false; RECIPIENTS];
        }
        begins
    }

    /// Begins a run: requeues batches, and reads what there is to plan. `false` where nothing is.
    pub fn begin_scheduler(&mut self, setting: &Setting) -> bool {
        self.requeue_batches(setting);
        if self.scheduler.is_some() || self.campaign.status != CampaignStatus::Active {
            return false;
        }
        let in_batches = self.in_batches();
        let before = std::array::from_fn(|who| {
            let recipient = self.recipients[who];
            recipient.is_listed && !recipient.is_deferred && !in_batches[who]
        });
        self.scheduler = Some(Scheduler {
            at: Part::Before,
            now: if self.campaign.upload == Upload::Announced { Age::Before } else { Age::After },
            is_stale: false,
            requeues: self.campaign.requeues,
            before,
            is_sending: self.open_batches().count() > 0,
        });
        true
    }

    /// Enqueues open batches again whose message may be lost.
    pub fn requeue_batches(&mut self, setting: &Setting) {
        if !setting.rules.hold(Rule::BatchIsRequeued) {
            return;
        }
        for batch in self.batches.iter_mut().flatten() {
            batch.is_queued |= batch.is_open && !matches!(batch.lease, Lease::Held(_));
        }
    }

    /// Whether a run of the scheduler has work that [`State::begin_scheduler`] begins.
    pub fn has_lost_messages(&self) -> bool {
        let is_lost = |batch: &Batch| !batch.is_queued && !matches!(batch.lease, Lease::Held(_));
        self.open_batches().any(is_lost)
    }

    fn open_batches(&self) -> impl Iterator<Item = &Batch> {
        self.batches.iter().flatten().filter(|batch| batch.is_open)
    }

    /// Those who are in an open batch that goes before the walk.
    fn in_batches(&self) -> [bool; RECIPIENTS] {
        let before = || self.open_batches().filter(|batch| !batch.members.are_range());
        std::array::from_fn(|who| before().any(|batch| batch.members.contain(who)))
    }

    /// The next step of the scheduler.
    pub fn step_scheduler(&mut self, setting: &Setting) {
        let Some(scheduler) = self.scheduler else { return };
        let next = match scheduler.at {
            Part::Before => self.plan_before(setting),
            Part::Walk => self.read_on(setting),
            Part::Pass(segment) => Some(self.pass(&segment, setting)),
            Part::Finish => self.finish(setting),
            Part::Look(segment) => self.look(&segment, setting),
            Part::Complete => self.complete(setting),
        };
        self.scheduler = match (self.scheduler, next) {
            (Some(scheduler), Some(at)) => Some(Scheduler { at, ..scheduler }),
            _ => None,
        };
    }

    /// Makes a batch of those who go before the walk, as they are now.
    fn plan_before(&mut self, setting: &Setting) -> Option<Part> {
        let mut scheduler = self.scheduler?;
        let mut members = [false; RECIPIENTS];
        let before = scheduler.before;
        for who in (0..RECIPIENTS).filter(|who| before[*who]).take(setting.batch_size) {
            scheduler.before[who] = false;
            members[who] = self.recipients[who].is_due(who);
        }
        if members.contains(&true) {
            if scheduler.is_stale || !self.make_batch(Members::Before(members)) {
                self.scheduler = Some(scheduler);
                return Some(Part::Finish);
            }
            if setting.rules.hold(Rule::BeforeExhaustsNothing) {
                self.campaign.walk.go_before();
            }
            scheduler.is_sending = true;
        }
        self.scheduler = Some(scheduler);
        if scheduler.before.contains(&true) { Some(Part::Before) } else { Some(Part::Walk) }
    }

    /// Stores a batch and its message; `false` where no lane has room.
    fn make_batch(&mut self, members: Members) -> bool {
        let Some(free) = self.batches.iter_mut().find(|batch| batch.is_none()) else {
            return false;
        };
        *free =
            Some(Batch { members, lease: Lease::Free, is_queued: true, is_open: true, runs: 0 });
        true
    }

    /// Reads the next recipients of the walk, unless it may not go on.
    fn read_on(&mut self, setting: &Setting) -> Option<Part> {
        let scheduler = self.scheduler?;
        let has_room = self.batches.contains(&None);
        let is_deferred = self.campaign.is_deferred(scheduler.requeues, scheduler.now);
        if !has_room || is_deferred || self.is_held_by_ranges() {
            return Some(Part::Finish);
        }
        Some(Part::Pass(self.segment(setting.batch_size, setting)))
    }

    /// Whether the walk would start over while a range is open.
    fn is_held_by_ranges(&self) -> bool {
        let has_ranges = self.open_batches().any(|batch| batch.members.are_range());
        has_ranges && self.campaign.walk.starts_over()
    }

    /// The next recipients of the walk, with at most so many due ones.
    fn segment(&self, size: usize, setting: &Setting) -> Segment {
        let mut walk = self.campaign.walk;
        let starts_over = walk.starts_over();
        walk.begin(0, Age::After);
        let in_batches = self.in_batches();
        let counts = setting.rules.hold(Rule::BeforeExhaustsNothing);
        let is_beside = counts && starts_over && in_batches.contains(&true);
        let mut segment = Segment { passed: walk.passed, is_beside, ..Segment::default() };
        let mut due = 0;
        let first = walk.passed.map_or(0, |passed| passed + 1);
        for (who, recipient) in self.recipients.iter().enumerate().skip(first) {
            if in_batches[who] {
                segment.has_planned = counts;
            } else if recipient.is_due(who) {
                if due == size {
                    segment.next_is_due = true;
                    return segment;
                }
                due += 1;
                let start = segment.range.map_or(segment.passed, |(start, _)| start);
                segment.range = Some((start, who));
            } else if recipient.status == Status::Pending {
                segment.has_deferred = true;
            }
            segment.passed = Some(who);
        }
        segment.is_end = true;
        segment
    }

    /// Moves the walk over a segment, unless the campaign has changed.
    fn move_walk(&mut self, segment: &Segment, setting: &Setting) -> bool {
        let Some(scheduler) = self.scheduler.filter(|scheduler| !scheduler.is_stale) else {
            return false;
        };
        if self.campaign.walk.starts_over() {
            let read_before = setting.rules.hold(Rule::RequeuesReadBefore);
            let requeues = if read_before { scheduler.requeues } else { self.campaign.requeues };
            self.campaign.walk.begin(requeues, scheduler.now);
            self.campaign.walk.went_before |= segment.is_beside;
        }
        let exhausts = !setting.rules.hold(Rule::BatchExhaustsNothing);
        let made_batch = segment.range.is_some() && !exhausts;
        self.campaign.walk.pass(segment, made_batch);
        true
    }

    fn pass(&mut self, segment: &Segment, setting: &Setting) -> Part {
        if !self.move_walk(segment, setting) {
            return Part::Finish;
        }
        if let Some((after, until)) = segment.range {
            self.make_batch(Members::Range(after, until));
            if let Some(scheduler) = &mut self.scheduler {
                scheduler.is_sending = true;
            }
        }
        if segment.is_end { Part::Finish } else { Part::Walk }
    }

    /// Where no batch is open, reads on to the end of the list.
    fn finish(&mut self, setting: &Setting) -> Option<Part> {
        let mut scheduler = self.scheduler?;
        if scheduler.is_sending || self.campaign.status != CampaignStatus::Active {
            return None;
        }
        scheduler.requeues = self.campaign.requeues;
        scheduler.is_stale = false;
        self.scheduler = Some(scheduler);
        if self.campaign.is_exhausted(scheduler.requeues, scheduler.now) {
            return Some(Part::Complete);
        }
        let is_deferred = self.campaign.is_deferred(scheduler.requeues, scheduler.now);
        if self.campaign.walk.next_is_due || is_deferred || self.is_held_by_ranges() {
            return None;
        }
        Some(Part::Look(self.segment(0, setting)))
    }

    fn look(&mut self, segment: &Segment, setting: &Setting) -> Option<Part> {
        if !self.move_walk(segment, setting) {
            return None;
        }
        self.campaign.walk.next_is_due = segment.next_is_due;
        let scheduler = self.scheduler?;
        let is_exhausted = self.campaign.is_exhausted(scheduler.requeues, scheduler.now);
        is_exhausted.then_some(Part::Complete)
    }

    /// Completes the campaign if nobody is left.
    fn complete(&mut self, setting: &Setting) -> Option<Part> {
        let scheduler = self.scheduler?;
        let is_stale = scheduler.is_stale && setting.rules.hold(Rule::CompletionChecksVersion);
        if !is_stale && let Some(completed) = self.campaign.complete(setting.rules) {
            self.campaign = completed;
            if (0..RECIPIENTS).any(|who| self.is_waiting(who) && !self.is_owed(who)) {
                self.violate(Violation::CompletedTooSoon);
            }
        }
        None
    }

    fn is_waiting(&self, who: Index) -> bool {
        self.recipients[who].status == Status::Pending
    }
}
