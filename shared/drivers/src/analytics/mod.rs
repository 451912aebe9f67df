//! Counters over recipients, kept from the table's stream, and the reports made
//! of them. Nothing else counts.

pub mod audit;
mod counters;
mod report;
pub mod store;

pub use counters::{Change, Image, Tally, after_sequence};
pub use report::{DayCounts, Report};
