//! What a webhook or a person reports of an attempt.

use carillon_foundations::time::sortable;
use carillon_table::{StoreError, Table, Update, read_item};
use jiff::Timestamp;

use super::reads::get;
use super::updates::{at, passed, status, unlisted};
use crate::recipient::{
    DeliveryStatus, Event, Recipient, RecipientKey, Status, Transition, transition,
};

/// Records an event of a webhook or of a person. `true` where the status changed.
/// Idempotent: a repeated event changes nothing.
pub async fn record(
    table: &Table,
    key: &RecipientKey,
    event: Event,
    at_time: Timestamp,
    message_id: Option<&str>,
) -> Result<bool, StoreError> {
    // That a message was sent is usually known by the answer to its request: it is looked up
    // first, because a read costs a fifth of a write whose condition fails.
    let mut seen = match event.status {
        DeliveryStatus::Sent => get(table, key).await?.map(Box::new),
        _ => match try_to_advance(table, key, event, at_time, message_id).await? {
            Advanced::Now => return Ok(true),
            Advanced::Not(seen) => seen,
        },
    };
    while let Some(found) = seen {
        let unmoved = at(key, found.position());
        let (update, changes_status) = match transition(found.position(), event) {
            Transition::Ignore => return Ok(false),
            Transition::KeepTime if knows(&found, event.status, message_id) => return Ok(false),
            Transition::KeepTime => (keep_time(unmoved, event.status, at_time, message_id), false),
            Transition::DropRetry | Transition::Restore => {
                (put_back(unmoved, event, at_time, message_id), true)
            }
            Transition::Advance => {
                match try_to_advance(table, key, event, at_time, message_id).await? {
                    Advanced::Now => return Ok(true),
                    // It has moved since: it is looked at again, as below.
                    Advanced::Not(moved) => {
                        seen = moved;
                        continue;
                    }
                }
            }
        };
        if passed(table, update).await? {
            return Ok(changes_status);
        }
        seen = get(table, key).await?.map(Box::new);
    }
    Ok(false)
}

/// Whether a recipient advanced to the status of an event.
enum Advanced {
    Now,
    /// As it was found instead, if it exists.
    Not(Option<Box<Recipient>>),
}

async fn try_to_advance(
    table: &Table,
    key: &RecipientKey,
    event: Event,
    at_time: Timestamp,
    message_id: Option<&str>,
) -> Result<Advanced, StoreError> {
    match table.update(advance(key, event, at_time, message_id)).await {
        Ok(_) => Ok(Advanced::Now),
        Err(StoreError::Condition(found)) => {
            Ok(Advanced::Not(found.map(|item| read_item(*item).map(Box::new)).transpose()?))
        }
        Err(error) => Err(error),
    }
}

/// Whether a recipient has all that an event says which does not change its status.
fn knows(found: &Recipient, reported: DeliveryStatus, message_id: Option<&str>) -> bool {
    let is_id_known = found.message_id.is_some() || message_id.is_none();
    is_id_known && found.reached_at(reported).is_some()
}

/// Adds the time of an event that does not change the status.
fn keep_time(
    unmoved: Update,
    reported: DeliveryStatus,
    at_time: Timestamp,
    message_id: Option<&str>,
) -> Update {
    let update = unmoved.set_once(reported.time_attribute(), sortable(at_time));
    match message_id {
        Some(id) => update.set_once("message_id", id),
        None => update,
    }
}

/// Puts a recipient back to the attempt of an event, which arrived after all.
fn put_back(unmoved: Update, event: Event, at_time: Timestamp, message_id: Option<&str>) -> Update {
    let update = status(unlisted(unmoved), event.status.status())
        .set("attempt", event.attempt)
        .set(event.status.time_attribute(), sortable(at_time))
        .set_or_remove("message_id", message_id)
        .remove("not_before")
        .remove("waits_for")
        .remove("reason");
    // Of an attempt that was restored away it is not known when it was claimed.
    match event.status {
        DeliveryStatus::Sent => update,
        _ => update.set_once(DeliveryStatus::Sent.time_attribute(), sortable(at_time)),
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
