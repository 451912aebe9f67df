//! The limits Meta keeps: a number's rate, a pair's rate, a portfolio's people.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::config::{Limits, PairLimit};
use crate::errors::ApiError;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// A message at the gate.
pub(crate) struct Passage<'a> {
    pub(crate) now: u64,
    pub(crate) number: &'a Arc<str>,
    /// Messages a second the number may send.
    pub(crate) throughput: Option<u32>,
    pub(crate) person: u32,
    /// Whether it is outside a service window, and so takes a place of the portfolio's.
    pub(crate) opens: bool,
}

/// What was let through lately.
#[derive(Default)]
pub(crate) struct Limiter {
    numbers: HashMap<Arc<str>, Pace>,
    pairs: HashMap<(Arc<str>, u32), Pace>,
    portfolio: Portfolio,
}

impl Limiter {
    /// Takes the places a message needs, or names the limit in its way.
    pub(crate) fn pass(&mut self, limits: &Limits, passage: &Passage) -> Result<(), ApiError> {
        let Some(code) = self.obstacle(limits, passage) else {
            return Ok(());
        };
        Err(ApiError::of(code).with_status(limits.refusal_status))
    }

    fn obstacle(&mut self, limits: &Limits, passage: &Passage) -> Option<u32> {
        if let Some(rate) = passage.throughput.or(limits.throughput) {
            let burst = if limits.throughput_burst == 0 { rate } else { limits.throughput_burst };
            let pace = self.numbers.entry(Arc::clone(passage.number)).or_default();
            if !pace.take(passage.now, 1_000_000 / u64::from(rate.max(1)), burst) {
                return Some(130_429);
            }
        }
        if let Some(PairLimit { interval_ms, burst }) = limits.pair {
            let pair = (Arc::clone(passage.number), passage.person);
            let pace = self.pairs.entry(pair).or_default();
            if !pace.take(passage.now, interval_ms * 1000, burst) {
                return Some(131_056);
            }
        }
        let most = limits.portfolio_users.filter(|_| passage.opens)?;
        let admitted = self.portfolio.admit(passage.now, passage.person, most);
        (!admitted).then_some(limits.portfolio_code)
    }
}

/// A bucket that refills at one place an interval, kept as the time at which it
/// will be full again (in microseconds).
#[derive(Default)]
struct Pace {
    full_at: u64,
}

impl Pace {
    fn take(&mut self, now_ms: u64, interval: u64, burst: u32) -> bool {
        let now = now_ms * 1000;
        let full_at = self.full_at.max(now);
        if full_at - now > interval * u64::from(burst.max(1) - 1) {
            return false;
        }
        self.full_at = full_at + interval;
        true
    }
}

/// The people reached in the last 24 hours.
#[derive(Default)]
struct Portfolio {
    last: HashMap<u32, u64>,
    order: VecDeque<(u64, u32)>,
}

impl Portfolio {
    fn admit(&mut self, now: u64, person: u32, most: u32) -> bool {
        self.forget(now);
        if self.last.len() >= most as usize && !self.last.contains_key(&person) {
            return false;
        }
        self.last.insert(person, now);
        self.order.push_back((now, person));
        true
    }

    fn forget(&mut self, now: u64) {
        while let Some((at, person)) =
            self.order.front().copied().filter(|(at, _)| at + DAY_MS <= now)
        {
            self.order.pop_front();
            if self.last.get(&person) == Some(&at) {
                self.last.remove(&person);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(limiter: &mut Limiter, limits: &Limits, now: u64, person: u32) -> u32 {
        let number = Arc::from("1");
        let passage = Passage { now, number: &number, throughput: None, person, opens: true };
        limiter.pass(limits, &passage).map_or_else(|error| error.code, |()| 200)
    }

    #[test]
    fn a_number_sends_its_rate_and_no_more() {
        let limits = Limits { throughput: Some(80), ..Limits::default() };
        let mut limiter = Limiter::default();
        let at = |limiter: &mut Limiter, now| {
            (0..200).filter(|person| pass(limiter, &limits, now, *person) == 200).count()
        };
        assert_eq!(at(&mut limiter, 10_000), 80);
        assert_eq!(at(&mut limiter, 10_500), 40);
        assert_eq!(pass(&mut limiter, &limits, 10_500, 1), 130_429);
    }

    #[test]
    fn a_pair_may_burst_and_then_waits() {
        let limits = Limits { pair: Some(PairLimit::default()), ..Limits::default() };
        let mut limiter = Limiter::default();
        let passed = (0..50).filter(|_| pass(&mut limiter, &limits, 1_000, 1) == 200).count();
        assert_eq!(passed, 45);
        assert_eq!(pass(&mut limiter, &limits, 6_999, 1), 131_056);
        assert_eq!(pass(&mut limiter, &limits, 7_000, 1), 200);
        assert_eq!(pass(&mut limiter, &limits, 7_000, 2), 200);
    }

    #[test]
    fn a_portfolio_reaches_so_many_people_in_any_day() {
        let limits = Limits { portfolio_users: Some(2), ..Limits::default() };
        let mut limiter = Limiter::default();
        let seen: Vec<_> = [(0, 1), (10, 2), (20, 3), (20, 1), (DAY_MS + 9, 3), (DAY_MS + 10, 3)]
            .into_iter()
            .map(|(now, person)| pass(&mut limiter, &limits, now, person))
            .collect();
        assert_eq!(seen, [200, 200, 131_048, 200, 131_048, 200]);
    }
}
