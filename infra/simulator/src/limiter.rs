//! Meta's rate limits: messages a second per phone number, messages per pair of
//! number and user, and unique users per business portfolio and 24 hours.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::config::{Limits, PairLimit};
use crate::errors::ApiError;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// A message to check against the limits.
pub(crate) struct SendAttempt<'a> {
    pub(crate) now: u64,
    pub(crate) phone_number_id: &'a Arc<str>,
    /// The number's throughput in messages a second, if it differs from
    /// [`Limits::throughput`].
    pub(crate) throughput: Option<u32>,
    pub(crate) user: u32,
    /// Only messages outside a customer service window count against the
    /// portfolio limit.
    pub(crate) outside_service_window: bool,
}

/// The use of each limit.
#[derive(Default)]
pub(crate) struct Limiter {
    numbers: HashMap<Arc<str>, TokenBucket>,
    pairs: HashMap<(Arc<str>, u32), TokenBucket>,
    portfolio: PortfolioWindow,
}

impl Limiter {
    /// Counts a message against all limits, or returns the error of the first
    /// limit it exceeds.
    pub(crate) fn try_acquire(
        &mut self,
        limits: &Limits,
        attempt: &SendAttempt,
    ) -> Result<(), ApiError> {
        let Some(code) = self.exceeded_limit(limits, attempt) else {
            return Ok(());
        };
        Err(ApiError::new(code).with_status(limits.refusal_status))
    }

    fn exceeded_limit(&mut self, limits: &Limits, attempt: &SendAttempt) -> Option<u32> {
        if let Some(rate) = attempt.throughput.or(limits.throughput) {
            let burst = if limits.throughput_burst == 0 { rate } else { limits.throughput_burst };
            let bucket = self.numbers.entry(Arc::clone(attempt.phone_number_id)).or_default();
            if !bucket.try_acquire(attempt.now, 1_000_000 / u64::from(rate.max(1)), burst) {
                return Some(130_429);
            }
        }
        if let Some(PairLimit { interval_ms, burst }) = limits.pair {
            let pair = (Arc::clone(attempt.phone_number_id), attempt.user);
            let bucket = self.pairs.entry(pair).or_default();
            if !bucket.try_acquire(attempt.now, interval_ms * 1000, burst) {
                return Some(131_056);
            }
        }
        let max_users = limits.portfolio_users.filter(|_| attempt.outside_service_window)?;
        let acquired = self.portfolio.try_acquire(attempt.now, attempt.user, max_users);
        (!acquired).then_some(limits.portfolio_code)
    }
}

/// A token bucket that gains one token per interval. Its state is the time, in
/// microseconds, at which it is full again.
#[derive(Default)]
struct TokenBucket {
    full_at: u64,
}

impl TokenBucket {
    /// `interval` is in microseconds.
    fn try_acquire(&mut self, now_ms: u64, interval: u64, burst: u32) -> bool {
        let now = now_ms * 1000;
        let full_at = self.full_at.max(now);
        if full_at - now > interval * u64::from(burst.max(1) - 1) {
            return false;
        }
        self.full_at = full_at + interval;
        true
    }
}

/// The unique users of the last 24 hours.
#[derive(Default)]
struct PortfolioWindow {
    last_message_at: HashMap<u32, u64>,
    messages: VecDeque<(u64, u32)>,
}

impl PortfolioWindow {
    fn try_acquire(&mut self, now: u64, user: u32, max_users: u32) -> bool {
        self.remove_expired(now);
        let is_full = self.last_message_at.len() >= max_users as usize;
        if is_full && !self.last_message_at.contains_key(&user) {
            return false;
        }
        self.last_message_at.insert(user, now);
        self.messages.push_back((now, user));
        true
    }

    fn remove_expired(&mut self, now: u64) {
        while let Some((at, user)) = self.messages.pop_front_if(|(at, _)| *at + DAY_MS <= now) {
            if self.last_message_at.get(&user) == Some(&at) {
                self.last_message_at.remove(&user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(limiter: &mut Limiter, limits: &Limits, now: u64, user: u32) -> u32 {
        let phone_number_id = &Arc::from("1");
        let attempt = SendAttempt {
            now,
            phone_number_id,
            throughput: None,
            user,
            outside_service_window: true,
        };
        limiter.try_acquire(limits, &attempt).map_or_else(|error| error.code, |()| 200)
    }

    #[test]
    fn a_number_sends_at_most_its_throughput() {
        let limits = Limits { throughput: Some(80), ..Limits::default() };
        let mut limiter = Limiter::default();
        let accepted_at = |limiter: &mut Limiter, now| {
            (0..200).filter(|user| send(limiter, &limits, now, *user) == 200).count()
        };
        assert_eq!(accepted_at(&mut limiter, 10_000), 80);
        assert_eq!(accepted_at(&mut limiter, 10_500), 40);
        assert_eq!(send(&mut limiter, &limits, 10_500, 1), 130_429);
    }

    #[test]
    fn a_pair_may_burst_and_then_sends_once_per_interval() {
        let limits = Limits { pair: Some(PairLimit::default()), ..Limits::default() };
        let mut limiter = Limiter::default();
        let accepted = (0..50).filter(|_| send(&mut limiter, &limits, 1_000, 1) == 200).count();
        assert_eq!(accepted, 45);
        assert_eq!(send(&mut limiter, &limits, 6_999, 1), 131_056);
        assert_eq!(send(&mut limiter, &limits, 7_000, 1), 200);
        assert_eq!(send(&mut limiter, &limits, 7_000, 2), 200);
    }

    #[test]
    fn a_portfolio_reaches_at_most_its_limit_of_unique_users_in_24_hours() {
        let limits = Limits { portfolio_users: Some(2), ..Limits::default() };
        let mut limiter = Limiter::default();
        let codes: Vec<_> = [(0, 1), (10, 2), (20, 3), (20, 1), (DAY_MS + 9, 3), (DAY_MS + 10, 3)]
            .into_iter()
            .map(|(now, user)| send(&mut limiter, &limits, now, user))
            .collect();
        assert_eq!(codes, [200, 200, 131_048, 200, 131_048, 200]);
    }
}
