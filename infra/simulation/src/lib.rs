//! A month of several campaigns under random faults, the same for the same seed.
//!
//! The functions are the real ones, and so is the SDK; the table is the embedded
//! engine in memory. The network, the queue, WhatsApp, the people and the clock
//! are simulated, and all chance comes from the seed. While the month passes, and
//! at its end, the invariants of `ARCHITECTURE.md` are checked against what the
//! table's stream tells and what WhatsApp was handed.

mod crowd;
mod dice;
mod fate;
mod log;
mod month;
mod news;
mod people;
mod queue;
mod stage;
mod table;
mod verdict;
mod watch;
mod whatsapp;
mod wire;

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::month::Month;

/// What happened in a month that broke no rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Recipients of all campaigns.
    pub recipients: usize,
    /// Messages handed to WhatsApp, those that it refused included.
    pub messages: usize,
    /// Changes of the table.
    pub changes: usize,
    /// A mark of everything that happened: the same for the same seed.
    pub mark: u64,
}

/// A month that broke a rule, or could not be simulated.
#[derive(Debug, thiserror::Error)]
#[error("seed {seed}, {at}: {what}")]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// When, on the month's clock, it was found.
    pub at: carillon::time::Timestamp,
    /// What is wrong.
    pub what: String,
}

/// Simulates the month of a seed.
///
/// # Errors
/// The first rule that it broke.
pub async fn simulate(seed: u64) -> Result<Summary, Failure> {
    // The runtime's own breaks would let chance in.
    tokio::task::unconstrained(live(seed)).await
}

async fn live(seed: u64) -> Result<Summary, Failure> {
    let fails = |at, what: String| Failure { seed, at, what };
    let never = carillon::time::Timestamp::UNIX_EPOCH;
    let mut month = Month::begin(seed).await.map_err(|error| fails(never, error.to_string()))?;
    let outcome = match month.live().await {
        Ok(()) => month.verdict().await,
        Err(error) => Err(error),
    };
    let now = month.stage.clock.now();
    match outcome {
        Ok(None) => Ok(summary(&month)),
        Ok(Some(wrong)) => Err(fails(now, wrong)),
        Err(error) => Err(fails(now, format!("it can't go on: {error:?}"))),
    }
}

fn summary(month: &Month) -> Summary {
    let (log, known) = (month.stage.whatsapp.log(), month.stage.watch.known());
    let mut hasher = DefaultHasher::new();
    for entry in log.entries() {
        (entry.at, entry.connection, &entry.whom, entry.attempt, entry.course).hash(&mut hasher);
    }
    for (whom, recipient) in &known.recipients {
        (whom, recipient.status, recipient.attempt).hash(&mut hasher);
    }
    Summary {
        recipients: known.recipients.len(),
        messages: log.entries().len(),
        changes: known.records.len(),
        mark: hasher.finish(),
    }
}
