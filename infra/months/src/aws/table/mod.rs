//! DynamoDB in memory: the operations and expressions that Carillon's requests use.
//!
//! It answers as the embedded engine does (a test compares both), in a fraction of the time.

mod answer;
mod change;
mod condition;
mod indexes;
mod items;
mod page;
mod reason;
mod request;
mod tokens;
mod update;
mod value;

pub(crate) use answer::Answer;
pub(crate) use change::Change;
pub(crate) use indexes::Indexes;
pub(crate) use items::SimulatedTable;
pub(crate) use reason::Reason;
pub(crate) use request::{ItemKey, Request};
pub(crate) use value::{item_size, text, write_units};

/// The table's name.
pub(crate) const TABLE: &str = "carillon";
