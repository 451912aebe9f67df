//! Batches, sweeps and ledgers in the table.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::ledger::{Ledger, bucket_at};
use super::{Batch, BatchRef, BatchStatus, Cursor, Lease, Sweep};
use crate::campaign::{self, Campaign};
use crate::contact::ContactKey;
use crate::ids::RunId;
use crate::recipient::{self, store::Place};
use crate::table::{Items, Key, ListedAs, StoreError, Table, Update, Write, read_item};
use crate::time::sortable;

impl BatchRef {
    fn key(&self) -> Key {
        Key::Batch { campaign: self.campaign, date: self.date, number: self.number }
    }
}

/// Reads a batch.
pub async fn get(table: &Table, name: &BatchRef) -> Result<Option<Batch>, StoreError> {
    table.get(&name.key()).await
}

/// All batches that are not done.
pub async fn open_batches(table: &Table) -> Result<Vec<Batch>, StoreError> {
    collect(table, ListedAs::OpenBatches).await
}

/// All sweeps that are not done.
pub async fn open_sweeps(table: &Table) -> Result<Vec<Sweep>, StoreError> {
    collect(table, ListedAs::OpenSweeps).await
}

async fn collect<T: serde::de::DeserializeOwned>(
    table: &Table,
    list: ListedAs,
) -> Result<Vec<T>, StoreError> {
    let mut found = Vec::new();
    let mut after: Option<Items> = None;
    loop {
        let page = table.list(list, false, after, 500).await?;
        found.extend(page.items);
        after = page.next;
        if after.is_none() {
            return Ok(found);
        }
    }
}

/// The ledger of a portfolio; an unlimited one where none was set up.
pub async fn ledger(table: &Table, portfolio: &str) -> Result<Ledger, StoreError> {
    Ok(table.get(&Key::Ledger(portfolio.to_owned())).await?.unwrap_or_default())
}

/// Takes over what a ledger of the same portfolio in another table knows.
pub async fn take_over_ledger(
    table: &Table,
    portfolio: &str,
    other: &Ledger,
) -> Result<(), StoreError> {
    change_ledger(table, portfolio, |ledger| ledger.take_over(other)).await
}

/// Takes up how many unique people the provider says that a portfolio may reach in
/// 24 hours; none for unlimited.
pub async fn tell_portfolio_limit(
    table: &Table,
    portfolio: &str,
    people: Option<u64>,
    at: Timestamp,
) -> Result<(), StoreError> {
    change_ledger(table, portfolio, |ledger| ledger.tell(people, at)).await
}

/// Takes a limit of a portfolio to hold until people or the provider say otherwise.
pub async fn guess_portfolio_limit(
    table: &Table,
    portfolio: &str,
    people: u64,
) -> Result<(), StoreError> {
    change_ledger(table, portfolio, |ledger| ledger.guess(people)).await
}

/// Sets how many unique people a portfolio may reach in 24 hours at most; none to
/// leave that to the provider.
pub async fn set_portfolio_limit(
    table: &Table,
    portfolio: &str,
    limit: Option<u64>,
) -> Result<(), StoreError> {
    change_ledger(table, portfolio, |ledger| {
        ledger.limit = limit;
        ledger.version += 1;
    })
    .await
}

