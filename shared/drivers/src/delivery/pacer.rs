use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use carillon_foundations::ids::ConnectionId;
use carillon_nouns::connection::{Lane, Slice, Throttling};
use jiff::{SignedDuration, Timestamp};

use super::lock;

/// How far a pacer that is late may catch up. The timer has a resolution of a millisecond;
/// without this a fast lane would lose time at each message.
const CATCH_UP: SignedDuration = SignedDuration::from_millis(20);
const SECOND: SignedDuration = SignedDuration::from_secs(1);
/// How often a process asks how other processes were throttled.
const ASKS_EVERY: SignedDuration = SignedDuration::from_secs(5);

/// Gives turns at a steady rate, without bursts: a pause is not made up for later. There
/// are two gates: one before the claim, so that few recipients are claimed ahead, and one
/// before the send, so that claims that took long are not sent in a burst.
#[derive(Debug)]
pub struct Pacer {
    interval: SignedDuration,
    throttle: Arc<Throttle>,
    claims: Mutex<Gate>,
    sends: Mutex<Gate>,
}

/// One sequence of turns.
#[derive(Debug)]
struct Gate {
    next: Timestamp,
    /// The turns of the last second.
    latest: VecDeque<Timestamp>,
    max_per_second: usize,
}

impl Gate {
    /// The next turn: not before `earliest`, and never more than the maximum in any second.
    fn take(&mut self, earliest: Timestamp, interval: SignedDuration) -> Timestamp {
        let mut turn = self.next.max(earliest);
        if self.latest.len() == self.max_per_second
            && let Some(oldest) = self.latest.pop_front()
        {
            turn = turn.max(oldest + SECOND.max(interval));
        }
        self.latest.push_back(turn);
        self.next = turn + interval;
        turn
    }
}

/// The throttling that all lanes of a connection share.
#[derive(Debug, Default)]
struct Throttle(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    throttling: Option<Throttling>,
    /// When the throttling that other processes recorded was read last.
    asked_at: Option<Timestamp>,
}

impl Pacer {
    /// A pacer of `rate` turns a second.
    fn new(rate: f64, throttle: Arc<Throttle>, now: Timestamp) -> Self {
        let rate = rate.max(0.001);
        let max_per_second = rate.floor().max(1.0) as usize;
        let gate = || Mutex::new(Gate { next: now, latest: VecDeque::new(), max_per_second });
        let interval = SignedDuration::from_secs_f64(1.0 / rate);
        Self { interval, throttle, claims: gate(), sends: gate() }
    }

    /// Takes the next turn for a claim and returns the wait until it.
    pub fn claim_turn(&self, now: Timestamp) -> Duration {
        let throttling = lock(&self.throttle.0).throttling;
        self.wait(&self.claims, throttling, now)
    }

    /// Takes the next turn for a send and returns the wait until it. A recipient that was
    /// claimed before the connection was throttled is not delayed for it.
    pub fn send_turn(&self, now: Timestamp) -> Duration {
        self.wait(&self.sends, None, now)
    }

    fn wait(&self, gate: &Mutex<Gate>, throttling: Option<Throttling>, now: Timestamp) -> Duration {
        let held_until = throttling.map_or(Timestamp::MIN, |throttling| throttling.until);
        let share = throttling.map_or(1.0, |throttling| throttling.share_at(now));
        let interval = SignedDuration::from_secs_f64(self.interval.as_secs_f64() / share);
        let turn = lock(gate).take(held_until.max(now - CATCH_UP), interval);
        Duration::try_from(turn.duration_since(now)).unwrap_or(Duration::ZERO)
    }

    /// Pauses the claims of every lane of the connection, and lowers their rate for a while
    /// after that.
    pub fn pause(&self, pause: Duration, now: Timestamp) -> Paused {
        let mut known = lock(&self.throttle.0);
        let held = known.throttling;
        let throttling = Throttling::again(held, pause, now);
        known.throttling = Some(throttling);
        match held.filter(|held| held.is_fresh(now)) {
            None => Paused::Anew(throttling),
            held if throttling.is_longer_than(held) => Paused::Longer(throttling),
            Some(_) => Paused::Already,
        }
    }

    /// Whether it is time to ask how other processes were throttled. Only one caller is told
    /// so, every few seconds.
    pub fn is_to_ask(&self, now: Timestamp) -> bool {
        let mut known = lock(&self.throttle.0);
        if known.asked_at.is_some_and(|at| now < at + ASKS_EVERY) {
            return false;
        }
        known.asked_at = Some(now);
        true
    }

    /// Adopts the throttling that another process recorded, where its pause is longer.
    pub fn adopt(&self, recorded: Option<Throttling>) {
        let mut known = lock(&self.throttle.0);
        let until = |throttling: Option<Throttling>| throttling.map(|one| one.until);
        if until(recorded) > until(known.throttling) {
            known.throttling = recorded;
        }
    }
}

/// What a pause changed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Paused {
    /// The connection was not paused.
    Anew(Throttling),
    /// Its pause is longer now.
    Longer(Throttling),
    /// It is paused as before.
    Already,
}

