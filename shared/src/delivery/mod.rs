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

/// The least time between two messages to one person, in seconds.
/// Source: Meta, "About the platform", pair rate limit.
pub const PAIR_SECONDS: i64 = 6;
/// How many more attempts a recipient gets after a first that surely failed.
pub const MAX_RETRIES: u32 = 3;
