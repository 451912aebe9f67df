//! Contacts: people, how they are known, and whether they may be written to.

mod key;
mod profile;
pub mod store;

pub use key::{Bsuid, ContactKey, ContactKeyError};
pub use profile::{Barred, Counting, Profile};
