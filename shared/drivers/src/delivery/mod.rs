//! Delivery: from a batch on the queue to messages at the provider, and back to statuses.
//! Each attempt is claimed, sent and settled. No recipient is sent to twice, and none is
//! lost.

mod attachments;
mod attempt;
mod batch_run;
mod claim;
mod correlation;
mod due;
mod enqueue;
mod error;
pub mod halt;
mod media;
mod pacer;
mod patience;
pub mod policy;
mod queue;
mod refusals;
mod routes;
mod run;
mod sender;
mod settle;
mod shared;
mod status;
mod store;
mod twins;

use std::sync::{Mutex, MutexGuard, PoisonError};

use carillon_channel::Capabilities;
use jiff::SignedDuration;

pub use claim::{Claim, ContactClaim, claim_test_send};
pub use enqueue::{Redriven, enqueue, redrive};
pub use error::DeliveryError;
pub use media::{MediaFault, provider_media_id, renew_media, upload_media};
pub use pacer::{Pace, Pacer, Pacers, Paused};
pub use queue::{DeadLetter, QueueDepth, QueueDepths, QueueError, SendMessage, SendQueue};
pub use refusals::Successes;
pub use routes::{Route, RouteError, Routes, record_probe};
pub use sender::{RunEnd, Sender};
pub use settle::{Charged, RefusalSource, Refused, Settled, settle};
pub use shared::Shared;
pub use status::{CampaignConnections, LinkedAddresses, Recorded, Reporter, record_status};

/// The minimum time between two messages of campaigns to one person, whatever the
/// provider allows.
const CAMPAIGN_PAIR_INTERVAL: SignedDuration = SignedDuration::from_secs(6);
/// How long before its deadline a run hands the rest back: longer than the longest send.
const WIND_DOWN: SignedDuration = SignedDuration::from_secs(35);
/// How long before its deadline a run begins no more requests: the time-out of a request to a
/// provider, and the time to settle its answer.
const LONGEST_SEND: SignedDuration = SignedDuration::from_secs(33);
/// The usual time between a claim and its send, at most.
const SEND_TURN: SignedDuration = SignedDuration::from_secs(2);

/// How far the clocks of two senders may be apart. Source: AWS, "Amazon Time Sync Service": within a
/// millisecond of UTC; a machine of one's own may be a second off.
const CLOCKS_APART: SignedDuration = SignedDuration::from_secs(2);

/// The minimum time between two claims of one person, whichever senders make them.
pub fn claim_interval(capabilities: &Capabilities) -> SignedDuration {
    let provider = capabilities.pair_interval.and_then(|pair| SignedDuration::try_from(pair).ok());
    CAMPAIGN_PAIR_INTERVAL.max(provider.unwrap_or_default()) + SEND_TURN + CLOCKS_APART
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
