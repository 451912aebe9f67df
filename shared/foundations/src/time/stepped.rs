use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use jiff::Timestamp;

/// A clock that stands still until it is moved, and wakes its sleepers.
#[derive(Clone, Debug)]
pub(super) struct Stepped(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    now: Timestamp,
    /// The sleepers in the order in which they wake up: by time, then by number.
    sleepers: BTreeMap<(Timestamp, u64), Option<Waker>>,
    /// The number of the next sleeper.
    count: u64,
}

impl Stepped {
    pub(super) fn new(start: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(State { now: start, sleepers: BTreeMap::new(), count: 0 })))
    }

    pub(super) fn now(&self) -> Timestamp {
        self.state().now
    }

    pub(super) fn advance(&self, by: Duration) {
        let due: Vec<Waker> = {
            let mut state = self.state();
            state.now = state.now.checked_add(by).unwrap_or(Timestamp::MAX);
            let now = state.now;
            let due = state.sleepers.iter_mut().take_while(|((at, _), _)| *at <= now);
            due.filter_map(|(_, waker)| waker.take()).collect()
        };
        due.into_iter().for_each(Waker::wake);
    }

    pub(super) fn next_wake(&self) -> Option<Timestamp> {
        self.state().sleepers.keys().next().map(|(at, _)| *at)
    }

    pub(super) fn sleep(&self, duration: Duration) -> Sleep {
        let mut state = self.state();
        let at = state.now.checked_add(duration).unwrap_or(Timestamp::MAX);
        let key = (at, state.count);
        state.count += 1;
        state.sleepers.insert(key, None);
        Sleep { clock: self.clone(), key }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A sleeper. It is removed when it is dropped.
#[derive(Debug)]
pub(super) struct Sleep {
    clock: Stepped,
    key: (Timestamp, u64),
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.clock.state();
        if state.now >= self.key.0 {
            return Poll::Ready(());
        }
        state.sleepers.insert(self.key, Some(context.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.clock.state().sleepers.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn it_stands_still_and_wakes_in_order() {
        let clock = Stepped::new(Timestamp::UNIX_EPOCH);
        let mut late = clock.sleep(Duration::from_mins(2));
        let mut early = clock.sleep(Duration::from_mins(1));
        assert_eq!(clock.next_wake(), Timestamp::from_second(60).ok());
        assert!((&mut early).now_or_never().is_none());
        clock.advance(Duration::from_mins(1));
        assert!((&mut early).now_or_never().is_some());
        assert!((&mut late).now_or_never().is_none());
        drop(early);
        assert_eq!(clock.next_wake(), Timestamp::from_second(120).ok());
        drop(late);
        assert_eq!(clock.next_wake(), None);
    }
}
