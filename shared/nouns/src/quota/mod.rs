//! Quotas: how many unique contacts the connections of a quota group may reach in a
//! rolling window of 24 hours, outside service windows.
//!
//! Reservations are counted in buckets of ten minutes. A bucket counts until 24 hours
//! after the last send that can belong to it, so that the quota is never exceeded; a
//! reservation expires late by at most [`BUCKET_SECONDS`] + [`SEND_SECONDS`].
//! Source: Meta, "Messaging limits" (2026-09-11): unique users in a moving 24 hours,
//! per business portfolio.

mod charge;
pub mod store;

use std::collections::{BTreeMap, VecDeque};

use carillon_foundations::ids::RunId;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use charge::{ChargeRule, QuotaCharge};

/// The length of a bucket, in seconds.
pub const BUCKET_SECONDS: i64 = 600;
/// The longest time between a reservation and its last send, in seconds.
pub const SEND_SECONDS: i64 = 600;
const WINDOW_SECONDS: i64 = 24 * 3600;
/// How far our clocks and the provider's may be apart.
const CLOCKS_APART: SignedDuration = SignedDuration::from_mins(1);

/// The limit and the reservations of a quota group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// The limit that people configured, in unique contacts; none where they set none.
    #[serde(default)]
    pub limit: Option<u64>,
    /// The limit that the provider reported; none for unlimited or not reported.
    #[serde(default)]
    pub reported_limit: Option<u64>,
    /// When the provider reported it; none for an assumed limit, which holds until
    /// people configure one or the provider reports one.
    #[serde(default)]
    pub reported_at: Option<Timestamp>,
    /// The reservations in each bucket (seconds since 1970 at its start).
    #[serde(default)]
    pub buckets: BTreeMap<String, u64>,
    /// The runs that refunded last: a run whose answer was lost refunds once.
    #[serde(default)]
    pub refunded_by: VecDeque<RunId>,
    /// Counts every change.
    #[serde(default)]
    pub version: u64,
}

/// How many runs are remembered.
const MAX_REFUNDED_BY: usize = 32;

/// The bucket of `now`.
pub fn bucket_at(now: Timestamp) -> i64 {
    now.as_second().div_euclid(BUCKET_SECONDS) * BUCKET_SECONDS
}

/// When the reservations of a bucket expire.
fn expires_at(bucket: i64) -> i64 {
    bucket + BUCKET_SECONDS + SEND_SECONDS + WINDOW_SECONDS
}

/// Whether the reservations of a bucket count at `now`.
pub fn is_live(bucket: i64, now: Timestamp) -> bool {
    now.as_second() < expires_at(bucket)
}

impl Quota {
    /// The limit in force: the configured one, and never more than the provider
    /// reported; none for unlimited.
    pub fn effective_limit(&self) -> Option<u64> {
        match self.reported_at {
            Some(_) => self.limit.into_iter().chain(self.reported_limit).min(),
            None => self.limit.or(self.reported_limit),
        }
    }

    /// Assumes a limit until people configure one or the provider reports one.
    pub fn assume_limit(&mut self, contacts: u64) {
        if self.reported_at.is_none() {
            self.reported_limit = Some(contacts);
        }
        self.version += 1;
    }

    /// Records the limit that the provider reported at `at`, unless it has reported a
    /// newer one. Of two reports whose order the clocks leave open, the lower one holds.
    pub fn record_limit(&mut self, contacts: Option<u64>, at: Timestamp) {
        let is_lower = contacts.unwrap_or(u64::MAX) < self.reported_limit.unwrap_or(u64::MAX);
        let is_newer = |known: Timestamp| known <= at || (is_lower && known <= at + CLOCKS_APART);
        if self.reported_at.is_none_or(is_newer) {
            self.reported_at = self.reported_at.max(Some(at));
            self.reported_limit = contacts;
        }
        self.version += 1;
    }

