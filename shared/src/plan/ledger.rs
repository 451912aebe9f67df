//! The rolling 24-hour ledger: how many people a portfolio's numbers may still
//! reach outside a service window.
//!
//! Places are counted in buckets of ten minutes. A bucket counts until 24 hours
//! after the last send that can lie in it, so that the ledger errs on the safe
//! side, by at most [`BUCKET_SECONDS`] + [`SEND_SECONDS`].
//! Source: Meta, "Messaging limits" (2026-09-11): unique users in a moving 24 h,
//! per business portfolio.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ids::RunId;

/// The length of a bucket, in seconds.
pub const BUCKET_SECONDS: i64 = 600;
/// The longest a batch is sent after its places were counted, in seconds.
pub const SEND_SECONDS: i64 = 600;
const WINDOW_SECONDS: i64 = 24 * 3600;

/// What a portfolio may send and what it has sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Unique people in any 24 hours, as people set it; none where they set none.
    #[serde(default)]
    pub limit: Option<u64>,
    /// The same, as the provider told it; none for unlimited, or not told.
    #[serde(default)]
    pub told: Option<u64>,
    /// When the provider told it; none for a guess, which holds until people or the
    /// provider say otherwise.
    #[serde(default)]
    pub told_at: Option<Timestamp>,
    /// Places taken, by bucket (seconds since 1970 at its start).
    #[serde(default)]
    pub buckets: BTreeMap<String, u64>,
    /// The runs that gave places back last, so that none does so twice when the
    /// answer to its write is lost.
    #[serde(default)]
    pub returned_by: VecDeque<RunId>,
    /// Counts every change.
    #[serde(default)]
    pub version: u64,
}

/// How many runs the ledger remembers.
const REMEMBERED: usize = 32;

/// The bucket that `now` lies in.
pub fn bucket_at(now: Timestamp) -> i64 {
    now.as_second().div_euclid(BUCKET_SECONDS) * BUCKET_SECONDS
}

/// When the places of a bucket are free again.
fn frees_at(bucket: i64) -> i64 {
    bucket + BUCKET_SECONDS + SEND_SECONDS + WINDOW_SECONDS
}

/// Whether places of a bucket still count at `now`.
pub fn is_live(bucket: i64, now: Timestamp) -> bool {
    now.as_second() < frees_at(bucket)
}

impl Ledger {
    /// How many different people in 24 hours: what people set, and never more
    /// than the provider takes; none for any number.
    pub fn people(&self) -> Option<u64> {
        match self.told_at {
            Some(_) => self.limit.into_iter().chain(self.told).min(),
            None => self.limit.or(self.told),
        }
    }

    /// Takes a limit to hold until people or the provider say otherwise.
    pub fn guess(&mut self, people: u64) {
        if self.told_at.is_none() {
            self.told = Some(people);
        }
        self.version += 1;
    }

    /// Takes up what the provider told at `at`, unless it told something newer.
    pub fn tell(&mut self, people: Option<u64>, at: Timestamp) {
        if self.told_at.is_none_or(|known| known <= at) {
            (self.told, self.told_at) = (people, Some(at));
        }
        self.version += 1;
    }

    /// Takes over what another ledger of the same portfolio knows: the places that
    /// were taken there, and limits that are not known here. To do it again changes
    /// nothing.
    pub fn take_over(&mut self, other: &Self) {
        for (bucket, taken) in &other.buckets {
            let count = self.buckets.entry(bucket.clone()).or_default();
            *count = (*count).max(*taken);
        }
        self.limit = self.limit.into_iter().chain(other.limit).min();
        if other.told_at > self.told_at {
            (self.told, self.told_at) = (other.told, other.told_at);
        }
        self.version += 1;
    }

    /// How many places are taken at `now`.
    pub fn taken(&self, now: Timestamp) -> u64 {
        self.live(now).map(|(_, count)| count).sum()
    }

    /// How many places are free at `now`; [`u64::MAX`] without a limit.
    pub fn free(&self, now: Timestamp) -> u64 {
        self.people().map_or(u64::MAX, |limit| limit.saturating_sub(self.taken(now)))
    }

    /// When places are free next, while none is.
    pub fn next_free(&self, now: Timestamp) -> Option<Timestamp> {
        let (bucket, _) = self.live(now).find(|(_, count)| *count > 0)?;
        Timestamp::from_second(frees_at(bucket)).ok()
    }

    /// Takes `places` in the bucket of `now`. The caller has asked [`Ledger::free`].
    pub fn take(&mut self, places: u32, now: Timestamp) {
        self.forget(now);
        *self.buckets.entry(name(bucket_at(now))).or_default() += u64::from(places);
        self.version += 1;
    }

    /// Gives back places that were not used.
    pub fn give_back(&mut self, places: u32, bucket: i64) {
        if let Some(count) = self.buckets.get_mut(&name(bucket)) {
            *count = count.saturating_sub(u64::from(places));
        }
        self.version += 1;
    }

