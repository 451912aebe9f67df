//! Recipients who wait: added, deferred, skipped, cancelled.

use std::collections::BTreeMap;

use carillon_foundations::time::sortable;
use carillon_table::{ListedAs, StoreError, Table, Update, Write, condition_held};
use jiff::Timestamp;

use super::updates::{at, listed, passed, status, unlisted};
use crate::recipient::{
    CancelReason, ERASED, Position, Recipient, RecipientKey, SkipReason, Status, WaitsFor,
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

/// Skips a pending recipient as a duplicate of its twin. `false` where either is no longer where
/// it was read: each of two runs might take the other's recipient for the one that goes first.
pub async fn skip_as_duplicate(
    table: &Table,
    key: &RecipientKey,
    attempt: u32,
    twin: (&RecipientKey, Position),
) -> Result<bool, StoreError> {
    let skip = skip_update(key, attempt, SkipReason::DuplicatePerson, None);
    let unmoved = at(twin.0, twin.1).check();
    condition_held(table.transact(vec![Write::Update(skip), unmoved]).await)
}

/// Cancels a pending recipient. `false` where it was no longer pending.
pub async fn cancel(
    table: &Table,
    key: &RecipientKey,
    attempt: u32,
    reason: CancelReason,
) -> Result<bool, StoreError> {
    passed(table, cancel_update(key, attempt, reason)).await
}

/// The change that cancels a recipient: it fails unless the recipient is pending in that attempt.
pub fn cancel_update(key: &RecipientKey, attempt: u32, reason: CancelReason) -> Update {
    let pending = at(key, Position { attempt, status: Status::Pending });
    status(unlisted(pending), Status::Cancelled).set("reason", reason.text())
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
