//! Contacts: people, how they are known, and whether they may be written to.

mod erasure;
mod key;
mod profile;
pub mod store;

pub use erasure::{Erasure, erase};
pub use key::{Bsuid, ContactKey, ContactKeyError, Pseudonym};
pub use profile::{Barred, Counting, Profile};
