use jiff::Timestamp;

use super::{SkipReason, SpentReservation, WaitsFor};

/// What becomes of a recipient whose attempt was refused, failed, or whose answer was
/// lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The message was not sent: it is retried.
    Retry {
        /// The earliest time of the retry.
        not_before: Timestamp,
        /// What it waits for until then.
        waits_for: WaitsFor,
        /// Why it waits.
        reason: String,
        /// What the attempt ended with.
        cause: RetryCause,
    },
    /// The message failed for good.
    Fail {
        /// Why.
        reason: String,
    },
    /// The recipient is skipped.
    Skip {
        /// Why.
        reason: SkipReason,
    },
    /// The message may have been sent: only a webhook or a person settles it.
    Unconfirmed {
        /// Why it is unknown.
        reason: String,
    },
}

/// The settlement of an attempt that was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// What becomes of the recipient.
    pub decision: Decision,
    /// The provider's error code.
    pub code: Option<u32>,
    /// When the attempt ended.
    pub at: Timestamp,
    /// The reservation that the attempt used all the same.
    pub spent: Option<SpentReservation>,
}

/// What an attempt that is retried ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryCause {
    /// The message was refused, or failed later: the attempt counts.
    Refused,
    /// The connection or the contact was throttled: the attempt does not count.
    Throttled,
}

/// An attempt, and what is known of those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tried {
    /// The attempt, from 1.
    pub attempt: u32,
    /// How many of the earlier attempts do not count against the limit of retries.
    pub uncounted: u32,
    /// Since when every earlier attempt was throttled.
    pub throttled_since: Option<Timestamp>,
    /// The code with which an earlier attempt was refused.
    pub refused_before: Option<u32>,
}

impl Tried {
    /// An attempt of which nothing else is known.
    pub fn attempt(attempt: u32) -> Self {
        Self { attempt, uncounted: 0, throttled_since: None, refused_before: None }
    }

    /// The number of the attempt among those that count, from 1.
    pub fn counted(&self) -> u32 {
        self.attempt.saturating_sub(self.uncounted).max(1)
    }
}

impl Decision {
    /// The reason in plain words, for the report.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Retry { reason, .. } | Self::Fail { reason } | Self::Unconfirmed { reason } => {
                Some(reason)
            }
            Self::Skip { .. } => None,
        }
    }
}
