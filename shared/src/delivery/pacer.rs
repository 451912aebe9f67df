use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::campaign::Lane;
use crate::ids::ConnectionId;

/// How far behind its beat a pacer may catch up. The timer is no finer than a
/// millisecond; without this a fast lane would lose time at every message.
const SLACK: SignedDuration = SignedDuration::from_millis(20);
const SECOND: SignedDuration = SignedDuration::from_secs(1);
/// The least part of its pace that a throttled number keeps.
const SLOWEST: f64 = 1.0 / 16.0;
/// How much of its full pace a number wins back in a second.
const RECOVERY: f64 = 0.01;

/// Hands out turns at a steady rate: it never bursts, and a pause is not made up
/// for later. There are two gates: one before a claim, so that few are claimed
/// ahead, and one before the send, so that claims that took long are not sent in
/// a burst. Usually the second costs no wait.
#[derive(Debug)]
pub struct Pacer {
    beat: SignedDuration,
    brake: Arc<Brake>,
    claims: Mutex<Gate>,
    sends: Mutex<Gate>,
}

/// One row of turns.
#[derive(Debug)]
struct Gate {
    next: Timestamp,
    /// The turns of the last second, as many as it may hold.
    latest: VecDeque<Timestamp>,
    most_a_second: usize,
}

impl Gate {
    fn new(rate: f64, now: Timestamp) -> Self {
        Self { next: now, latest: VecDeque::new(), most_a_second: rate.floor().max(1.0) as usize }
    }

    /// The next turn, not before `earliest`, and not the one too many of any second.
    fn take(&mut self, earliest: Timestamp, beat: SignedDuration) -> Timestamp {
        let mut turn = self.next.max(earliest);
        if self.latest.len() == self.most_a_second
            && let Some(oldest) = self.latest.pop_front()
        {
            turn = turn.max(oldest + SECOND.max(beat));
        }
        self.latest.push_back(turn);
        self.next = turn + beat;
        turn
    }
}

/// What all lanes of a number share: when the provider says that the number is
/// too fast it stops for a while, goes on at half its pace, and wins the rest
/// back within two minutes.
#[derive(Debug, Default)]
struct Brake(Mutex<Option<Slowed>>);

#[derive(Debug, Clone, Copy)]
struct Slowed {
    /// Nobody goes before.
    until: Timestamp,
    /// The part of the full pace that it has at `until`.
    pace: f64,
}

impl Slowed {
    fn pace_at(self, now: Timestamp) -> f64 {
        let seconds = now.duration_since(self.until).as_secs_f64().max(0.0);
        (self.pace + seconds * RECOVERY).min(1.0)
    }
}

impl Brake {
    fn slowed(&self) -> MutexGuard<'_, Option<Slowed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When it lets go, and the part of the full pace at which.
    fn at(&self, now: Timestamp) -> (Timestamp, f64) {
        match *self.slowed() {
            Some(slowed) => (slowed.until, slowed.pace_at(now)),
            None => (Timestamp::MIN, 1.0),
        }
    }

    /// Messages that were on their way together are refused together: while it
    /// holds, another refusal makes the wait longer but not the pace lower.
    fn pull(&self, pause: Duration, now: Timestamp) {
        let mut slowed = self.slowed();
        let until = now + pause;
        *slowed = Some(match *slowed {
            Some(held) if now < held.until + SECOND => {
                Slowed { until: held.until.max(until), ..held }
            }
            Some(held) => Slowed { until, pace: (held.pace_at(now) / 2.0).max(SLOWEST) },
            None => Slowed { until, pace: 0.5 },
        });
    }
}

impl Pacer {
    /// A pacer of `rate` turns a second.
    pub fn new(rate: f64, now: Timestamp) -> Self {
        Self::braked(rate, Arc::default(), now)
    }