    /// Merges the quota of the same group in another table. Idempotent.
    pub fn merge(&mut self, other: &Self) {
        for (bucket, reserved) in &other.buckets {
            let count = self.buckets.entry(bucket.clone()).or_default();
            *count = (*count).max(*reserved);
        }
        self.limit = self.limit.into_iter().chain(other.limit).min();
        if other.reported_at > self.reported_at {
            (self.reported_limit, self.reported_at) = (other.reported_limit, other.reported_at);
        }
        self.version += 1;
    }

    /// The limit and the free reservations at `now`.
    pub fn status(&self, now: Timestamp) -> QuotaStatus {
        let (limit, free) = (self.effective_limit(), self.free(now));
        QuotaStatus { limit, free, next_free_at: self.next_free_at(now) }
    }

    /// How many reservations count at `now`.
    pub fn reserved(&self, now: Timestamp) -> u64 {
        self.live(now).map(|(_, count)| count).sum()
    }

    /// How many reservations are free at `now`; [`u64::MAX`] without a limit.
    pub fn free(&self, now: Timestamp) -> u64 {
        self.effective_limit().map_or(u64::MAX, |limit| limit.saturating_sub(self.reserved(now)))
    }

    /// When the oldest reservations expire.
    pub fn next_free_at(&self, now: Timestamp) -> Option<Timestamp> {
        let (bucket, _) = self.live(now).find(|(_, count)| *count > 0)?;
        Timestamp::from_second(expires_at(bucket)).ok()
    }

    /// Reserves `count` contacts in the bucket of `now`. The caller has checked
    /// [`Quota::free`].
    pub fn reserve(&mut self, count: u32, now: Timestamp) {
        self.forget_expired(now);
        *self.buckets.entry(bucket_name(bucket_at(now))).or_default() += u64::from(count);
        self.version += 1;
    }

    /// Refunds reservations of a bucket that were not used.
    pub fn refund(&mut self, count: u32, bucket: i64) {
        if let Some(reserved) = self.buckets.get_mut(&bucket_name(bucket)) {
            *reserved = reserved.saturating_sub(u64::from(count));
        }
        self.version += 1;
    }

    /// Refunds the reservations that a run did not need, once for each run.
    pub fn refund_once(&mut self, run: RunId, refunds: &BTreeMap<i64, u32>) {
        if self.refunded_by.contains(&run) {
            return;
        }
        for (bucket, count) in refunds {
            self.refund(*count, *bucket);
        }
        self.refunded_by.push_back(run);
        while self.refunded_by.len() > MAX_REFUNDED_BY {
            self.refunded_by.pop_front();
        }
    }

    /// Moves reservations from an older bucket to the bucket of `now`.
    pub fn renew(&mut self, count: u32, bucket: i64, now: Timestamp) {
        self.refund(count, bucket);
        self.reserve(count, now);
    }

    fn live(&self, now: Timestamp) -> impl Iterator<Item = (i64, u64)> {
        let buckets =
            self.buckets.iter().filter_map(|(name, count)| Some((name.parse().ok()?, *count)));
        buckets.filter(move |(bucket, _)| is_live(*bucket, now))
    }

    fn forget_expired(&mut self, now: Timestamp) {
        let live = self.live(now - SignedDuration::from_hours(1));
        self.buckets = live.map(|(bucket, count)| (bucket_name(bucket), count)).collect();
    }
}

/// A quota at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaStatus {
    /// The limit in unique contacts; none for unlimited.
    pub limit: Option<u64>,
    /// How many reservations are free.
    pub free: u64,
    /// When the oldest reservations expire.
    pub next_free_at: Option<Timestamp>,
}

impl QuotaStatus {
    /// The share of the limit that is reserved, in percent; none without a limit.
    pub fn percent_reserved(&self) -> Option<u64> {
        let limit = self.limit?;
        Some(limit.saturating_sub(self.free) * 100 / limit.max(1))
    }
}