/// Whose turns a pacer gives, and at which rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pace {
    /// The connection.
    pub connection: ConnectionId,
    /// The lane.
    pub lane: Lane,
    /// The slice of the lane, and how many it has.
    pub slice: Slice,
    /// The throughput of the connection in messages a second.
    pub throughput: u32,
}

impl Pace {
    /// The rate in messages a second.
    pub fn rate(self) -> f64 {
        self.lane.slice_rate(self.throughput, self.slice.of)
    }
}

/// The pacers of this process, one for each slice of a lane.
#[derive(Debug, Default)]
pub struct Pacers {
    slices: Mutex<HashMap<Pace, Arc<Pacer>>>,
    throttles: Mutex<HashMap<ConnectionId, Arc<Throttle>>>,
}

impl Pacers {
    /// The pacer of a slice.
    pub fn of(&self, pace: Pace, now: Timestamp) -> Arc<Pacer> {
        let throttle = lock(&self.throttles).entry(pace.connection).or_default().clone();
        let make = || Arc::new(Pacer::new(pace.rate(), throttle, now));
        lock(&self.slices).entry(pace).or_insert_with(make).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_second_has_more_turns_than_the_rate() {
        let start = Timestamp::UNIX_EPOCH;
        let pacer = Pacer::new(80.0, Arc::default(), start);
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
            assert!(within <= 80, "{within} turns in a second");
        }
    }

    #[test]
    fn delayed_messages_are_not_sent_in_a_burst() {
        let start = Timestamp::UNIX_EPOCH;
        let pacer = Pacer::new(66.0, Arc::default(), start);
        let late = start + SignedDuration::from_secs(10);
        let waits: Vec<Duration> = (0..64).map(|_| pacer.send_turn(late)).collect();
        assert!(waits[63] > Duration::from_millis(900), "{:?}", waits[63]);
    }

    #[test]
    fn a_slow_lane_keeps_its_beat() {
        let start = Timestamp::UNIX_EPOCH;
        let pacer = Pacer::new(0.5, Arc::default(), start);
        let waits: Vec<Duration> = (0..3).map(|_| pacer.send_turn(start)).collect();
        assert_eq!(waits, [0, 2, 4].map(Duration::from_secs));
    }

    #[test]
    fn a_paused_pacer_waits() {
        let start = Timestamp::UNIX_EPOCH;
        let pacer = Pacer::new(80.0, Arc::default(), start);
        pacer.pause(Duration::from_mins(1), start);
        assert!(pacer.claim_turn(start) >= Duration::from_mins(1));
        assert!(pacer.send_turn(start) < Duration::from_secs(1));
    }

    /// How many claims a lane gets in the second after `from`.
    fn claims_in_a_second(pacer: &Pacer, from: Timestamp) -> usize {
        let end = from + SECOND;
        let mut now = from;
        let mut claims = 0;
        while now < end {
            now += pacer.claim_turn(now);
            claims += usize::from(now < end);
        }
        claims
    }

    #[test]
    fn a_throttled_connection_is_slow_in_all_lanes_and_recovers() {
        let start = Timestamp::UNIX_EPOCH;
        let after = |seconds| start + SignedDuration::from_secs(seconds);
        let connection = ConnectionId::from_uuid(
            carillon_foundations::ids::IdSource::seeded(1).uuid(Timestamp::UNIX_EPOCH),
        );
        let pacers = Pacers::default();
        let of_lane =
            |lane| pacers.of(Pace { connection, lane, slice: Slice::WHOLE, throughput: 80 }, start);
        let (fast, normal) = (of_lane(Lane::Fast), of_lane(Lane::Normal));
        // Three that were on their way together.
        assert!(matches!(fast.pause(Duration::from_secs(5), start), Paused::Anew(_)));
        for _ in 0..2 {
            assert_eq!(fast.pause(Duration::from_secs(5), start), Paused::Already);
        }
        assert!(normal.claim_turn(start) >= Duration::from_secs(5));
        let soon = claims_in_a_second(&fast, after(6));
        assert!((30..40).contains(&soon), "{soon} claims");
        let later = claims_in_a_second(&fast, after(60));
        assert!(later >= 65, "{later} claims");
    }

    #[test]
    fn a_connection_throttled_in_another_process_is_slow_in_this_one() {
        let start = Timestamp::UNIX_EPOCH;
        let here = Pacer::new(80.0, Arc::default(), start);
        let there = Pacer::new(80.0, Arc::default(), start);
        let Paused::Anew(recorded) = there.pause(Duration::from_secs(5), start) else {
            panic!("it was not paused")
        };
        assert!(here.is_to_ask(start) && !here.is_to_ask(start));
        here.adopt(Some(recorded));
        assert!(here.claim_turn(start) >= Duration::from_secs(5));
        let soon = claims_in_a_second(&here, start + SignedDuration::from_secs(6));
        assert!((36..44).contains(&soon), "{soon} claims");
        assert!(here.is_to_ask(start + ASKS_EVERY));
        // What is over already changes nothing.
        let now = start + SignedDuration::from_secs(60);
        here.pause(Duration::from_secs(5), now);
        here.adopt(Some(recorded));
        assert!(here.claim_turn(now) >= Duration::from_secs(5));
    }
}
