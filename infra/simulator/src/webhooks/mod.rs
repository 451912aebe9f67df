//! Reports events to the webhook and retries until it responds with 200.

mod body;
mod delivery;
pub(crate) mod identity;
mod signature;
pub(crate) mod value;

pub(crate) use delivery::run;