    fn braked(rate: f64, brake: Arc<Brake>, now: Timestamp) -> Self {
        let rate = rate.max(0.001);
        let gate = || Mutex::new(Gate::new(rate, now));
        let beat = SignedDuration::from_secs_f64(1.0 / rate);
        Self { beat, brake, claims: gate(), sends: gate() }
    }

    /// How long to wait before the next claim. The turn is taken.
    pub fn claim_turn(&self, now: Timestamp) -> Duration {
        let (held_until, pace) = self.brake.at(now);
        self.reserve(&self.claims, held_until, pace, now)
    }

    /// How long to wait before the next send. The turn is taken. Who was claimed
    /// before the number was slowed down is not held back for it.
    pub fn send_turn(&self, now: Timestamp) -> Duration {
        self.reserve(&self.sends, Timestamp::MIN, 1.0, now)
    }

    fn reserve(
        &self,
        gate: &Mutex<Gate>,
        held_until: Timestamp,
        pace: f64,
        now: Timestamp,
    ) -> Duration {
        let mut gate = gate.lock().unwrap_or_else(PoisonError::into_inner);
        let beat = SignedDuration::from_secs_f64(self.beat.as_secs_f64() / pace);
        let turn = gate.take(held_until.max(now - SLACK), beat);
        Duration::try_from(turn.duration_since(now)).unwrap_or(Duration::ZERO)
    }

    /// Gives no turn for a claim before `pause` has passed, in any lane of the
    /// number, and fewer a second for a while after that.
    pub fn hold(&self, pause: Duration, now: Timestamp) {
        self.brake.pull(pause, now);
    }
}

/// The pacers of this process, one a lane.
#[derive(Debug, Default)]
pub struct Pacers(Mutex<Numbers>);

#[derive(Debug, Default)]
struct Numbers {
    lanes: HashMap<(ConnectionId, Lane, u32), Arc<Pacer>>,
    brakes: HashMap<ConnectionId, Arc<Brake>>,
}

impl Pacers {
    /// The pacer of a lane on a number of `throughput` messages a second.
    pub fn of(
        &self,
        connection: ConnectionId,
        lane: Lane,
        throughput: u32,
        now: Timestamp,
    ) -> Arc<Pacer> {
        let mut numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Numbers { lanes, brakes } = &mut *numbers;
        let brake = brakes.entry(connection).or_default();
        let make = || Arc::new(Pacer::braked(lane.rate(throughput), brake.clone(), now));
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
            assert!(within <= 80, "{within} turns in a second");
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
    fn a_slow_lane_keeps_its_beat() {
        let start = Timestamp::UNIX_EPOCH;
        let pacer = Pacer::new(0.5, start);
        let waits: Vec<Duration> = (0..3).map(|_| pacer.send_turn(start)).collect();
        assert_eq!(waits, [0, 2, 4].map(Duration::from_secs));
    }

    #[test]
    fn a_held_pacer_waits() {
        let start = Timestamp::UNIX_EPOCH;
        let pacer = Pacer::new(80.0, start);
        pacer.hold(Duration::from_mins(1), start);
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
    fn a_throttled_number_is_slow_in_all_its_lanes_and_recovers() {
        let start = Timestamp::UNIX_EPOCH;
        let after = |seconds| start + SignedDuration::from_secs(seconds);
        let connection =
            ConnectionId::from_uuid(crate::ids::IdSource::seeded(1).uuid(Timestamp::UNIX_EPOCH));
        let pacers = Pacers::default();
        let fast = pacers.of(connection, Lane::Fast, 80, start);
        let normal = pacers.of(connection, Lane::Normal, 80, start);
        // Three that were on their way together.
        for _ in 0..3 {
            fast.hold(Duration::from_secs(5), start);
        }
        assert!(normal.claim_turn(start) >= Duration::from_secs(5));
        let soon = claims_in_a_second(&fast, after(6));
        assert!((30..40).contains(&soon), "{soon} claims");
        let later = claims_in_a_second(&fast, after(60));
        assert!(later >= 65, "{later} claims");
    }
}
