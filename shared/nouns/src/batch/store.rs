//! Batches in the table.

use carillon_foundations::ids::{CampaignId, RunId};
use carillon_foundations::time::{Timestamp, sortable};
use carillon_table::{
    Key, ListedAs, Page, StoreError, Table, Unreadable, Update, Write, condition_held,
    exclusive_start_key, read_item,
};
use jiff::civil::Date;

use super::{Batch, BatchRef, BatchStatus, Lease, Unread};
use crate::recipient::{self, Recipient, RecipientSet};

/// How many of a campaign's latest batches [`latest_open`] reads.
const LATEST: u32 = 100;
/// How many recipients of a batch are read at a time.
const READ_AT_ONCE: u32 = 500;

impl BatchRef {
    fn table_key(&self) -> Key {
        Key::Batch { campaign: self.campaign, date: self.date, number: self.number }
    }
}

/// Reads a batch.
pub async fn get(table: &Table, name: &BatchRef) -> Result<Option<Batch>, StoreError> {
    table.get(&name.table_key()).await
}

/// All batches that are not done.
pub async fn open(table: &Table) -> Result<Vec<Batch>, StoreError> {
    table.list_all(ListedAs::OpenBatches, false).await
}

/// As [`open`], but one that can't be read does not hide the others.
pub async fn each_open(table: &Table) -> Result<Vec<Result<Batch, Unreadable>>, StoreError> {
    table.list_each(ListedAs::OpenBatches).await
}

/// Those of a campaign's latest 100 batches that are open. The list of open batches is
/// eventually consistent, this is not.
pub async fn latest_open(table: &Table, campaign: CampaignId) -> Result<Vec<Batch>, StoreError> {
    let (pk, last) = (Key::Campaign(campaign).pk(), format!("{}\u{10FFFF}", Key::BATCHES));
    let mut page: Page<Batch> = table.query_back(&pk, (Key::BATCHES, &last), None, LATEST).await?;
    page.items.retain(|batch| batch.status == BatchStatus::Open);
    Ok(page.items)
}

/// The next recipients of a batch, in turns over its shards, so that the writes that follow meet
/// all their partition keys; `None` at the end.
pub async fn read_on(
    table: &Table,
    of: RecipientSet,
    unread: &mut Unread,
) -> Result<Option<Vec<Recipient>>, StoreError> {
    if !unread.ranges.is_empty() {
        let shards = u32::try_from(unread.ranges.len()).unwrap_or(u32::MAX);
        let limit = (READ_AT_ONCE / shards).max(1);
        let page = recipient::store::in_turns(table, of, &mut unread.ranges, limit).await?;
        return Ok(Some(page));
    }
    let contacts = std::mem::take(&mut unread.contacts);
    if contacts.is_empty() {
        return Ok(None);
    }
    recipient::store::many(table, of, &contacts).await.map(Some)
}

/// All batches of a campaign, by day and number.
pub async fn of_campaign(table: &Table, campaign: CampaignId) -> Result<Vec<Batch>, StoreError> {
    table.query_all(&Key::Campaign(campaign).pk(), Key::BATCHES).await
}

/// At most `limit` batches of a campaign after one, by day and number, and whether there are
/// more.
pub async fn page(
    table: &Table,
    campaign: CampaignId,
    after: Option<(Date, u32)>,
    limit: u32,
) -> Result<(Vec<Batch>, bool), StoreError> {
    let after = after.map(|(date, number)| Key::Batch { campaign, date, number });
    let after = after.map(|key| exclusive_start_key(&key));
    let pk = Key::Campaign(campaign).pk();
    let mut page = table.query_prefix::<Batch>(&pk, Key::BATCHES, after, limit + 1).await?;
    let has_more = page.items.len() > limit as usize || page.next.is_some();
    page.items.truncate(limit as usize);
    Ok((page.items, has_more))
}

/// The write that creates a batch on the list of open batches.
pub fn creation(batch: &Batch) -> Result<Write, StoreError> {
    let listed_at = format!("{}#{}", sortable(batch.created_at), batch.name);
    let write = Write::create(&batch.name.table_key(), batch)?;
    Ok(write.listed(ListedAs::OpenBatches, &listed_at))
}

/// Records that a batch is about to be enqueued, and returns how often it has been, this
/// time included. `None` where it is done.
pub async fn record_enqueued(
    table: &Table,
    name: &BatchRef,
    now: Timestamp,
) -> Result<Option<u32>, StoreError> {
    let update = Update::of(&name.table_key())
        .add("enqueued", 1)
        .set("enqueued_at", now)
        .when("#status = :open")
        .value("open", BatchStatus::Open);
    match table.update(update).await {
        Ok(item) => Ok(Some(read_item::<Batch>(item)?.enqueued)),
        Err(StoreError::Condition(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Leases a batch; `None` where it is done or another run has a lease.
pub async fn lease(
    table: &Table,
    name: &BatchRef,
    lease: Lease,
    now: Timestamp,
) -> Result<Option<Batch>, StoreError> {
    let update = Update::of(&name.table_key())
        .add("runs", 1)
        .set("lease", lease)
        .set("lease_until", sortable(lease.until))
        .when("#status = :open")
        .when("attribute_not_exists(#lease_until) OR #lease_until <= :now")
        .value("open", BatchStatus::Open)
        .value("now", sortable(now));
    match table.update(update).await {
        Ok(item) => Ok(Some(read_item(item)?)),
        // The lease is ours where the answer to the same write was lost.
        Err(StoreError::Condition(Some(item))) => {
            let batch: Batch = read_item(*item)?;
            let ours = batch.lease.is_some_and(|held| held.run == lease.run);
            Ok(Some(batch).filter(|batch| ours && batch.status == BatchStatus::Open))
        }
        Err(StoreError::Condition(None)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Ends the lease of `run`, or any lease where its process is known to be gone. The batch
/// must then be enqueued again.
pub async fn break_lease(
    table: &Table,
    name: &BatchRef,
    run: Option<RunId>,
) -> Result<(), StoreError> {
    let update = Update::of(&name.table_key())
        .remove("lease")
        .remove("lease_until")
        .remove("enqueued_at")
        .when("#status = :open")
        .value("open", BatchStatus::Open);
    let update = match run {
        Some(run) => update.when("#lease.#run = :run").value("run", run),
        None => update,
    };
    condition_held(table.update(update).await).map(drop)
}

/// An update of an open batch whose reservations are in that bucket: they move to `bucket`.
pub fn bucket_update(batch: &Batch, bucket: i64) -> Update {
    Update::of(&batch.name.table_key())
        .set("bucket", bucket)
        .when("#bucket = :bucket")
        .value("bucket", batch.bucket)
}

/// An update of a batch that `run` has leased.
pub fn leased_update(batch: &Batch, run: RunId) -> Update {
    Update::of(&batch.name.table_key())
        .when("#status = :open AND #lease.#run = :run")
        .value("open", BatchStatus::Open)
        .value("run", run)
}
