//! Simulated months of campaigns under random faults.
//!
//! A month runs the real functions and the real AWS SDK on a DynamoDB in memory, which is
//! compared with the embedded engine. The SDK's HTTP transport, the SQS queue, WhatsApp, the operator and the
//! clock are simulated. All randomness comes from one seed: the same seed gives the
//! same month. The invariants of `ARCHITECTURE.md` are checked on each record of the
//! table's stream, on each message sent to WhatsApp, and at the end of the month.

mod api_client;
mod aws;
mod campaign_contact;
mod cloud_provider;
mod executor;
mod fault_log;
mod fault_plan;
mod final_checks;
mod fixture;
mod invariants;
mod limit_changes;
pub mod load;
mod month;
mod number_changes;
mod operator;
mod operator_call;
mod operator_calls;
mod rng;
mod runs;
mod whatsapp;
mod world;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use carillon::time::Timestamp;
use tokio::task::unconstrained;
use tower::BoxError;

use crate::aws::compare;
use crate::fixture::START;
use crate::month::Month;

/// The figures of a month that violated no invariant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Recipients of all campaigns.
    pub recipients: usize,
    /// Messages sent to WhatsApp, refused ones included.
    pub messages: usize,
    /// Messages of senders that froze within the request to WhatsApp: of them no limit, and
    /// no age of a claim, is checked.
    pub exempt_messages: usize,
    /// For how many seconds a recipient was due, at most, while nothing limited it and no fault
    /// occurred.
    pub longest_wait: i64,
    /// Records on the table's stream.
    pub stream_records: usize,
    /// Hash of all messages and of the final status of each recipient. The same
    /// seed gives the same digest.
    pub digest: u64,
}

/// A month that violated an invariant or could not be simulated.
#[derive(Debug, thiserror::Error)]
#[error("seed {seed}, {at}: {reason}")]
pub struct Failure {
    /// The month's seed.
    pub seed: u64,
    /// Simulated time at which the failure was detected.
    pub at: Timestamp,
    /// The violated invariant, or the error that stopped the simulation.
    pub reason: String,
}

/// Simulates the month of a seed.
///
/// # Errors
/// The first violation of an invariant, or the error that stopped the simulation.
pub async fn simulate_month(seed: u64) -> Result<Summary, Failure> {
    // Tokio's cooperative scheduling would yield at points the seed does not decide.
    unconstrained(run(seed)).await
}

/// Simulates the month of a seed, and makes its requests to the table again to the simulated
/// table and to the embedded engine. Returns how many there were of each operation.
///
/// # Errors
/// The first answer in which they differ, or the error that stopped the simulation.
pub async fn compare_tables(seed: u64) -> Result<BTreeMap<String, usize>, BoxError> {
    let mut month = Month::recorded(seed).await?;
    unconstrained(month.run()).await?;
    compare(&month.fixture.indexes.take_requests())
}

async fn run(seed: u64) -> Result<Summary, Failure> {
    let failure = |at, reason: String| Failure { seed, at, reason };
    let mut month = Month::new(seed).await.map_err(|error| failure(START, error.to_string()))?;
    let violation = match month.run().await {
        Ok(()) => final_checks::first_violation(&month).await,
        Err(error) => Err(error),
    };
    let now = month.fixture.clock.now();
    match violation {
        Ok(None) => Ok(summary(&month)),
        Ok(Some(violation)) => Err(failure(now, violation)),
        Err(error) => Err(failure(now, format!("the simulation stopped: {error:?}"))),
    }
}

fn summary(month: &Month) -> Summary {
    let (log, state) = (month.fixture.whatsapp.log(), month.fixture.monitor.state());
    let mut hasher = DefaultHasher::new();
    for message in log.messages() {
        (message.received_at, &message.number).hash(&mut hasher);
        (&message.recipient, &message.address, message.attempt).hash(&mut hasher);
        message.outcome.hash(&mut hasher);
    }
    for (key, recipient) in &state.recipients {
        (key, recipient.status, recipient.attempt).hash(&mut hasher);
    }
    Summary {
        recipients: state.recipients.len(),
        messages: log.messages().len(),
        exempt_messages: log.exempt(),
        longest_wait: month.liveness.longest().as_secs(),
        stream_records: state.records.len(),
        digest: hasher.finish(),
    }
}
