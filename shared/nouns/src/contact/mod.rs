//! Contacts: people, the addresses that reach them, and whether they may be sent to.

mod profile;
pub mod store;
mod suppression;

pub use profile::{Profile, SuppressionReason};
pub use suppression::Suppressions;