    /// Gives back what a run found to be spared, once.
    pub fn give_back_once(&mut self, run: RunId, spared: &BTreeMap<i64, u32>) {
        if self.returned_by.contains(&run) {
            return;
        }
        for (bucket, places) in spared {
            self.give_back(*places, *bucket);
        }
        self.returned_by.push_back(run);
        while self.returned_by.len() > REMEMBERED {
            self.returned_by.pop_front();
        }
    }

    /// Counts places in the bucket of `now` that were counted in an older one.
    pub fn carry_over(&mut self, places: u32, bucket: i64, now: Timestamp) {
        self.give_back(places, bucket);
        self.take(places, now);
    }

    fn live(&self, now: Timestamp) -> impl Iterator<Item = (i64, u64)> {
        let buckets =
            self.buckets.iter().filter_map(|(name, count)| Some((name.parse().ok()?, *count)));
        buckets.filter(move |(bucket, _)| is_live(*bucket, now))
    }

    fn forget(&mut self, now: Timestamp) {
        let live: BTreeMap<String, u64> =
            self.live(now - SignedDuration::from_hours(1)).map(|(b, n)| (name(b), n)).collect();
        self.buckets = live;
    }
}

/// Wide enough that buckets sort as text.
fn name(bucket: i64) -> String {
    format!("{bucket:011}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn what_another_ledger_knows_is_taken_over_once() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let mut moved = Ledger { limit: Some(300), ..Ledger::default() };
        moved.take(40, now);
        let mut here = Ledger { limit: Some(250), ..Ledger::default() };
        here.take(10, now);
        for _ in 0..2 {
            here.take_over(&moved);
            assert_eq!((here.taken(now), here.people()), (40, Some(250)));
        }
    }

    proptest! {
        /// Whatever is asked for and whenever: in no 24 hours are more places
        /// used than the limit, even if a batch is sent as late as it may be.
        #[test]
        fn no_24_hours_hold_more_than_the_limit(
            asks in prop::collection::vec((0i64..90_000, 1u32..200), 1..60)
        ) {
            let mut ledger = Ledger { limit: Some(250), ..Ledger::default() };
            let mut now = 0;
            let mut sends: Vec<(i64, u32)> = Vec::new();
            for (pause, wanted) in asks {
                now += pause / 10;
                let granted = u64::from(wanted).min(ledger.free(at(now))) as u32;
                ledger.take(granted, at(now));
                sends.push((now + SEND_SECONDS * (pause % 2), granted));
            }
            for (moment, _) in &sends {
                let window = (moment - WINDOW_SECONDS + 1)..=*moment;
                let sum: u32 = sends.iter().filter(|(t, _)| window.contains(t)).map(|(_, n)| n).sum();
                prop_assert!(sum <= 250, "{sum} within 24 h before {moment}");
            }
        }
    }

    #[test]
    fn places_come_back() {
        let mut ledger = Ledger { limit: Some(250), ..Ledger::default() };
        ledger.take(250, at(0));
        assert_eq!(ledger.free(at(60)), 0);
        ledger.give_back(50, bucket_at(at(0)));
        assert_eq!(ledger.free(at(60)), 50);
        let next = ledger.next_free(at(60)).unwrap();
        assert_eq!(ledger.free(next), 250);
    }

    #[test]
    fn the_lower_of_two_limits_holds_and_older_news_change_nothing() {
        let mut ledger = Ledger { limit: Some(1_000), ..Ledger::default() };
        ledger.tell(Some(250), at(10));
        assert_eq!(ledger.people(), Some(250));
        ledger.tell(Some(2_000), at(5));
        assert_eq!(ledger.people(), Some(250));
        ledger.tell(None, at(20));
        assert_eq!(ledger.people(), Some(1_000));
        ledger.guess(10);
        assert_eq!(ledger.people(), Some(1_000));
    }

    #[test]
    fn a_guess_holds_until_someone_knows_better() {
        let mut ledger = Ledger::default();
        ledger.guess(250);
        assert_eq!(ledger.people(), Some(250));
        let set = Ledger { limit: Some(10_000), ..ledger.clone() };
        assert_eq!(set.people(), Some(10_000));
        ledger.tell(Some(2_000), at(0));
        assert_eq!(ledger.people(), Some(2_000));
    }

    #[test]
    fn a_run_gives_back_once() {
        let mut ledger = Ledger { limit: Some(250), ..Ledger::default() };
        ledger.take(250, at(0));
        let run = RunId::from_uuid(crate::ids::IdSource::seeded(1).uuid(at(0)));
        for _ in 0..2 {
            ledger.give_back_once(run, &BTreeMap::from([(bucket_at(at(0)), 10)]));
        }
        assert_eq!(ledger.free(at(60)), 10);
    }

    #[test]
    fn without_a_limit_all_places_are_free() {
        let mut ledger = Ledger::default();
        ledger.take(1_000_000, at(0));
        assert_eq!(ledger.free(at(0)), u64::MAX);
    }
}
