//! Contacts: people, the addresses that reach them, and whether they may be sent to.
//!
//! A contact has an id of its own. Its addresses are items that lead to it, so that a person
//! is one contact whatever key a file, a webhook or a caller gives. Two contacts that turn
//! out to be one person are merged (see [`merge::merge`]).

pub mod addresses;
pub mod merge;
pub mod person;
mod profile;
pub mod store;
mod suppression;
mod windows;

pub use profile::{Contact, Profile, SuppressionReason};
pub use suppression::{Suppression, SuppressionId, Suppressions};
pub use windows::Windows;
