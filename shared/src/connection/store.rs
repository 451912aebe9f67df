//! Connections in the table.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use super::{Account, Connection, Health, Note, Sealed};
use crate::ids::ConnectionId;
use crate::table::{Cancelled, Key, StoreError, Table, Update, Write};

/// Stores a new connection; `false` when another one has its number.
pub async fn create(table: &Table, connection: &Connection) -> Result<bool, StoreError> {
    #[derive(Serialize)]
    struct Taken {
        connection: ConnectionId,
    }
    let number = Key::Number(connection.phone_number_id.clone());
    let writes = vec![
        Write::create(&Key::Connection(connection.id), connection)?,
        Write::create(&number, &Taken { connection: connection.id })?,
    ];
    loop {
        match table.transact(writes.clone()).await {
            Ok(()) => return Ok(true),
            Err(StoreError::Cancelled(reasons)) => {
                if reasons.iter().any(|reason| matches!(reason, Cancelled::Condition(_))) {
                    return Ok(false);
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// What is to be changed of a connection.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// What people call it.
    pub name: Option<String>,
    /// How many messages a second the number can take.
    pub throughput_mps: Option<u32>,
    /// Its secrets, made from those it had.
    pub secrets: Option<Sealed>,
}

/// Changes a connection; what is not among the changes stays as it is, whoever
/// changes it at the same time. `false` when its secrets were changed since it was
/// read.
pub async fn change(
    table: &Table,
    found: &Connection,
    changes: &Changes,
) -> Result<bool, StoreError> {
    let mut update = Update::of(&Key::Connection(found.id)).when("attribute_exists(pk)");
    if let Some(name) = &changes.name {
        update = update.set("name", name);
    }
    if let Some(throughput) = changes.throughput_mps {
        update = update.set("throughput_mps", throughput);
    }
    if let Some(secrets) = &changes.secrets {
        update = update.set("secrets", secrets);
        update = update.unchanged("secrets", Some(found.secrets.as_text().to_owned()));
    }
    if !update.changes_something() {
        return Ok(true);
    }
    match table.update(update).await {
        Ok(_) => Ok(true),
        Err(StoreError::Condition(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Reads a connection.
pub async fn get(table: &Table, id: ConnectionId) -> Result<Option<Connection>, StoreError> {
    table.get(&Key::Connection(id)).await
}

/// All connections, oldest first. There are never many.
pub async fn all(table: &Table) -> Result<Vec<Connection>, StoreError> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = table.query_prefix("CONNECTION", "con_", after, 200).await?;
        found.extend(page.items);
        after = page.next;
        if after.is_none() {
            return Ok(found);
        }
    }
}

/// The connections of an account.
pub async fn of_account(table: &Table, account: &Account) -> Result<Vec<Connection>, StoreError> {
    let mut found = all(table).await?;
    found.retain(|connection| connection.account() == *account);
    Ok(found)
}

/// What the provider says of a connection; nothing yet when it was never asked.
pub async fn health(table: &Table, id: ConnectionId) -> Result<Health, StoreError> {
    Ok(table.get(&Key::Health(id)).await?.unwrap_or_default())
}

/// Remembers what the provider said when it was asked at `now`.
pub async fn note_check(
    table: &Table,
    id: ConnectionId,
    told: Option<(&str, Option<u32>)>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let update = Update::of(&Key::Health(id)).set("checked_at", now);
    let update = match told {
        Some((quality, throughput_mps)) => {
            update.set("quality", quality).set_or_remove("throughput_mps", throughput_mps)
        }
        None => update,
    };
    table.update(update).await.map(drop)
}

/// Has the provider asked again before the next batch.
pub async fn forget_check(table: &Table, id: ConnectionId) -> Result<(), StoreError> {
    table.update(Update::of(&Key::Health(id)).remove("checked_at")).await.map(drop)
}

/// Remembers news of the connection's account, unless newer ones are known.
pub async fn note_news(table: &Table, id: ConnectionId, note: &Note) -> Result<(), StoreError> {
    let update = Update::of(&Key::Health(id))
        .set("note", note)
        .set("noted_at", crate::time::sortable(note.at))
        .when("attribute_not_exists(#noted_at) OR #noted_at <= :at")
        .value("at", crate::time::sortable(note.at));
    match table.update(update).await {
        Ok(_) | Err(StoreError::Condition(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Leaves a country out from now on, on every connection of an account.
pub async fn block_country(
    table: &Table,
    account: &Account,
    country: &str,
) -> Result<(), StoreError> {
    for connection in of_account(table, account).await? {
        let update = Update::of(&Key::Health(connection.id)).include("blocked_countries", country);
        table.update(update).await?;
    }
    Ok(())
}

/// Sets the countries that a connection leaves out.
pub async fn set_blocked_countries(
    table: &Table,
    id: ConnectionId,
    countries: &BTreeSet<String>,
) -> Result<(), StoreError> {
    let mut update = Update::of(&Key::Health(id)).remove("blocked_countries");
    if !countries.is_empty() {
        update = Update::of(&Key::Health(id)).set_texts("blocked_countries", countries);
    }
    table.update(update).await.map(drop)
}
