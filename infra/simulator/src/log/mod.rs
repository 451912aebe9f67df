//! What the simulator accepted, reported and refused. Tests compare a product's
//! report with this log.

mod entry;
mod file;
mod message;
mod store;
mod summary;

pub use entry::{LogEntry, StepEntry};
pub(crate) use file::{AcceptedLine, LogFile, LogLine};
pub(crate) use message::Message;
pub(crate) use store::Log;
pub use summary::{StepCounts, Summary};
