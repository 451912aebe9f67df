//! Enqueues batches: those that are open, and those whose message is in the dead-letter queue.

use carillon_nouns::batch::{self, Batch};
use carillon_table::Table;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::error::DeliveryError;
use super::queue::{SendMessage, SendQueue};

/// How long a dead letter is invisible to others while it is redriven, in seconds.
const VISIBILITY_SECONDS: i32 = 60;

/// Enqueues a batch: records it, then sends its message. `false` where the batch is done.
pub async fn enqueue(
    table: &Table,
    queue: &SendQueue,
    batch: &Batch,
    now: Timestamp,
) -> Result<bool, DeliveryError> {
    let recorded = batch::store::record_enqueued(table, &batch.name, now).await?;
    let Some(times) = recorded else { return Ok(false) };
    queue.send(batch, times).await?;
    Ok(true)
}

/// The result of a redrive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Redriven {
    /// Batches that were enqueued again.
    pub redriven: u32,
    /// Messages whose batch is done.
    pub done_already: u32,
    /// Messages that this version cannot read, and renewals of uploaded files; they were
    /// deleted. The scheduler requeues open batches and repeats renewals from the table.
    pub dropped: u32,
}

/// Enqueues the batches of all dead letters again.
pub async fn redrive(
    table: &Table,
    queue: &SendQueue,
    now: Timestamp,
) -> Result<Redriven, DeliveryError> {
    let mut outcome = Redriven::default();
    loop {
        let letters = queue.dead_letters(VISIBILITY_SECONDS).await?;
        if letters.is_empty() {
            return Ok(outcome);
        }
        for letter in letters {
            match SendMessage::from_body(&letter.body) {
                // The scheduler repeats a renewal.
                Err(_) | Ok(SendMessage::RenewMedia { .. }) => outcome.dropped += 1,
                Ok(SendMessage::Batch(name)) => {
                    let is_open = match batch::store::get(table, &name).await? {
                        Some(batch) => enqueue(table, queue, &batch, now).await?,
                        None => false,
                    };
                    if is_open {
                        outcome.redriven += 1;
                    } else {
                        outcome.done_already += 1;
                    }
                }
            }
            queue.delete_dead_letter(&letter).await?;
        }
    }
}
