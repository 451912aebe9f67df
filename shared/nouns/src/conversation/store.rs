//! Conversations in the table.

use carillon_foundations::address::Address;
use carillon_foundations::time::sortable;
use carillon_table::{Key, StoreError, Table, Write};
use serde::Deserialize;

use super::{Inbound, reply};
use crate::contact;
use crate::recipient::store::record;
use crate::recipient::{DeliveryStatus, Event};

/// Stores a message from a contact and records it as a reply to the campaign message that
/// it quotes, or else to the latest one that the person was sent in the last seven days.
/// Idempotent: a repeated message changes nothing.
pub async fn receive(
    table: &Table,
    from: &Address,
    name: Option<&str>,
    message: &Inbound,
) -> Result<(), StoreError> {
    let at = sortable(message.at);
    let key = Key::Message { contact: from.clone(), at, id: message.id.clone() };
    table.write(Write::put(&key, message)?).await?;
    let profile = contact::store::record_inbound(table, from, name, message.at).await?;
    if !message.is_reply {
        return Ok(());
    }
    let mut addresses = vec![from.clone()];
    addresses.extend(profile.aliases);
    if let Some(sent) = reply::replied_to(table, &addresses, message).await? {
        let event = Event { attempt: sent.attempt, status: DeliveryStatus::Replied };
        record(table, &sent.key, event, message.at, None).await?;
    }
    Ok(())
}

/// Erases all messages from a contact and returns how many there were.
pub async fn erase(table: &Table, contact: &Address) -> Result<u64, StoreError> {
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
            table.write(Write::delete(&key)).await?;
            erased += 1;
        }
    }
}
