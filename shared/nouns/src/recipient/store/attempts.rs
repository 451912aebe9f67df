//! Attempts: claimed, settled, given back, retried.

use carillon_foundations::ids::RunId;
use carillon_foundations::time::sortable;
use carillon_table::{StoreError, Table, Update};
use jiff::Timestamp;

use super::updates::{at, listed, passed, status, unlisted};
use crate::recipient::{
    BatchNumber, Decision, Position, Recipient, RecipientKey, RetryCause, Settlement,
    SpentReservation, Status,
};

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
