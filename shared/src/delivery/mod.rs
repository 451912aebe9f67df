//! Delivery: from a batch on the queue to messages at the provider. Claim, send,
//! settle; nobody twice, nobody lost.

mod attempt;
mod channels;
mod pacer;
mod queue;
pub mod retry;
mod run;

pub use channels::{Channels, ChannelsError, Route};
pub use pacer::{Pacer, Pacers};
pub use queue::{QueueError, SendMessage, SendQueue};
pub use run::{DeliveryError, RunEnd, Sender};

/// The least time between two claims of one person, in seconds. Meta wants 6
/// between two messages ("About the platform", pair rate limit); the first may
/// still wait for its turn after its claim.
pub const PAIR_SECONDS: i64 = 8;
/// How many more attempts a recipient gets after a first that surely failed.
pub const MAX_RETRIES: u32 = 3;
