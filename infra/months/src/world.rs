//! What AWS does to a month and one machine does not.

use std::time::Duration;

use jiff::SignedDuration;

use crate::rng::SeededRng;

/// How far the clocks of senders, the webhook and the API are from the true time, at most.
const MAX_SKEW_MILLIS: u64 = 1_000;
/// How far the scheduler's clock is from the true time, at most.
const MAX_SCHEDULER_SKEW_MILLIS: u64 = 60_000;
/// The longest lags of indexes, in milliseconds, of which a month has one.
const INDEX_LAGS: [u64; 4] = [0, 500, 5_000, 60_000];

/// What kind of machines a month runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct World {
    /// The longest time after which an index sees a write.
    pub(crate) index_lag: Duration,
    has_skew: bool,
    /// How many shards the table's stream has.
    pub(crate) stream_shards: usize,
    /// Whether the requests to the table are kept.
    pub(crate) is_recorded: bool,
}

impl World {
    /// One machine: one clock, indexes that are never late, one shard.
    pub(crate) const ONE_MACHINE: Self =
        Self { index_lag: Duration::ZERO, has_skew: false, stream_shards: 1, is_recorded: false };

    /// AWS: machines with clocks of their own, late indexes, several shards.
    pub(crate) fn draw_aws(rng: &SeededRng) -> Self {
        let lag = rng.choose(&INDEX_LAGS).copied().unwrap_or(0);
        Self {
            index_lag: Duration::from_millis(lag),
            has_skew: rng.chance(750),
            stream_shards: rng.between(1, 5) as usize,
            is_recorded: false,
        }
    }

    /// How far two clocks of senders, the webhook and the API differ, at most.
    pub(crate) fn skew(self) -> SignedDuration {
        let millis = if self.has_skew { 2 * MAX_SKEW_MILLIS } else { 0 };
        SignedDuration::from_millis(millis as i64)
    }

    /// How far ahead the clock of a machine is.
    pub(crate) fn draw_ahead(self, rng: &SeededRng) -> SignedDuration {
        self.draw(MAX_SKEW_MILLIS, rng)
    }

    /// How far ahead the clock of a scheduler is.
    pub(crate) fn draw_scheduler_ahead(self, rng: &SeededRng) -> SignedDuration {
        self.draw(MAX_SCHEDULER_SKEW_MILLIS, rng)
    }

    fn draw(self, max: u64, rng: &SeededRng) -> SignedDuration {
        let max = if self.has_skew { max } else { 0 };
        SignedDuration::from_millis(rng.between(0, 2 * max) as i64 - max as i64)
    }
}
