//! Conversations in the table.

use jiff::{SignedDuration, Timestamp};

use super::Inbound;
use crate::contact::{self, ContactKey};
use crate::recipient::store::{Place, get, record};
use crate::recipient::{Event, Rung, Status};
use crate::table::{Key, StoreError, Table, Write};
use crate::time::sortable;

/// How long after a campaign's message an answer without a quotation counts for it.
const ANSWERS: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Stores a message from a contact and counts it as a reply to the campaign that
/// it answers: the one whose message it quotes, or else the latest one sent to
/// that contact in the last seven days. Storing it again changes nothing.
pub async fn receive(
    table: &Table,
    from: &ContactKey,
    name: Option<&str>,
    message: &Inbound,
) -> Result<(), StoreError> {
    let at = sortable(message.at);
    let key = Key::Message { contact: from.clone(), at, id: message.id.clone() };
    table.write(Write::put(&key, message)?).await?;
    contact::store::record_inbound(table, from, name, message.at).await?;
    if let Some((place, attempt)) = answered(table, from, message).await? {
        let event = Event { attempt, rung: Rung::Replied };
        record(table, &place, event, message.at, None).await?;
    }
    Ok(())
}

async fn answered(
    table: &Table,
    from: &ContactKey,
    message: &Inbound,
) -> Result<Option<(Place, u32)>, StoreError> {
    let since = since(message.at);
    let mut latest = None;
    for key in table.sent_to(from, since).await? {
        let Key::Recipient { campaign, shard, contact } = key else { continue };
        let place = Place { campaign, shard, contact };
        let Some(recipient) = get(table, &place).await? else { continue };
        // A clock that runs ahead must not keep a reply from its message.
        if !was_handed_over(recipient.status) {
            continue;
        }
        let sent_before = recipient.sent_at.is_some_and(|sent| sent <= message.at + SKEW);
        let quoted = message.quoted.is_some() && message.quoted == recipient.message_id;
        let found = Some((place, recipient.attempt));
        if quoted {
            return Ok(found);
        }
        if latest.is_none() && sent_before {
            latest = found;
            if message.quoted.is_none() {
                break;
            }
        }
    }
    Ok(latest)
}

/// Whether a recipient has a message that can be answered.
fn was_handed_over(status: Status) -> bool {
    match status {
        Status::Sending
        | Status::Unconfirmed
        | Status::Sent
        | Status::Delivered
        | Status::Read
        | Status::Replied
        | Status::Closed => true,
        Status::Pending | Status::Failed | Status::Skipped | Status::Cancelled => false,
    }
}

/// How far two clocks may be apart.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

fn since(at: Timestamp) -> Timestamp {
    at.checked_sub(ANSWERS).unwrap_or(Timestamp::MIN)
}
