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
