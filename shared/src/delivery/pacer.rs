use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::campaign::Lane;
use crate::ids::ConnectionId;
use crate::time::Clock;

/// How far behind its beat a pacer may catch up. The timer is no finer than a
/// millisecond; without this a fast lane would lose time at every message.
const SLACK: SignedDuration = SignedDuration::from_millis(20);

/// Hands out turns at a steady rate: it never bursts, and a pause is not made up
/// for later.
#[derive(Debug)]
pub struct Pacer {
    clock: Clock,
    beat: SignedDuration,
    next: Mutex<Timestamp>,
}

impl Pacer {
    /// A pacer of `rate` turns a second.
    pub fn new(clock: Clock, rate: f64) -> Self {
        let beat = SignedDuration::from_secs_f64(1.0 / rate.max(0.001));
        let next = Mutex::new(clock.now());
        Self { clock, beat, next }
    }

    /// Waits for the next turn.
    pub async fn turn(&self) {
        let now = self.clock.now();
        let wait = self.reserve(now).duration_since(now);
        if let Ok(wait) = Duration::try_from(wait)
            && !wait.is_zero()
        {
            self.clock.sleep(wait).await;
        }
    }

    fn reserve(&self, now: Timestamp) -> Timestamp {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = (*next).max(now - SLACK);
        *next = slot + self.beat;
        slot
    }

    /// Gives no turn for `pause`.
    pub fn hold(&self, pause: Duration) {
        let until = self.clock.now() + pause;
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next = (*next).max(until);
    }
}

/// The pacers of this process, one a lane.
#[derive(Debug)]
pub struct Pacers {
    clock: Clock,
    lanes: Mutex<HashMap<(ConnectionId, Lane, u32), Arc<Pacer>>>,
}

impl Pacers {
    /// None yet.
    pub fn new(clock: Clock) -> Self {
        Self { clock, lanes: Mutex::default() }
    }

    /// The pacer of a lane on a number of `throughput` messages a second.
    pub fn of(&self, connection: ConnectionId, lane: Lane, throughput: u32) -> Arc<Pacer> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || Arc::new(Pacer::new(self.clock.clone(), lane.rate(throughput)));
        lanes.entry((connection, lane, throughput)).or_insert_with(make).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_second_holds_more_turns_than_the_rate_and_the_slack_allow() {
        let start = Timestamp::UNIX_EPOCH;
        let pacer = Pacer::new(Clock::movable(start, 1e-9), 80.0);
        // Someone who asks all the time, in steps of a millisecond.
        let mut turns = Vec::new();
        let mut now = start;
        while turns.len() < 500 {
            let slot = pacer.reserve(now).max(now);
            turns.push(slot);
            now = slot.max(now + SignedDuration::from_millis(1));
        }
        for first in &turns {
            let end = *first + SignedDuration::from_secs(1);
            let within = turns.iter().filter(|turn| *first <= **turn && **turn < end).count();
            assert!(within <= 82, "{within} turns in a second");
        }
    }

    #[test]
    fn a_held_pacer_waits() {
        let start = Timestamp::UNIX_EPOCH;
        let pacer = Pacer::new(Clock::movable(start, 1e-9), 80.0);
        pacer.hold(Duration::from_mins(1));
        assert!(pacer.reserve(start) >= start + SignedDuration::from_secs(60));
    }
}
