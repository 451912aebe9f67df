//! Limits that change within a month.

use std::collections::BTreeMap;

use carillon::time::Timestamp;
use jiff::SignedDuration;

/// How long after Carillon was informed of a lower limit messages may still follow the old one:
/// those of batches that are reserved, and of a run that has begun.
const IN_FORCE_FOR: SignedDuration = SignedDuration::from_mins(20);

/// A limit, and what it was before.
#[derive(Debug, Clone)]
pub(crate) struct ChangingLimit(Vec<Value>);

#[derive(Debug, Clone, Copy)]
struct Value {
    limit: u32,
    since: Timestamp,
    /// When Carillon had stored it.
    known_at: Option<Timestamp>,
}

impl ChangingLimit {
    /// A limit that Carillon knows.
    pub(crate) fn new(limit: u32, since: Timestamp) -> Self {
        Self(vec![Value { limit, since, known_at: Some(since) }])
    }

    /// What it is now.
    pub(crate) fn latest(&self) -> u32 {
        self.0.last().map_or(0, |value| value.limit)
    }

    /// What it was first.
    pub(crate) fn first(&self) -> u32 {
        self.0.first().map_or(0, |value| value.limit)
    }

    /// The highest limit that a message may follow at `at`.
    pub(crate) fn allowed_at(&self, at: Timestamp) -> u32 {
        let is_old = |value: &Value| value.known_at.is_some_and(|known| known + IN_FORCE_FOR <= at);
        let start = self.0.iter().rposition(is_old).unwrap_or(0);
        let values = self.0.iter().skip(start).filter(|value| value.since <= at);
        values.map(|value| value.limit).max().unwrap_or(0)
    }

    fn change(&mut self, limit: u32, since: Timestamp) {
        self.0.push(Value { limit, since, known_at: None });
    }

    fn record_known(&mut self, since: Timestamp, at: Timestamp) {
        let found = self.0.iter_mut().find(|value| value.since == since);
        if let Some(value) = found {
            value.known_at.get_or_insert(at);
        }
    }
}

/// What a limit is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LimitOf {
    /// Unique contacts in 24 hours, of the portfolio.
    Portfolio,
    /// Messages a second, of the number with this id.
    Number(String),
}

/// A limit that is another one from then on.
#[derive(Debug, Clone)]
pub(crate) struct LimitChange {
    pub(crate) of: LimitOf,
    pub(crate) limit: u32,
    pub(crate) since: Timestamp,
}

/// The limits of a portfolio and its numbers.
#[derive(Debug, Default)]
pub(crate) struct Limits(BTreeMap<LimitOf, ChangingLimit>);

impl Limits {
    pub(crate) fn add(&mut self, of: LimitOf, limit: u32, since: Timestamp) {
        self.0.insert(of, ChangingLimit::new(limit, since));
    }

    pub(crate) fn get(&self, of: &LimitOf) -> Option<&ChangingLimit> {
        self.0.get(of)
    }

    /// All that have a limit.
    pub(crate) fn all(&self) -> Vec<LimitOf> {
        self.0.keys().cloned().collect()
    }

    pub(crate) fn latest(&self, of: &LimitOf) -> u32 {
        self.get(of).map_or(0, ChangingLimit::latest)
    }

    pub(crate) fn allowed_at(&self, of: &LimitOf, at: Timestamp) -> u32 {
        self.get(of).map_or(0, |limit| limit.allowed_at(at))
    }

    pub(crate) fn change(&mut self, change: &LimitChange) {
        if let Some(limit) = self.0.get_mut(&change.of) {
            limit.change(change.limit, change.since);
        }
    }

    /// Carillon has stored a change.
    pub(crate) fn record_known(&mut self, change: &LimitChange, at: Timestamp) {
        if let Some(limit) = self.0.get_mut(&change.of) {
            limit.record_known(change.since, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_limit_is_in_force_until_the_lower_one_is_known_for_a_while() {
        let at = |minutes| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes);
        let mut limit = ChangingLimit::new(40, at(0));
        limit.change(20, at(100));
        assert_eq!(limit.allowed_at(at(500)), 40, "nobody knows of it");
        limit.record_known(at(100), at(110));
        assert_eq!((limit.allowed_at(at(129)), limit.allowed_at(at(130))), (40, 20));
        limit.change(30, at(200));
        assert_eq!((limit.allowed_at(at(199)), limit.allowed_at(at(200))), (20, 30));
    }
}
