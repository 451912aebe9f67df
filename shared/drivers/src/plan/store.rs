//! Planned batches in the table.

use carillon_nouns::batch::{self, Batch};
use carillon_nouns::campaign::{self, Campaign};
use carillon_nouns::quota;
use carillon_table::{StoreError, Table, condition_held};
use jiff::Timestamp;

/// Stores a batch, the campaign as it is after it, and the reservations of the batch: all
/// or nothing. `false` where the campaign or the quota changed meanwhile, or where not
/// enough reservations are free.
pub async fn create_batch(
    table: &Table,
    batch: &Batch,
    after: &Campaign,
    seen_version: u64,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let mut writes =
        vec![batch::store::creation(batch)?, campaign::store::replacement(after, seen_version)?];
    if let Some(group) = &batch.quota_group {
        let mut quota = quota::store::get(table, group).await?;
        if quota.free(now) < u64::from(batch.size) {
            return Ok(false);
        }
        let seen_quota = quota.version;
        quota.reserve(batch.size, now);
        writes.push(quota::store::replacement(group, &quota, seen_quota)?);
    }
    condition_held(table.transact(writes).await)
}
