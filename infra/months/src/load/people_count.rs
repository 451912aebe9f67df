//! Counts people as Meta does: how many different people a moving 24 hours hold.
//! Source: Meta, "Messaging limits".

use std::collections::HashMap;

use carillon::time::Timestamp;
use jiff::SignedDuration;

use super::person::LoadPerson;

/// How the number of people changes over time.
#[derive(Debug)]
pub(super) struct PeopleCount {
    /// From when to when each person counts, each stretch as long as messages keep it up.
    stretches: Vec<(Timestamp, Timestamp)>,
}

impl PeopleCount {
    /// Counts messages, in order of time: each counts its person for `window`.
    pub(super) fn of(messages: &[(Timestamp, LoadPerson)], window: SignedDuration) -> Self {
        let mut latest = HashMap::<LoadPerson, usize>::new();
        let mut stretches: Vec<(Timestamp, Timestamp)> = Vec::new();
        for (at, person) in messages {
            let until = *at + window;
            match latest.get(person) {
                Some(index) if *at <= stretches[*index].1 => stretches[*index].1 = until,
                Some(_) | None => {
                    latest.insert(*person, stretches.len());
                    stretches.push((*at, until));
                }
            }
        }
        Self { stretches }
    }

    /// The most people at any time.
    pub(super) fn highest(&self) -> u64 {
        // Who leaves at a time makes room for who comes then.
        let leaves = self.stretches.iter().map(|(_, until)| (*until, -1));
        let comes = self.stretches.iter().map(|(from, _)| (*from, 1));
        let mut changes: Vec<(Timestamp, i64)> = leaves.chain(comes).collect();
        changes.sort_unstable();
        let (mut count, mut highest) = (0, 0);
        for (_, change) in changes {
            count += change;
            highest = highest.max(count);
        }
        highest.unsigned_abs()
    }

    /// The number of people on average between two times.
    pub(super) fn mean(&self, from: Timestamp, until: Timestamp) -> f64 {
        let within = |(begin, end): &(Timestamp, Timestamp)| {
            let (first, last) = ((*begin).max(from), (*end).min(until));
            last.duration_since(first).as_secs_f64().max(0.0)
        };
        let total: f64 = self.stretches.iter().map(within).sum();
        total / until.duration_since(from).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + hour * 3600).unwrap()
    }

    #[test]
    fn a_person_counts_once() {
        let day = SignedDuration::from_hours(24);
        let [one, other] = [LoadPerson(1), LoadPerson(2)];
        let count = PeopleCount::of(&[(at(0), one), (at(12), one), (at(20), other)], day);
        assert_eq!(count.highest(), 2);
        // The first person from 0 to 36, the other one from 20 to 44.
        assert!((count.mean(at(0), at(48)) - 60.0 / 48.0).abs() < 1e-9);
        let next_day = PeopleCount::of(&[(at(0), one), (at(24), other)], day);
        assert_eq!(next_day.highest(), 1);
    }
}
