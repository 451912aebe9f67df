//! How much memory the runs of each function hold, where the process counts its allocations.
//!
//! What a run allocates while it is polled is its own, except in calls to what is not the
//! function: the engine and the simulated WhatsApp. The peak is that of the ends of polls.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use stats_alloc::INSTRUMENTED_SYSTEM;

/// The memory of one function, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct FunctionMemory {
    /// The most that one run held.
    pub largest_run: i64,
    /// What all runs together have left behind, such as caches.
    pub kept: i64,
}

/// The memory of each function.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<BTreeMap<&'static str, FunctionMemory>>);

thread_local! {
    /// What others than the run that is polled have allocated meanwhile.
    static OTHERS: Cell<i64> = const { Cell::new(0) };
}

impl Memory {
    pub(super) fn of_functions(&self) -> BTreeMap<&'static str, FunctionMemory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, function: &'static str, held: i64, change: i64) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let memory = all.entry(function).or_default();
        memory.largest_run = memory.largest_run.max(held);
        memory.kept += change;
    }
}

/// The same run, whose memory is counted.
pub(super) fn counted(
    memory: Arc<Memory>,
    function: &'static str,
    run: impl Future<Output = ()> + Send + 'static,
) -> impl Future<Output = ()> + Send + 'static {
    let mut run = Some(Box::pin(run));
    let mut held = 0;
    poll_fn(move |context| {
        let before = heap() - OTHERS.get();
        let poll = run.as_mut().map_or(Poll::Ready(()), |run| run.as_mut().poll(context));
        if poll.is_ready() {
            run = None;
        }
        let change = heap() - OTHERS.get() - before;
        held += change;
        memory.note(function, held, change);
        poll
    })
}

/// A call whose allocations are not those of the run.
pub(super) fn of_others<T>(call: impl FnOnce() -> T) -> T {
    let before = heap();
    let result = call();
    OTHERS.set(OTHERS.get() + heap() - before);
    result
}

/// The run takes over what others have allocated.
pub(super) fn take_over(bytes: usize) {
    OTHERS.set(OTHERS.get() - bytes as i64);
}

/// What is allocated in this process; 0 where nobody counts.
fn heap() -> i64 {
    let stats = INSTRUMENTED_SYSTEM.stats();
    stats.bytes_allocated as i64 - stats.bytes_deallocated as i64
}
