//! Bringing back what was laid aside.

use serde::Serialize;
use utoipa::ToSchema;

use super::{DeliveryError, SendMessage, SendQueue};
use crate::plan::{self, BatchRef};
use crate::table::Table;
use crate::time::Timestamp;

/// How long a message is hidden from others while it is brought back, in seconds.
const HIDDEN: i32 = 60;

/// What became of the messages that had been laid aside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Redriven {
    /// Batches that were put on the queue again.
    pub redriven: u32,
    /// Messages whose batch was done meanwhile: the scheduler puts what it misses
    /// back by itself.
    pub done_already: u32,
    /// Messages that no version of this program understands; they were dropped.
    /// Nothing is lost with them: what should be on the queue is in the table.
    pub dropped: u32,
}

/// Puts the batches whose messages were laid aside on the queue again.
pub async fn redrive(
    table: &Table,
    queue: &SendQueue,
    now: Timestamp,
) -> Result<Redriven, DeliveryError> {
    let mut outcome = Redriven::default();
    loop {
        let failures = queue.failures(HIDDEN).await?;
        if failures.is_empty() {
            return Ok(outcome);
        }
        for failed in failures {
            match SendMessage::from_body(&failed.body) {
                Err(_) => outcome.dropped += 1,
                Ok(SendMessage::Batch(name)) => {
                    if put_back(table, queue, &name, now).await? {
                        outcome.redriven += 1;
                    } else {
                        outcome.done_already += 1;
                    }
                }
            }
            queue.forget_failure(&failed).await?;
        }
    }
}

/// Puts a batch on the queue; `false` when there is nothing left to do for it.
async fn put_back(
    table: &Table,
    queue: &SendQueue,
    name: &BatchRef,
    now: Timestamp,
) -> Result<bool, DeliveryError> {
    let Some(batch) = plan::store::get(table, name).await? else { return Ok(false) };
    let Some(times) = plan::store::note_enqueued(table, name, now).await? else {
        return Ok(false);
    };
    queue.send(&batch, times).await?;
    Ok(true)
}
