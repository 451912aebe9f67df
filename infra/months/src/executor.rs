//! Polls all function runs on one thread. The clock only advances when every run
//! is waiting for it, to the earliest wake-up time.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use carillon::time::{Clock, Timestamp};
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, Stream};

use crate::fault_plan::FaultPlan;

/// So many wake-ups without progress of the clock mean that a sleeping run is no
/// longer polled.
const MAX_WAKES_AT_ONE_TIME: u32 = 10_000;

pub(crate) struct Executor {
    clock: Clock,
    runs: FuturesUnordered<BoxFuture<'static, RunEnd>>,
    wake_flag: Arc<WakeFlag>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RunEnd {
    Completed,
    Crashed,
}

#[derive(Debug, Default)]
struct WakeFlag(AtomicBool);

impl Wake for WakeFlag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Executor {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, runs: FuturesUnordered::new(), wake_flag: Arc::default() }
    }

    /// Starts a run. It crashes when its fault plan says so, or after `timeout`.
    pub(crate) fn spawn(
        &mut self,
        fault_plan: Arc<FaultPlan>,
        timeout: Duration,
        run: impl Future<Output = ()> + Send + 'static,
    ) {
        let (clock, plan) = (self.clock.clone(), fault_plan.clone());
        let until_end = async move {
            tokio::select! {
                biased;
                () = plan.crashed() => RunEnd::Crashed,
                () = clock.sleep(timeout) => RunEnd::Crashed,
                () = run => RunEnd::Completed,
            }
        };
        self.runs.push(fault_plan.scope(until_end).boxed());
    }

    /// Whether no run is in progress.
    pub(crate) fn is_idle(&self) -> bool {
        self.runs.is_empty()
    }

    /// Drops all runs in progress.
    pub(crate) fn abort_all(&mut self) {
        self.runs.clear();
    }

    /// Advances the clock by `duration`, running everything that becomes due.
    /// Returns whether a run crashed.
    pub(crate) fn run_for(&mut self, duration: Duration) -> bool {
        let until = self.clock.now() + duration;
        let mut crashed = self.poll_until_waiting();
        let mut wakes_at_one_time = 0;
        while let Some(next) = self.clock.next_wake().filter(|next| *next <= until) {
            wakes_at_one_time = if next <= self.clock.now() { wakes_at_one_time + 1 } else { 0 };
            assert!(
                wakes_at_one_time < MAX_WAKES_AT_ONE_TIME,
                "a sleeping run is no longer polled"
            );
            self.advance_to(next);
            crashed |= self.poll_until_waiting();
        }
        self.advance_to(until);
        self.poll_until_waiting() || crashed
    }

    /// Polls until every run waits for the clock. Returns whether a run crashed.
    fn poll_until_waiting(&mut self) -> bool {
        let waker = Waker::from(self.wake_flag.clone());
        let mut context = Context::from_waker(&waker);
        let mut crashed = false;
        loop {
            self.wake_flag.0.store(false, Ordering::Relaxed);
            match Pin::new(&mut self.runs).poll_next(&mut context) {
                Poll::Ready(Some(end)) => crashed |= end == RunEnd::Crashed,
                Poll::Pending if self.wake_flag.0.load(Ordering::Relaxed) => {}
                Poll::Ready(None) | Poll::Pending => return crashed,
            }
        }
    }

    fn advance_to(&self, at: Timestamp) {
        if let Ok(by) = Duration::try_from(at.duration_since(self.clock.now())) {
            self.clock.advance(by);
        }
    }
}
