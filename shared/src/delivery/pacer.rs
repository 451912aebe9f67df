use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::campaign::Lane;
use crate::ids::ConnectionId;

/// How far behind its beat a pacer may catch up. The timer is no finer than a
/// millisecond; without this a fast lane would lose time at every message.
const SLACK: SignedDuration = SignedDuration::from_millis(20);

/// Hands out turns at a steady rate: it never bursts, and a pause is not made up
/// for later. There are two gates: one before a claim, so that few are claimed
/// ahead, and one before the send, so that claims that took long are not sent in
/// a burst. Usually the second costs no wait.
#[derive(Debug)]
pub struct Pacer {
    beat: SignedDuration,
    claims: Mutex<Timestamp>,
    sends: Mutex<Timestamp>,
}

impl Pacer {
    /// A pacer of `rate` turns a second.
    pub fn new(rate: f64, now: Timestamp) -> Self {
        let beat = SignedDuration::from_secs_f64(1.0 / rate.max(0.001));
        Self { beat, claims: Mutex::new(now), sends: Mutex::new(now) }
    }

    /// How long to wait before the next claim. The turn is taken.
    pub fn claim_turn(&self, now: Timestamp) -> Duration {
        self.reserve(&self.claims, now)
    }

    /// How long to wait before the next send. The turn is taken.
    pub fn send_turn(&self, now: Timestamp) -> Duration {
        self.reserve(&self.sends, now)
    }

    fn reserve(&self, gate: &Mutex<Timestamp>, now: Timestamp) -> Duration {
        let mut next = gate.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = (*next).max(now - SLACK);
        *next = slot + self.beat;
        Duration::try_from(slot.duration_since(now)).unwrap_or(Duration::ZERO)
    }

    /// Gives no turn for a claim before `now` and `pause` have passed.
    pub fn hold(&self, pause: Duration, now: Timestamp) {
        let until = now + pause;
        let mut next = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        *next = (*next).max(until);
    }
}

/// The pacers of this process, one a lane.
#[derive(Debug, Default)]
pub struct Pacers(Mutex<HashMap<(ConnectionId, Lane, u32), Arc<Pacer>>>);

impl Pacers {
    /// The pacer of a lane on a number of `throughput` messages a second.
    pub fn of(
        &self,
        connection: ConnectionId,
        lane: Lane,
        throughput: u32,
        now: Timestamp,
    ) -> Arc<Pacer> {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || Arc::new(Pacer::new(lane.rate(throughput), now));
        lanes.entry((connection, lane, throughput)).or_insert_with(make).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_second_holds_more_turns_than_the_rate_and_the_slack_allow() {
        let start = Timestamp::UNIX_EPOCH;
        let pacer = Pacer::new(80.0, start);
        // Someone who asks all the time, in steps of a millisecond.
        let mut turns = Vec::new();
        let mut now = start;
        while turns.len() < 500 {
            let turn = now + pacer.send_turn(now);
            turns.push(turn);
            now = turn.max(now + SignedDuration::from_millis(1));
        }
        for first in &turns {
            let end = *first + SignedDuration::from_secs(1);
            let within = turns.iter().filter(|turn| *first <= **turn && **turn < end).count();
            assert!(within <= 82, "{within} turns in a second");
        }
    }

    #[test]
    fn many_who_were_held_up_together_do_not_go_out_together() {
        let start = Timestamp::UNIX_EPOCH;
        let pacer = Pacer::new(66.0, start);
        let late = start + SignedDuration::from_secs(10);
        let waits: Vec<Duration> = (0..64).map(|_| pacer.send_turn(late)).collect();
        assert!(waits[63] > Duration::from_millis(900), "{:?}", waits[63]);
    }

    #[test]
    fn a_held_pacer_waits() {
        let start = Timestamp::UNIX_EPOCH;
        let pacer = Pacer::new(80.0, start);
        pacer.hold(Duration::from_mins(1), start);
        assert!(pacer.claim_turn(start) >= Duration::from_mins(1));
        assert!(pacer.send_turn(start) < Duration::from_secs(1));
    }
}
