//! Stored answers in the table.

use jiff::Timestamp;
use serde::Deserialize;

use super::{ANSWER_TTL, IN_PROGRESS_TIMEOUT, Request, StoredAnswer, Verdict};
use carillon_foundations::time::sortable;
use carillon_table::{Key, StoreError, Table, Update, Write, read_item};

/// What is stored of a request in progress.
#[derive(Deserialize)]
struct Asked {
    asked_at: Timestamp,
}

/// Begins a request, or finds the outcome of an earlier one with its key.
pub async fn begin(
    table: &Table,
    request: &Request,
    now: Timestamp,
) -> Result<Verdict, StoreError> {
    let update = Update::of(&Key::Idempotency(request.key.clone()))
        .set("fingerprint", &request.fingerprint)
        .set("began_at", sortable(now))
        .set_once("asked_at", sortable(now))
        .set("expires_at", (now + ANSWER_TTL).as_second())
        .when("attribute_not_exists(#fingerprint) OR #expires_at <= :now OR (attribute_not_exists(#status) AND #began_at <= :stale)")
        .value("now", now.as_second())
        .value("stale", sortable(now - IN_PROGRESS_TIMEOUT))
        .remove("status")
        .remove("body")
        .remove("headers");
    match table.update(update).await {
        Ok(item) => {
            let Asked { asked_at } = read_item(item)?;
            let is_of_today = now < asked_at + ANSWER_TTL;
            let is_repeated = is_of_today && sortable(asked_at) != sortable(now);
            Ok(Verdict::First { repeats: is_repeated.then_some(asked_at) })
        }
        Err(StoreError::Condition(Some(item))) => Ok(verdict(request, read_item(*item)?)),
        Err(StoreError::Condition(None)) => Ok(Verdict::InProgress),
        Err(error) => Err(error),
    }
}

fn verdict(request: &Request, found: StoredAnswer) -> Verdict {
    if found.fingerprint != request.fingerprint {
        return Verdict::Mismatch;
    }
    if found.status.is_some() { Verdict::Replay(found) } else { Verdict::InProgress }
}

/// Stores the answer.
pub async fn finish(
    table: &Table,
    request: &Request,
    answer: &StoredAnswer,
) -> Result<(), StoreError> {
    table.write(Write::put(&Key::Idempotency(request.key.clone()), answer)?).await
}

/// Deletes a request that was not executed, so that it can be repeated.
pub async fn forget(table: &Table, request: &Request) -> Result<(), StoreError> {
    table.write(Write::delete(&Key::Idempotency(request.key.clone()))).await
}
