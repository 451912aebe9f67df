use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// How a message to a contact is charged to a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaCharge {
    /// It takes a reservation: the contact has none.
    New {
        /// When the contact was sent to last; none for never. If this has changed, the contact
        /// may have a reservation.
        sent_at: Option<Timestamp>,
    },
    /// The contact has a reservation already: it moves to the current bucket.
    Renew {
        /// The bucket of the reservation.
        bucket: i64,
        /// When the contact was sent to last. If this has changed, so has the bucket.
        sent_at: Timestamp,
    },
    /// It takes none: the contact is inside a service window, or the connection has no
    /// quota.
    Exempt,
}

/// What decides how messages of a connection are charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChargeRule<'a> {
    /// The quota group of the connection; none where it has no quota.
    pub quota_group: Option<&'a str>,
    /// How long after a contact's message replies are exempt; none where the provider
    /// has no service window.
    pub service_window: Option<Duration>,
}

/// The tolerance for the difference between two clocks, at the end of a service window.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

impl ChargeRule<'_> {
    /// Whether a contact whose last message came at `inbound_at` is exempt at `now`.
    pub fn is_exempt(&self, inbound_at: Option<Timestamp>, now: Timestamp) -> bool {
        if self.quota_group.is_none() {
            return true;
        }
        let window = self.service_window.and_then(|window| SignedDuration::try_from(window).ok());
        let (Some(window), Some(inbound_at)) = (window, inbound_at) else { return false };
        now < inbound_at + (window - CLOCK_TOLERANCE)
    }
}
