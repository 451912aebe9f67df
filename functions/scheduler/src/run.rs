use std::time::Duration;

use carillon::time::{Clock, Timestamp};

use crate::failures::Failures;

/// The share of its time that a run keeps in reserve: what it began then is done before its
/// deadline.
const RESERVE: u32 = 6;
/// The share of its time in which a run plans no more, so that what takes turns has some.
const TURNS: u32 = 2;

/// One run of the scheduler.
#[derive(Debug)]
pub(crate) struct Run {
    /// When it began: what is due then is done.
    pub(crate) now: Timestamp,
    /// When it plans no more.
    plan_until: Timestamp,
    /// When it begins nothing more.
    until: Timestamp,
    clock: Clock,
    /// What failed so far.
    pub(crate) failures: Failures,
}

impl Run {
    pub(crate) fn new(now: Timestamp, deadline: Timestamp, clock: &Clock) -> Self {
        let time = Duration::try_from(deadline.duration_since(now)).unwrap_or_default();
        let (plan_until, until) = (deadline - time / TURNS, deadline - time / RESERVE);
        Self { now, plan_until, until, clock: clock.clone(), failures: Failures::default() }
    }

    /// Whether it may plan another campaign.
    pub(crate) fn has_time_to_plan(&self) -> bool {
        self.clock.now() < self.plan_until
    }

    /// Whether it may begin something.
    pub(crate) fn has_time(&self) -> bool {
        self.clock.now() < self.until
    }
}
