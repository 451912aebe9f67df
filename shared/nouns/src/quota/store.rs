//! Quotas in the table.

use std::collections::BTreeMap;

use carillon_foundations::ids::RunId;
use carillon_table::{Key, StoreError, Table, Write};
use jiff::Timestamp;

use super::Quota;

/// The quota of a group; an unlimited one where none was stored.
pub async fn get(table: &Table, group: &str) -> Result<Quota, StoreError> {
    Ok(table.get(&Key::Quota(group.to_owned())).await?.unwrap_or_default())
}

/// Merges the quota of the same group from another table.
pub async fn merge(table: &Table, group: &str, other: &Quota) -> Result<(), StoreError> {
    change(table, group, |quota| quota.merge(other)).await
}

/// Records the limit that the provider reported; none for unlimited.
pub async fn record_limit(
    table: &Table,
    group: &str,
    contacts: Option<u64>,
    at: Timestamp,
) -> Result<(), StoreError> {
    change(table, group, |quota| quota.record_limit(contacts, at)).await
}

/// Assumes a limit until people configure one or the provider reports one.
pub async fn assume_limit(table: &Table, group: &str, contacts: u64) -> Result<(), StoreError> {
    change(table, group, |quota| quota.assume_limit(contacts)).await
}

/// Configures the limit; none to leave it to the provider.
pub async fn set_limit(table: &Table, group: &str, limit: Option<u64>) -> Result<(), StoreError> {
    change(table, group, |quota| {
        quota.limit = limit;
        quota.version += 1;
    })
    .await
}

/// Reserves one contact, for a message outside any batch; `false` where no reservation
/// is free.
pub async fn reserve_one(table: &Table, group: &str, now: Timestamp) -> Result<bool, StoreError> {
    loop {
        let mut quota = get(table, group).await?;
        if quota.free(now) == 0 {
            return Ok(false);
        }
        let seen = quota.version;
        quota.reserve(1, now);
        match table.write(replacement(group, &quota, seen)?).await {
            Ok(()) => return Ok(true),
            Err(StoreError::Condition(_)) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Refunds one reservation of a bucket, for a message outside any batch.
pub async fn refund_one(table: &Table, group: &str, bucket: i64) -> Result<(), StoreError> {
    change(table, group, |quota| quota.refund(1, bucket)).await
}

/// Refunds the reservations that a run did not need, by bucket.
pub async fn refund(
    table: &Table,
    group: &str,
    run: RunId,
    refunds: &BTreeMap<i64, u32>,
) -> Result<(), StoreError> {
    if refunds.is_empty() {
        return Ok(());
    }
    change(table, group, |quota| quota.refund_once(run, refunds)).await
}

async fn change(table: &Table, group: &str, change: impl Fn(&mut Quota)) -> Result<(), StoreError> {
    loop {
        let mut quota = get(table, group).await?;
        let seen = quota.version;
        change(&mut quota);
        match table.write(replacement(group, &quota, seen)?).await {
            Err(StoreError::Condition(_)) => {}
            outcome => return outcome,
        }
    }
}

/// The write that replaces a quota which still has the version `seen`.
pub fn replacement(group: &str, quota: &Quota, seen: u64) -> Result<Write, StoreError> {
    let key = Key::Quota(group.to_owned());
    if seen == 0 {
        return Write::create(&key, quota);
    }
    Ok(Write::put(&key, quota)?.if_version(seen))
}
