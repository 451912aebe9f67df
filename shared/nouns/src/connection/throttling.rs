use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

const SECOND: SignedDuration = SignedDuration::from_secs(1);
/// The lowest share of its rate that a throttled connection keeps.
const MIN_SHARE: f64 = 1.0 / 16.0;
/// The share of its rate that a throttled connection recovers each second.
const RECOVERY: f64 = 0.01;

/// How a provider throttles a connection: it pauses, goes on at half its rate, and recovers
/// within two minutes. It concerns every lane of the connection, in whichever process.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Throttling {
    /// The end of the pause.
    pub until: Timestamp,
    /// The share of the full rate at `until`, above 0 and at most 1.
    pub share: f64,
}

impl Throttling {
    /// The throttling after a message was throttled at `now`. Messages that were sent together
    /// are throttled together: until a second after the pause another refusal extends the
    /// pause but does not lower the rate.
    #[must_use]
    pub fn again(held: Option<Self>, pause: Duration, now: Timestamp) -> Self {
        let until = now + pause;
        match held {
            Some(held) if held.is_fresh(now) => Self { until: held.until.max(until), ..held },
            Some(held) => Self { until, share: (held.share_at(now) / 2.0).max(MIN_SHARE) },
            None => Self { until, share: 0.5 },
        }
    }

    /// Whether its pause is longer than the one that is held, by a second or more.
    pub fn is_longer_than(self, held: Option<Self>) -> bool {
        held.is_none_or(|held| self.until >= held.until + SECOND)
    }

    /// Whether the pause goes on, or has just ended.
    pub fn is_fresh(self, now: Timestamp) -> bool {
        now < self.until + SECOND
    }

    /// The share of the full rate at `now`, from 0 to 1.
    pub fn share_at(self, now: Timestamp) -> f64 {
        let seconds = now.duration_since(self.until).as_secs_f64().max(0.0);
        (self.share + seconds * RECOVERY).min(1.0)
    }
}
