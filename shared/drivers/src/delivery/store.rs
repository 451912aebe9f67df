//! The end of a batch, and the renewal of its reservations, in the table.

use carillon_foundations::ids::RunId;
use carillon_nouns::batch::{self, Batch, BatchStatus, CloseReason};
use carillon_nouns::campaign;
use carillon_nouns::quota::{self, bucket_at};
use carillon_table::{Shape, StoreError, Table, Update, Write, condition_held};
use jiff::Timestamp;

/// Moves the reservations of a batch that are not used yet to the bucket of `now`: a
/// reservation counts from when it is used.
pub(super) async fn renew_reservations(
    table: &Table,
    batch: &mut Batch,
    used: u32,
    now: Timestamp,
) -> Result<(), StoreError> {
    let bucket = bucket_at(now);
    while batch.bucket != bucket {
        let mut writes = vec![Write::Update(batch::store::bucket_update(batch, bucket))];
        if let Some(group) = &batch.quota_group {
            let mut quota = quota::store::get(table, group).await?;
            let seen = quota.version;
            quota.renew(batch.size.saturating_sub(used), batch.bucket, now);
            writes.push(quota::store::replacement(group, &quota, seen)?);
        }
        if condition_held(table.transact(writes).await)? {
            batch.bucket = bucket;
        } else {
            let found = batch::store::get(table, &batch.name).await?;
            batch.bucket = found.map_or(bucket, |found| found.bucket);
        }
    }
    Ok(())
}

/// How a run over a batch ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BatchEnd {
    /// How many reservations were used.
    pub(super) used: u32,
    /// Why the run ended before the end of the range, if it did.
    pub(super) early: Option<CloseReason>,
}

/// Closes a batch: it is done, the quota and the campaign's day get back what it did not use,
/// and if it ended early the walk goes back to its start. Does nothing where it is done
/// already, or where another run has leased it: that run knows what both have used.
pub(super) async fn close(
    table: &Table,
    batch: &Batch,
    run: RunId,
    end: &BatchEnd,
    now: Timestamp,
) -> Result<(), StoreError> {
    loop {
        let mut writes = vec![Write::Update(closed(batch, run, end, now))];
        writes.extend(refunds(table, batch, end).await?);
        if condition_held(table.transact(writes).await)? {
            return Ok(());
        }
        let found = batch::store::get(table, &batch.name).await?;
        let open = found.filter(|found| found.status == BatchStatus::Open);
        if open.and_then(|found| found.lease).is_none_or(|lease| lease.run != run) {
            return Ok(());
        }
    }
}

fn closed(batch: &Batch, run: RunId, end: &BatchEnd, now: Timestamp) -> Update {
    batch::store::leased_update(batch, run)
        .set("status", BatchStatus::Done)
        .set("used", end.used)
        .set("done_at", now)
        .set_or_remove("close_reason", end.early)
        .remove("lease")
        .remove("lease_until")
        .remove(Shape::LISTED_AS)
        .remove(Shape::LISTED_AT)
}

async fn refunds(table: &Table, batch: &Batch, end: &BatchEnd) -> Result<Vec<Write>, StoreError> {
    let unused = batch.size.saturating_sub(end.used);
    let mut writes = Vec::new();
    if let Some(group) = batch.quota_group.as_ref().filter(|_| unused > 0) {
        let mut quota = quota::store::get(table, group).await?;
        let seen = quota.version;
        quota.refund(unused, batch.bucket);
        writes.push(quota::store::replacement(group, &quota, seen)?);
    }
    if unused == 0 && end.early.is_none() {
        return Ok(writes);
    }
    if let Some(mut campaign) = campaign::store::get(table, batch.name.campaign).await? {
        let seen = campaign.version;
        campaign.version += 1;
        if let Some(day) = campaign.day.as_mut().filter(|day| day.date == batch.name.date) {
            day.planned = day.planned.saturating_sub(unused);
        }
        // Those who go before the walk are on their list as long as they wait.
        if end.early.is_some() && batch.is_range() {
            campaign.walk.rewind_to(&batch.ranges);
        }
        writes.push(campaign::store::replacement(&campaign, seen)?);
    }
    Ok(writes)
}
