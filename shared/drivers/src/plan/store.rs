//! Planned batches in the table.

use carillon_nouns::batch::{self, Batch};
use carillon_nouns::campaign::{self, Campaign};
use carillon_nouns::quota;
use carillon_table::{Cancelled, StoreError, Table};
use jiff::Timestamp;

/// How often the creation of a batch is repeated that met another change of its quota.
const MAX_TRIES: u32 = 16;

/// Whether a batch was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creation {
    /// It was.
    Created,
    /// The campaign has changed since it was read, or others change the quota all the time.
    CampaignChanged,
    /// Not enough reservations are free.
    QuotaExhausted,
}

/// Stores a batch, the campaign as it is after it, and the reservations of the batch: all
/// or nothing. Repeated where the quota changes meanwhile.
pub async fn create_batch(
    table: &Table,
    batch: &Batch,
    after: &Campaign,
    seen_version: u64,
    now: Timestamp,
) -> Result<Creation, StoreError> {
    for _ in 0..MAX_TRIES {
        let mut writes = vec![
            campaign::store::replacement(after, seen_version)?,
            batch::store::creation(batch)?,
        ];
        if let Some(group) = &batch.quota_group {
            let mut quota = quota::store::get(table, group).await?;
            if quota.free(now) < u64::from(batch.size) {
                return Ok(Creation::QuotaExhausted);
            }
            let seen_quota = quota.version;
            quota.reserve(batch.size, now);
            writes.push(quota::store::replacement(group, &quota, seen_quota)?);
        }
        match table.transact(writes).await {
            Ok(()) => return Ok(Creation::Created),
            Err(StoreError::Cancelled(reasons)) => {
                let mut of_campaign = reasons.iter().take(2);
                if of_campaign.any(|reason| matches!(reason, Cancelled::Condition(_))) {
                    return Ok(Creation::CampaignChanged);
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Creation::CampaignChanged)
}
