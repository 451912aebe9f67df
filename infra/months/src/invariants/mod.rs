//! The invariants of `ARCHITECTURE.md` on the table's stream: each record is checked
//! as it is written, and the state it leads to is kept for the other checks.

mod campaign_history;
mod liveness;
mod monitor;
mod state;
mod transition;

pub(crate) use liveness::Liveness;
pub(crate) use monitor::InvariantMonitor;
pub(crate) use transition::describe;