/// Wide enough that bucket names sort by time.
fn bucket_name(bucket: i64) -> String {
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
    fn a_merge_is_idempotent() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let mut moved = Quota { limit: Some(300), ..Quota::default() };
        moved.reserve(40, now);
        let mut here = Quota { limit: Some(250), ..Quota::default() };
        here.reserve(10, now);
        for _ in 0..2 {
            here.merge(&moved);
            assert_eq!((here.reserved(now), here.effective_limit()), (40, Some(250)));
        }
    }

    proptest! {
        /// No 24 hours hold more sends than the limit, even where a batch is sent as
        /// late as possible after its reservation.
        #[test]
        fn no_24_hours_hold_more_than_the_limit(
            asks in prop::collection::vec((0i64..90_000, 1u32..200), 1..60)
        ) {
            let mut quota = Quota { limit: Some(250), ..Quota::default() };
            let mut now = 0;
            let mut sends: Vec<(i64, u32)> = Vec::new();
            for (pause, wanted) in asks {
                now += pause / 10;
                let granted = u64::from(wanted).min(quota.free(at(now))) as u32;
                quota.reserve(granted, at(now));
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
    fn reservations_are_refunded_and_expire() {
        let mut quota = Quota { limit: Some(250), ..Quota::default() };
        quota.reserve(250, at(0));
        assert_eq!(quota.free(at(60)), 0);
        quota.refund(50, bucket_at(at(0)));
        assert_eq!(quota.free(at(60)), 50);
        let next = quota.next_free_at(at(60)).unwrap();
        assert_eq!(quota.free(next), 250);
    }

    #[test]
    fn the_lower_of_two_limits_holds_and_older_reports_change_nothing() {
        let mut quota = Quota { limit: Some(1_000), ..Quota::default() };
        quota.record_limit(Some(250), at(10));
        assert_eq!(quota.effective_limit(), Some(250));
        quota.record_limit(Some(2_000), at(5));
        assert_eq!(quota.effective_limit(), Some(250));
        quota.record_limit(None, at(20));
        assert_eq!(quota.effective_limit(), Some(1_000));
        quota.assume_limit(10);
        assert_eq!(quota.effective_limit(), Some(1_000));
    }

    #[test]
    fn of_two_reports_of_one_minute_the_lower_one_holds() {
        let mut quota = Quota::default();
        // A probe by a clock that is ahead; the limit was lowered just before or after it.
        quota.record_limit(Some(2_000), at(100));
        quota.record_limit(Some(250), at(99));
        assert_eq!(quota.effective_limit(), Some(250));
        quota.record_limit(Some(2_000), at(99));
        assert_eq!(quota.effective_limit(), Some(250));
        quota.record_limit(Some(2_000), at(101));
        quota.record_limit(Some(250), at(40));
        assert_eq!(quota.effective_limit(), Some(2_000), "that was long before");
    }

    #[test]
    fn an_assumed_limit_holds_until_one_is_configured_or_reported() {
        let mut quota = Quota::default();
        quota.assume_limit(250);
        assert_eq!(quota.effective_limit(), Some(250));
        let set = Quota { limit: Some(10_000), ..quota.clone() };
        assert_eq!(set.effective_limit(), Some(10_000));
        quota.record_limit(Some(2_000), at(0));
        assert_eq!(quota.effective_limit(), Some(2_000));
    }

    #[test]
    fn a_run_refunds_once() {
        let mut quota = Quota { limit: Some(250), ..Quota::default() };
        quota.reserve(250, at(0));
        let run = RunId::from_uuid(carillon_foundations::ids::IdSource::seeded(1).uuid(at(0)));
        for _ in 0..2 {
            quota.refund_once(run, &BTreeMap::from([(bucket_at(at(0)), 10)]));
        }
        assert_eq!(quota.free(at(60)), 10);
    }

    #[test]
    fn an_unlimited_quota_is_always_free() {
        let mut quota = Quota::default();
        quota.reserve(1_000_000, at(0));
        assert_eq!(quota.free(at(0)), u64::MAX);
    }
}