/// Takes one place of a portfolio, for a message outside any batch; `false` when
/// none is free.
pub async fn take_place(
    table: &Table,
    portfolio: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    loop {
        let mut found = ledger(table, portfolio).await?;
        if found.free(now) == 0 {
            return Ok(false);
        }
        let seen = found.version;
        found.take(1, now);
        match table.write(ledger_write(portfolio, &found, seen)?).await {
            Ok(()) => return Ok(true),
            Err(StoreError::Condition(_)) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Gives back places of a portfolio that a run found to be spared, by the bucket
/// they were counted in.
pub async fn give_back(
    table: &Table,
    portfolio: &str,
    run: RunId,
    spared: &BTreeMap<i64, u32>,
) -> Result<(), StoreError> {
    if spared.is_empty() {
        return Ok(());
    }
    change_ledger(table, portfolio, |ledger| ledger.give_back_once(run, spared)).await
}

async fn change_ledger(
    table: &Table,
    portfolio: &str,
    change: impl Fn(&mut Ledger),
) -> Result<(), StoreError> {
    loop {
        let mut found = ledger(table, portfolio).await?;
        let seen = found.version;
        change(&mut found);
        match table.write(ledger_write(portfolio, &found, seen)?).await {
            Err(StoreError::Condition(_)) => {}
            outcome => return outcome,
        }
    }
}

/// The write that replaces a ledger which still has the version `seen`.
fn ledger_write(portfolio: &str, ledger: &Ledger, seen: u64) -> Result<Write, StoreError> {
    let key = Key::Ledger(portfolio.to_owned());
    if seen == 0 {
        return Write::create(&key, ledger);
    }
    Ok(Write::put(&key, ledger)?.if_version(seen))
}

/// Writes a batch, the campaign as it is after it, and the places it takes, all
/// or none. `false` when the campaign or the ledger changed meanwhile, or the
/// places are no longer there.
pub async fn create(
    table: &Table,
    batch: &Batch,
    after: &Campaign,
    seen_version: u64,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let mut ledger = ledger(table, &batch.portfolio).await?;
    if ledger.free(now) < u64::from(batch.size) {
        return Ok(false);
    }
    let seen_ledger = ledger.version;
    ledger.take(batch.size, now);
    let listed_at = format!("{}#{}", sortable(batch.created_at), batch.name);
    let writes = vec![
        Write::create(&batch.name.key(), batch)?.listed(ListedAs::OpenBatches, &listed_at),
        campaign::store::replacement(after, seen_version)?,
        ledger_write(&batch.portfolio, &ledger, seen_ledger)?,
    ];
    match table.transact(writes).await {
        Ok(()) => Ok(true),
        Err(StoreError::Cancelled(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Notes that a batch is about to be put on the queue; gives how often it was,
/// this time included. `None` when it is done.
pub async fn note_enqueued(
    table: &Table,
    name: &BatchRef,
    now: Timestamp,
) -> Result<Option<u32>, StoreError> {
    let update = Update::of(&name.key())
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

/// Takes the lease of a batch; `None` when it is done or someone else has it.
pub async fn lease(
    table: &Table,
    name: &BatchRef,
    lease: Lease,
    now: Timestamp,
) -> Result<Option<Batch>, StoreError> {
    let update = Update::of(&name.key())
        .add("runs", 1)
        .set("lease", lease)
        .set("lease_until", sortable(lease.until))
        .when("#status = :open")
        .when("attribute_not_exists(#lease_until) OR #lease_until <= :now")
        .value("open", BatchStatus::Open)
        .value("now", sortable(now));
    match table.update(update).await {
        Ok(item) => Ok(Some(read_item(item)?)),
        // Ours already, when the answer to the same write was lost.
        Err(StoreError::Condition(Some(item))) => {
            let batch: Batch = read_item(*item)?;
            let ours = batch.lease.is_some_and(|held| held.run == lease.run);
            Ok(Some(batch).filter(|batch| ours && batch.status == BatchStatus::Open))
        }
        Err(StoreError::Condition(None)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Ends the lease of `run`, or anyone's when its process is known to be gone. The
/// batch then belongs on the queue again.
pub async fn break_lease(
    table: &Table,
    name: &BatchRef,
    run: Option<RunId>,
) -> Result<(), StoreError> {
    let update = Update::of(&name.key())
        .remove("lease")
        .remove("lease_until")
        .remove("enqueued_at")
        .when("#status = :open")
        .value("open", BatchStatus::Open);
    let update = match run {
        Some(run) => update.when("#lease.#run = :run").value("run", run),
        None => update,
    };
    match table.update(update).await {
        Ok(_) | Err(StoreError::Condition(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Counts those places of a batch that are not used yet in the bucket of `now`,
/// when they were counted in an older one: a place counts from when it is used.
pub async fn carry_over(
    table: &Table,
    batch: &mut Batch,
    used: u32,
    now: Timestamp,
) -> Result<(), StoreError> {
    let bucket = bucket_at(now);
    while batch.bucket != bucket {
        let mut ledger = ledger(table, &batch.portfolio).await?;
        let seen = ledger.version;
        ledger.carry_over(batch.size.saturating_sub(used), batch.bucket, now);
        let update = Update::of(&batch.name.key())
            .set("bucket", bucket)
            .when("#bucket = :bucket")
            .value("bucket", batch.bucket);
        let writes = vec![Write::Update(update), ledger_write(&batch.portfolio, &ledger, seen)?];
        match table.transact(writes).await {
            Ok(()) => batch.bucket = bucket,
            Err(StoreError::Cancelled(_)) => {
                let found = get(table, &batch.name).await?;
                batch.bucket = found.map_or(bucket, |found| found.bucket);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// How a run over a batch ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// How many places were used.
    pub used: u32,
    /// Set when the range was not walked to its end: why.
    pub cut_short: Option<String>,
}

/// Closes a batch: it is done, what it didn't use goes back to the ledger and to
/// the campaign's day, and if it was cut short the walk will come back to it.
/// Does nothing when it is done already, or when another run has taken it over:
/// that one knows what both have used.
pub async fn close(
    table: &Table,
    batch: &Batch,
    run: RunId,
    closing: &Closing,
    now: Timestamp,
) -> Result<(), StoreError> {
    let unused = batch.size.saturating_sub(closing.used);
    loop {
        let mut writes = vec![Write::Update(closed(batch, run, closing, now))];
        if unused > 0 || closing.cut_short.is_some() {
            writes.extend(unused_places(table, batch, closing, unused).await?);
        }
        match table.transact(writes).await {
            Ok(()) => return Ok(()),
            Err(StoreError::Cancelled(_)) => {
                let found = get(table, &batch.name).await?;
                let ours = found.filter(|found| found.status == BatchStatus::Open);
                if ours.and_then(|found| found.lease).is_none_or(|lease| lease.run != run) {
                    return Ok(());
                }
            }
            Err(error) => return Err(error),
        }
    }
}

fn closed(batch: &Batch, run: RunId, closing: &Closing, now: Timestamp) -> Update {
    Update::of(&batch.name.key())
        .set("status", BatchStatus::Done)
        .set("used", closing.used)
        .set("done_at", now)
        .set_or_remove("closed_for", closing.cut_short.as_deref())
        // Whom it went past doesn't matter any more, and they may want to be erased.
        .set("until", Cursor { shard: batch.until.shard, contact: String::new() })
        .remove("after")
        .remove("lease")
        .remove("lease_until")
        .remove(crate::table::Shape::LISTED_AS)
        .remove(crate::table::Shape::LISTED_AT)
        .when("#status = :open AND #lease.#run = :run")
        .value("open", BatchStatus::Open)
        .value("run", run)
}

async fn unused_places(
    table: &Table,
    batch: &Batch,
    closing: &Closing,
    unused: u32,
) -> Result<Vec<Write>, StoreError> {
    let mut writes = Vec::new();
    if unused > 0 {
        let mut ledger = ledger(table, &batch.portfolio).await?;
        let seen = ledger.version;
        ledger.give_back(unused, batch.bucket);
        writes.push(ledger_write(&batch.portfolio, &ledger, seen)?);
    }
    if let Some(mut campaign) = campaign::store::get(table, batch.name.campaign).await? {
        let seen = campaign.version;
        campaign.version += 1;
        if let Some(day) = campaign.day.as_mut().filter(|day| day.date == batch.name.date) {
            day.planned = day.planned.saturating_sub(unused);
        }
        if closing.cut_short.is_some() {
            campaign.walk.rewind_to(place_after(table, batch).await?);
        }
        writes.push(campaign::store::replacement(&campaign, seen)?);
    }
    Ok(writes)
}

/// Where a batch's range starts; the start of the shard when it starts behind someone
/// who was erased meanwhile.
async fn place_after(table: &Table, batch: &Batch) -> Result<Option<Cursor>, StoreError> {
    let Some(after) = &batch.after else { return Ok(None) };
    let Ok(contact) = after.contact.parse::<ContactKey>() else { return Ok(Some(after.clone())) };
    let place = Place { campaign: batch.name.campaign, shard: after.shard, contact };
    if recipient::store::get(table, &place).await?.is_some() {
        return Ok(Some(after.clone()));
    }
    Ok(Some(Cursor { shard: after.shard, contact: String::new() }))
}

/// Saves how far a sweep is.
pub async fn advance_sweep(table: &Table, sweep: &Sweep) -> Result<(), StoreError> {
    let write = Write::put(&Key::Sweep(sweep.campaign), sweep)?;
    table.write(write.listed(ListedAs::OpenSweeps, &sweep.campaign.to_string())).await
}

/// Ends a sweep.
pub async fn end_sweep(table: &Table, sweep: &Sweep) -> Result<(), StoreError> {
    table.write(Write::Delete(Key::Sweep(sweep.campaign))).await
}

/// How long a batch may stay unsent after it was put on the queue before it is
/// put there again: longer than any lane's work ahead.
pub const QUEUE_PATIENCE: SignedDuration = SignedDuration::from_mins(10);
