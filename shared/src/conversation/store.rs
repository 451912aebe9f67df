//! Conversations in the table.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

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
    let profile = contact::store::record_inbound(table, from, name, message.at).await?;
    if !message.is_answer {
        return Ok(());
    }
    let mut keys = vec![from.clone()];
    keys.extend(profile.same_as);
    if let Some((place, attempt)) = answered(table, &keys, message).await? {
        let event = Event { attempt, rung: Rung::Replied };
        record(table, &place, event, message.at, None).await?;
    }
    Ok(())
}

/// Erases what a contact wrote; gives how many messages that were.
pub async fn erase(table: &Table, contact: &ContactKey) -> Result<u64, StoreError> {
    #[derive(Deserialize)]
    struct Row {
        pk: String,
        sk: String,
    }
    let pk = Key::Contact(contact.clone()).pk();
    let mut erased = 0;
    loop {
        let page = table.query_prefix::<Row>(&pk, Key::MESSAGES, None, 100).await?;
        if page.items.is_empty() {
            return Ok(erased);
        }
        for key in page.items.iter().filter_map(|row| Key::parse(&row.pk, &row.sk)) {
            table.write(Write::Delete(key)).await?;
            erased += 1;
        }
    }
}

/// The recipient that a message answers, among those of one person's keys.
async fn answered(
    table: &Table,
    keys: &[ContactKey],
    message: &Inbound,
) -> Result<Option<(Place, u32)>, StoreError> {
    let mut latest = None;
    for key in keys {
        match answered_under(table, key, message).await? {
            Some(answered) if answered.quoted => return Ok(Some(answered.attempt)),
            found => latest = latest.into_iter().chain(found).max_by_key(|found| found.sent_at),
        }
    }
    Ok(latest.map(|answered| answered.attempt))
}

/// A message of ours that may be what a contact answers.
struct Answered {
    attempt: (Place, u32),
    sent_at: Option<Timestamp>,
    /// Whether it is quoted in the answer.
    quoted: bool,
}

async fn answered_under(
    table: &Table,
    key: &ContactKey,
    message: &Inbound,
) -> Result<Option<Answered>, StoreError> {
    let since = since(message.at);
    let mut latest = None;
    for key in table.sent_to(key, since).await? {
        let Key::Recipient { campaign, shard, contact } = key else { continue };
        let place = Place { campaign, shard, contact };
        let Some(recipient) = get(table, &place).await? else { continue };
        if !was_handed_over(recipient.status) {
            continue;
        }
        // A clock that runs ahead must not keep a reply from its message.
        let sent_before = recipient.sent_at.is_some_and(|sent| sent <= message.at + SKEW);
        let quoted = message.quoted.is_some() && message.quoted == recipient.message_id;
        let (attempt, sent_at) = ((place, recipient.attempt), recipient.sent_at);
        let found = Some(Answered { attempt, sent_at, quoted });
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
