//! Conversations in the table.

use std::collections::BTreeSet;

use carillon_foundations::address::Address;
use carillon_foundations::ids::ContactId;
use carillon_foundations::time::sortable;
use carillon_table::{Key, StoreError, Table, Write, condition_held};
use jiff::Timestamp;
use serde::Deserialize;

use super::{Inbound, reply};
use crate::contact;
use crate::contact::store::Wrote;
use crate::recipient::store::record;
use crate::recipient::{DeliveryStatus, Event};

/// Stores a message from a contact and records it as a reply to the campaign message that
/// it quotes, or else to the latest one that the person was sent over the same connection in
/// the last seven days. Idempotent: a repeated message changes nothing. A message from before
/// the person was erased is ignored.
pub async fn receive(
    table: &Table,
    from: ContactId,
    name: Option<&str>,
    message: &Inbound,
) -> Result<(), StoreError> {
    let known = contact::store::current(table, from).await?;
    if known.profile.erased_at.is_some_and(|erased| message.at <= erased) {
        return Ok(());
    }
    let (from, at) = (known.id, sortable(message.at));
    let key = Key::Message { contact: from, at, id: message.id.clone() };
    table.write(Write::put(&key, message)?).await?;
    let wrote = Wrote { name, opens: message.opens(), at: message.at };
    let contact = contact::store::record_inbound(table, from, wrote).await?;
    if contact.profile.erased_at.is_some_and(|erased| message.at <= erased) {
        // The erasure began meanwhile, and may have passed by already.
        table.write(Write::delete(&key)).await?;
        return contact::store::strip_profile(table, contact.id, message.at).await;
    }
    if !message.is_reply || message.group.is_some() {
        return Ok(());
    }
    if let Some(sent) = reply::replied_to(table, &contact, message).await? {
        let event = Event { attempt: sent.attempt, status: DeliveryStatus::Replied };
        record(table, &sent.key, event, message.at, None).await?;
    }
    Ok(())
}

/// How often a transaction that met another write is repeated.
const MAX_TRIES: u32 = 20;

/// Moves the messages that came from some addresses since `since` to another contact.
/// Idempotent: a second call completes an interrupted one.
pub async fn split(
    table: &Table,
    (from, to): (ContactId, ContactId),
    addresses: &BTreeSet<Address>,
    since: Timestamp,
) -> Result<u64, StoreError> {
    let pk = Key::Contact(from).pk();
    let first = format!("{}{}", Key::MESSAGES, sortable(since));
    let last = format!("{}\u{10FFFF}", Key::MESSAGES);
    let (mut moved, mut after) = (0, None);
    loop {
        let page = table.query::<Inbound>(&pk, (&first, &last), after, 100).await?;
        for message in page.items.iter().filter(|one| addresses.contains(&one.from)) {
            let (at, id) = (sortable(message.at), message.id.clone());
            let old = Key::Message { contact: from, at: at.clone(), id: id.clone() };
            let new = Key::Message { contact: to, at, id };
            let writes = vec![Write::put(&new, message)?, Write::delete(&old)];
            let mut tries = 0;
            while !condition_held(table.transact(writes.clone()).await)? {
                tries += 1;
                if tries > MAX_TRIES {
                    return Err(StoreError::Cancelled(Vec::new()));
                }
            }
            moved += 1;
        }
        after = page.next;
        if after.is_none() {
            return Ok(moved);
        }
    }
}

/// Erases all messages from a contact and returns how many there were.
pub async fn erase(table: &Table, contact: ContactId) -> Result<u64, StoreError> {
    #[derive(Deserialize)]
    struct Row {
        pk: String,
        sk: String,
    }
    let pk = Key::Contact(contact).pk();
    let mut erased = 0;
    loop {
        let page = table.query_prefix::<Row>(&pk, Key::MESSAGES, None, 100).await?;
        if page.items.is_empty() {
            return Ok(erased);
        }
        for key in page.items.iter().filter_map(|row| Key::parse(&row.pk, &row.sk)) {
            table.write(Write::delete(&key)).await?;
            erased += 1;
        }
    }
}
