use carillon_nouns::batch::{self, Batch};
use carillon_table::Table;
use jiff::Timestamp;

use super::error::DeliveryError;
use super::queue::SendQueue;

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
