//! Recipients in the table.

use std::collections::BTreeMap;

use carillon_foundations::ids::{CampaignId, ContactId, RunId};
use carillon_foundations::time::sortable;
use carillon_table::{
    Key, ListedAs, Page, Shape, StoreError, Table, Unreadable, Update, Write, condition_held,
    read_item,
};
use futures::future::try_join_all;
use jiff::Timestamp;

use super::{
    BatchNumber, CancelReason, Cursor, Decision, DeliveryStatus, ERASED, Event, Position,
    Recipient, RecipientKey, RecipientSet, RetryCause, Settlement, ShardRange, SkipReason,
    SpentReservation, Status, Transition, WaitsFor, transition,
};

/// Adds a recipient; `false` where the contact is in the campaign already. One that the walk has
/// passed goes before it.
pub async fn add(
    table: &Table,
    key: &RecipientKey,
    recipient: &Recipient,
    is_passed: bool,
) -> Result<bool, StoreError> {
    let write = Write::create(&key.table_key(), recipient)?;
    let write = if is_passed && recipient.status == Status::Pending {
        write.listed(ListedAs::BeforeWalk(key.campaign), &sortable(recipient.imported_at))
    } else {
        write
    };
    condition_held(table.write(write).await)
}

/// The recipients of a campaign with these contacts, in this order, without those that do not
/// exist.
pub async fn many(
    table: &Table,
    of: RecipientSet,
    contacts: &[ContactId],
) -> Result<Vec<Recipient>, StoreError> {
    let keys: Vec<Key> = contacts.iter().map(|one| of.key(*one).table_key()).collect();
    let recipients = table.get_many::<Recipient>(&keys).await?.into_iter();
    let mut found: BTreeMap<_, _> = recipients.map(|(_, one)| (one.contact, one)).collect();
    Ok(contacts.iter().filter_map(|contact| found.remove(contact)).collect())
}

