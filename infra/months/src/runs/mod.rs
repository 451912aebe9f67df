//! Runs of the functions, and what triggers them.

mod aggregator;
mod launcher;
mod scheduler;
mod sender;
mod webhook;

pub(crate) use aggregator::AggregatorTrigger;
pub(crate) use launcher::RunLauncher;
pub(crate) use scheduler::SchedulerTrigger;
pub(crate) use sender::{SenderTrigger, is_handled};
pub(crate) use webhook::send_webhooks;