/// The recipients of a campaign that go before its walk and are due, the earliest first, at most
/// `limit`. One that can't be read does not hide the others. Eventually consistent: some may be
/// claimed or settled since.
pub async fn before_walk(
    table: &Table,
    campaign: CampaignId,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Result<ContactId, Unreadable>>, StoreError> {
    let list = ListedAs::BeforeWalk(campaign);
    let found = table.list_until::<Recipient>(list, &sortable(now), limit).await?;
    Ok(found.into_iter().map(|one| one.map(|recipient| recipient.contact)).collect())
}

/// Lets a pending recipient whom the walk has passed go before it, at `due_at` or later. Does
/// nothing where it is no longer pending.
pub async fn go_before_walk(
    table: &Table,
    key: &RecipientKey,
    attempt: u32,
    due_at: Timestamp,
) -> Result<(), StoreError> {
    let pending = at(key, Position { attempt, status: Status::Pending });
    passed(table, listed(pending, key, due_at)).await.map(drop)
}

/// Takes a recipient that is no longer pending from the list of those who go before the walk.
pub async fn unlist(
    table: &Table,
    key: &RecipientKey,
    found: &Recipient,
) -> Result<(), StoreError> {
    passed(table, unlisted(at(key, found.position()))).await.map(drop)
}

fn listed(update: Update, key: &RecipientKey, due_at: Timestamp) -> Update {
    update
        .set(Shape::LISTED_AS, ListedAs::BeforeWalk(key.campaign).to_string())
        .set(Shape::LISTED_AT, sortable(due_at))
}

fn unlisted(update: Update) -> Update {
    update.remove(Shape::LISTED_AS).remove(Shape::LISTED_AT)
}

/// Reads one recipient.
pub async fn get(table: &Table, key: &RecipientKey) -> Result<Option<Recipient>, StoreError> {
    table.get(&key.table_key()).await
}

/// The recipients of a contact in several campaigns.
pub async fn in_campaigns(
    table: &Table,
    contact: ContactId,
    campaigns: impl IntoIterator<Item = RecipientSet>,
) -> Result<Vec<(RecipientKey, Recipient)>, StoreError> {
    let keys: Vec<Key> =
        campaigns.into_iter().map(|recipients| recipients.key(contact).table_key()).collect();
    let found = table.get_many::<Recipient>(&keys).await?.into_iter();
    Ok(found.filter_map(|(key, one)| Some((RecipientKey::read(&key)?, one))).collect())
}

/// The keys of the recipients of a contact that were sent to since `since`, newest first:
/// all, or the latest 25. Eventually consistent.
pub async fn sent_to(
    table: &Table,
    contact: ContactId,
    since: Timestamp,
    all: bool,
) -> Result<Vec<RecipientKey>, StoreError> {
    let keys = table.sent_to(contact, since, all).await?;
    Ok(keys.iter().filter_map(RecipientKey::read).collect())
}

/// Removes what a recipient says of an erased person: the columns, the provider's message id,
/// which may hold the phone number, and the reason. Its status stays, unless it waits: then
/// it is skipped. `false` where it has changed since it was read.
pub async fn erase(
    table: &Table,
    key: &RecipientKey,
    found: &Recipient,
) -> Result<bool, StoreError> {
    let update = unlisted(at(key, found.position()))
        .set("columns", BTreeMap::<String, String>::new())
        .set("message_id", ERASED)
        .remove("reason")
        .remove("not_before")
        .remove("waits_for");
    let update = match found.status {
        Status::Pending => status(update, Status::Skipped).set("skip_reason", SkipReason::Erased),
        _ => update,
    };
    condition_held(table.update(update).await)
}

/// One page of a campaign's recipients in the order of [`Cursor`], after one or from the first on,
/// and the cursor of its last one; `None` after the last shard.
pub async fn walk(
    table: &Table,
    of: RecipientSet,
    after: Option<&Cursor>,
    limit: u32,
) -> Result<(Vec<Recipient>, Option<Cursor>), StoreError> {
    let Cursor { shard: first, contact } = after.copied().unwrap_or(Cursor::start_of(0));
    let mut range = ShardRange { shard: first, after: contact, until: None };
    while range.shard < of.shards {
        let shard = range.shard;
        let (page, _) = of_range(table, of, &range, limit).await?;
        if let Some(recipient) = page.last() {
            let contact = Some(recipient.contact);
            return Ok((page, Some(Cursor { shard, contact })));
        }
        range = ShardRange { shard: shard + 1, after: None, until: None };
    }
    Ok((Vec::new(), None))
}

/// The first `limit` recipients of a range, and whether there are more.
pub async fn of_range(
    table: &Table,
    of: RecipientSet,
    range: &ShardRange,
    limit: u32,
) -> Result<(Vec<Recipient>, bool), StoreError> {
    let ShardRange { shard, after, until } = *range;
    let from = match after {
        Some(contact) => format!("{}\u{0}", Key::recipient_sk(contact)),
        None => Key::RECIPIENTS.to_owned(),
    };
    let to = match until {
        Some(contact) => Key::recipient_sk(contact),
        None => format!("{}\u{10FFFF}", Key::RECIPIENTS),
    };
    if from > to {
        return Ok((Vec::new(), false));
    }
    let pk = Key::Counters { campaign: of.campaign, shard }.pk();
    let page: Page<Recipient> = table.query(&pk, (&from, &to), None, limit).await?;
    Ok((page.items, page.next.is_some()))
}

/// Reads on in all ranges at once (a campaign has few shards), at most `limit` recipients of
/// each, which come in turns. The ranges then begin behind them; those that were read to their
/// end are gone.
pub async fn in_turns(
    table: &Table,
    of: RecipientSet,
    ranges: &mut Vec<ShardRange>,
    limit: u32,
) -> Result<Vec<Recipient>, StoreError> {
    let reading = ranges.iter().map(|range| of_range(table, of, range, limit));
    let pages = try_join_all(reading.collect::<Vec<_>>()).await?;
    let mut rest = Vec::with_capacity(ranges.len());
    let mut columns = Vec::with_capacity(pages.len());
    for (range, (page, has_more)) in ranges.iter().zip(pages) {
        if has_more {
            let last = page.last().map(|last| last.contact);
            rest.push(ShardRange { after: last.or(range.after), ..*range });
        }
        columns.push(page.into_iter());
    }
    *ranges = rest;
    let mut turns = Vec::new();
    loop {
        let before = turns.len();
        turns.extend(columns.iter_mut().filter_map(Iterator::next));
        if turns.len() == before {
            return Ok(turns);
        }
    }
}

/// The recipient's part of a claim by a run over a batch: it fails unless the recipient is
/// pending in that attempt.
pub fn claim_update(
    key: &RecipientKey,
    attempt: u32,
    (batch, run): (BatchNumber, RunId),
    now: Timestamp,
) -> Update {
    let pending = unlisted(at(key, Position { attempt, status: Status::Pending }));
    status(pending, Status::Sending)
        .set("batch", batch)
        .set("run", run)
        .set("sent_at", sortable(now))
        .remove("not_before")
        .remove("waits_for")
        .remove("reason")
}

/// Settles an attempt that the provider accepted.
pub async fn settle_accepted(
    table: &Table,
    key: &RecipientKey,
    attempt: u32,
    message_id: &str,
    note: Option<&str>,
) -> Result<(), StoreError> {
    let update = status(Update::of(&key.table_key()), Status::Sent)
        .set("message_id", message_id)
        .set_or_remove("reason", note)
        .remove("throttled_since")
        .when("#attempt = :attempt AND #rank BETWEEN :sending AND :unconfirmed")
        .value("attempt", attempt)
        .value("sending", Status::Sending.rank())
        .value("unconfirmed", Status::Unconfirmed.rank());
    match table.update(update).await {
        Ok(_) => Ok(()),
        // A webhook arrived before the answer: only the message id is missing.
        Err(StoreError::Condition(_)) => store_message_id(table, key, attempt, message_id).await,
        Err(error) => Err(error),
    }
}

async fn store_message_id(
    table: &Table,
    key: &RecipientKey,
    attempt: u32,
    message_id: &str,
) -> Result<(), StoreError> {
    let update = Update::of(&key.table_key())
        .set_once("message_id", message_id)
        .when("#attempt = :attempt")
        .value("attempt", attempt);
    passed(table, update).await.map(drop)
}

/// Settles an attempt that was not accepted. `false` where the recipient had moved on.
pub async fn settle(
    table: &Table,
    key: &RecipientKey,
    attempt: u32,
    settlement: &Settlement,
) -> Result<bool, StoreError> {
    let Settlement { decision, code, at: now, spent } = settlement;
    let update = Update::of(&key.table_key())
        .set_or_remove("code", *code)
        .set_or_remove("reason", decision.reason())
        .when("#attempt = :attempt AND #rank BETWEEN :sending AND :sent")
        .value("attempt", attempt)
        .value("sending", Status::Sending.rank())
        .value("sent", Status::Sent.rank());
    let update = match spent {
        Some(spent) => update.include("spent", &spent.to_string()),
        None => update,
    };
    let update = match decision {
        Decision::Retry { not_before, waits_for, cause, .. } => {
            let pending = status(update, Status::Pending);
            let update = listed(pending, key, *not_before)
                .set("attempt", attempt + 1)
                .set("not_before", sortable(*not_before))
                .set("waits_for", waits_for)
                .remove("message_id");
            match cause {
                RetryCause::Refused => update.remove("throttled_since"),
                RetryCause::Throttled => {
                    update.add("uncounted", 1).set_once("throttled_since", now)
                }
            }
        }
        Decision::Fail { .. } => status(update, Status::Failed).set("failed_at", sortable(*now)),
        Decision::Skip { reason } => status(update, Status::Skipped).set("skip_reason", reason),
        Decision::Unconfirmed { .. } => status(update, Status::Unconfirmed)
            .when("#rank < :unconfirmed")
            .value("unconfirmed", Status::Unconfirmed.rank()),
    };
    passed(table, update).await
}

/// Gives a claimed attempt back that was never handed to the provider: the recipient is pending
/// again and goes before the walk, in a new attempt that does not count. Only the run that claimed it at `claimed_at`
/// knows that; where another run has settled the claim as lost meanwhile, it is taken back.
/// `false` where the recipient has moved on.
pub async fn give_back(
    table: &Table,
    key: &RecipientKey,
    attempt: u32,
    claimed_at: Timestamp,
    spent: Option<SpentReservation>,
) -> Result<bool, StoreError> {
    let pending = status(Update::of(&key.table_key()), Status::Pending);
    let update = listed(pending, key, claimed_at)
        .set("attempt", attempt + 1)
        .add("uncounted", 1)
        .remove("reason")
        .when("#attempt = :attempt AND #rank BETWEEN :sending AND :unconfirmed")
        .when("#sent_at = :claimed")
        .value("attempt", attempt)
        .value("claimed", sortable(claimed_at))
        .value("sending", Status::Sending.rank())
        .value("unconfirmed", Status::Unconfirmed.rank());
    let update = match spent {
        Some(spent) => update.include("spent", &spent.to_string()),
        None => update,
    };
    passed(table, update).await
}

/// Settles a claim whose sender is gone: it is unknown whether the message was sent.
pub async fn settle_lost(
    table: &Table,
    key: &RecipientKey,
    attempt: u32,
    now: Timestamp,
) -> Result<(), StoreError> {
    let reason = "the sender stopped before the answer arrived".to_owned();
    let decision = Decision::Unconfirmed { reason };
    let settlement = Settlement { decision, code: None, at: now, spent: None };
    settle(table, key, attempt, &settlement).await.map(drop)
}

fn status(update: Update, status: Status) -> Update {
    update.set("status", status).set("rank", status.rank())
}

/// Skips a pending recipient; `detail` says more than the reason. `false` where it was no
/// longer pending.
pub async fn skip(
    table: &Table,
    key: &RecipientKey,
    attempt: u32,
    reason: SkipReason,
    detail: Option<&str>,
) -> Result<bool, StoreError> {
    passed(table, skip_update(key, attempt, reason, detail)).await
}

/// The change that skips a recipient: it fails unless the recipient is pending in that attempt.
pub fn skip_update(
    key: &RecipientKey,
    attempt: u32,
    reason: SkipReason,
    detail: Option<&str>,
) -> Update {
    let update = at(key, Position { attempt, status: Status::Pending });
    status(unlisted(update), Status::Skipped)
        .set("skip_reason", reason)
        .set_or_remove("reason", detail)
        .remove("not_before")
        .remove("waits_for")
}

/// Lets a pending recipient wait until `not_before`. `false` where it was no longer pending.
pub async fn defer(
    table: &Table,
    key: &RecipientKey,
    attempt: u32,
    not_before: Timestamp,
    waits_for: WaitsFor,
) -> Result<bool, StoreError> {
    let update = at(key, Position { attempt, status: Status::Pending });
    let update = listed(update, key, not_before)
        .set("not_before", sortable(not_before))
        .set("waits_for", waits_for)
        .set("reason", waits_for.text());
    condition_held(table.update(update).await)
}

/// Cancels a pending recipient. `false` where it was no longer pending.
pub async fn cancel(
    table: &Table,
    key: &RecipientKey,
    attempt: u32,
    reason: CancelReason,
) -> Result<bool, StoreError> {
    let update =
        at(key, Position { attempt, status: Status::Pending }).set("reason", reason.text());
    passed(table, status(unlisted(update), Status::Cancelled)).await
}

/// Retries an unconfirmed recipient on a person's request: the first message may have
/// arrived. `false` where it is no longer unconfirmed.
pub async fn retry_unconfirmed(
    table: &Table,
    key: &RecipientKey,
    found: &Recipient,
    now: Timestamp,
) -> Result<bool, StoreError> {
    passed(table, retry_update(key, found, now)).await
}

/// The change that retries a recipient: it fails unless it is unconfirmed in the attempt that was
/// read, and was not erased since.
pub fn retry_update(key: &RecipientKey, found: &Recipient, now: Timestamp) -> Update {
    let attempt = found.attempt;
    let update = at(key, Position { attempt, status: Status::Unconfirmed })
        .unchanged("message_id", found.message_id.as_deref());
    let update = match found.spends() {
        Some(spent) => update.include("spent", &spent.to_string()),
        None => update,
    };
    status(listed(update, key, now), Status::Pending)
        .set("attempt", attempt + 1)
        .remove("message_id")
        .remove("not_before")
        .remove("waits_for")
        .remove("reason")
        .remove("code")
}

/// Records an event of a webhook or of a person. `true` where the status changed.
/// Idempotent: a repeated event changes nothing.
pub async fn record(
    table: &Table,
    key: &RecipientKey,
    event: Event,
    at_time: Timestamp,
    message_id: Option<&str>,
) -> Result<bool, StoreError> {
    let item = match table.update(advance(key, event, at_time, message_id)).await {
        Ok(_) => return Ok(true),
        Err(StoreError::Condition(None)) => return Ok(false),
        Err(StoreError::Condition(Some(item))) => item,
        Err(error) => return Err(error),
    };
    let found: Recipient = read_item(*item)?;
    let position = found.position();
    let unmoved = at(key, position);
    let time = event.status.time_attribute();
    match transition(position, event) {
        Transition::Ignore => Ok(false),
        Transition::Advance => Box::pin(record(table, key, event, at_time, message_id)).await,
        Transition::KeepTime => {
            let update = unmoved.set_once(time, sortable(at_time));
            let update = match message_id {
                Some(id) => update.set_once("message_id", id),
                None => update,
            };
            passed(table, update).await.map(|_| false)
        }
        Transition::DropRetry | Transition::Restore => {
            let update = status(unlisted(unmoved), event.status.status())
                .set("attempt", event.attempt)
                .set(time, sortable(at_time))
                .set_or_remove("message_id", message_id)
                .remove("not_before")
                .remove("waits_for")
                .remove("reason");
            // Of an attempt that was restored away it is not known when it was claimed.
            let update = match event.status {
                DeliveryStatus::Sent => update,
                _ => update.set_once(DeliveryStatus::Sent.time_attribute(), sortable(at_time)),
            };
            passed(table, update).await
        }
    }
}

/// The change that closes the lead of a recipient: it fails unless the recipient is as it was
/// read.
pub fn close_update(key: &RecipientKey, found: &Recipient, now: Timestamp) -> Update {
    status(at(key, found.position()), Status::Closed)
        .set_once(DeliveryStatus::Closed.time_attribute(), sortable(now))
}

/// The write for the usual case, [`Transition::Advance`], whose condition stands for
/// [`transition`]: one request instead of a read and a write.
fn advance(
    key: &RecipientKey,
    event: Event,
    at_time: Timestamp,
    message_id: Option<&str>,
) -> Update {
    let reported = event.status;
    let update = status(Update::of(&key.table_key()), reported.status())
        .set_once(reported.time_attribute(), sortable(at_time))
        .when("#attempt = :attempt AND #rank >= :sending AND #rank < :reported")
        .value("attempt", event.attempt)
        .value("sending", Status::Sending.rank())
        .value("reported", reported.status().rank());
    match message_id {
        Some(id) => update.set_once("message_id", id),
        None => update,
    }
}

fn at(key: &RecipientKey, position: Position) -> Update {
    Update::of(&key.table_key())
        .when("#attempt = :attempt AND #rank = :rank AND #status = :status")
        .value("attempt", position.attempt)
        .value("rank", position.status.rank())
        .value("status", position.status)
}

async fn passed(table: &Table, update: Update) -> Result<bool, StoreError> {
    condition_held(table.update(update).await)
}
