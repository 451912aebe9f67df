//! Connections in the table.

use std::collections::BTreeSet;

use carillon_channel::{Probe, ProviderConfig, Quality};
use carillon_foundations::country::Country;
use carillon_foundations::ids::ConnectionId;
use carillon_foundations::time::sortable;
use carillon_table::{
    Cancelled, Key, StoreError, Table, Unreadable, Update, Write, condition_held,
};
use jiff::Timestamp;
use serde::Serialize;

use super::{Account, Connection, Health, Note, Sealed, Throttling};

/// Stores a new connection; `false` where another connection has its sender.
pub async fn create(table: &Table, connection: &Connection) -> Result<bool, StoreError> {
    let writes = vec![
        Write::create(&Key::Connection(connection.id), connection)?,
        Write::create(&sender_key(connection), &Owner { connection: connection.id })?,
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

/// The connection of a sender.
#[derive(Serialize)]
struct Owner {
    connection: ConnectionId,
}

fn sender_key(connection: &Connection) -> Key {
    let ProviderConfig { provider, sender_id, .. } = &connection.provider;
    Key::Sender { provider: provider.clone(), id: sender_id.clone() }
}

/// Deletes a connection with its credentials and its health.
pub async fn delete(table: &Table, connection: &Connection) -> Result<(), StoreError> {
    table
        .transact(vec![
            Write::delete(&Key::Connection(connection.id)),
            Write::delete(&sender_key(connection)),
            Write::delete(&Key::Health(connection.id)),
        ])
        .await
}

/// What is to be changed of a connection.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Its name.
    pub name: Option<String>,
    /// The configured throughput; `Some(None)` to use the provider's.
    pub throughput_mps: Option<Option<u32>>,
    /// Its credentials, made from the ones that were read.
    pub credentials: Option<Sealed>,
}

/// Changes a connection; `false` where it has changed since it was read.
pub async fn change(
    table: &Table,
    found: &Connection,
    changes: &Changes,
) -> Result<bool, StoreError> {
    let mut update = Update::of(&Key::Connection(found.id))
        .unchanged("name", Some(&found.name))
        .unchanged("throughput_mps", found.throughput_mps)
        .unchanged("credentials", Some(found.credentials.as_text()));
    if let Some(name) = &changes.name {
        update = update.set("name", name);
    }
    if let Some(throughput) = changes.throughput_mps {
        update = update.set_or_remove("throughput_mps", throughput);
    }
    if let Some(credentials) = &changes.credentials {
        update = update.set("credentials", credentials);
    }
    if !update.changes_something() {
        return Ok(true);
    }
    condition_held(table.update(update).await)
}

/// Reads a connection.
pub async fn get(table: &Table, id: ConnectionId) -> Result<Option<Connection>, StoreError> {
    table.get(&Key::Connection(id)).await
}

/// All connections, oldest first.
pub async fn all(table: &Table) -> Result<Vec<Connection>, StoreError> {
    table.query_all("CONNECTION", "con_").await
}

/// As [`all`], but one that can't be read does not hide the others.
pub async fn each(table: &Table) -> Result<Vec<Result<Connection, Unreadable>>, StoreError> {
    table.query_each("CONNECTION", "con_").await
}

/// The connections of an account.
pub async fn of_account(table: &Table, account: &Account) -> Result<Vec<Connection>, StoreError> {
    let mut found = all(table).await?;
    found.retain(|connection| connection.account() == *account);
    Ok(found)
}

/// What the provider reported of a connection.
pub async fn health(table: &Table, id: ConnectionId) -> Result<Health, StoreError> {
    Ok(table.get(&Key::Health(id)).await?.unwrap_or_default())
}

/// Records the result of a probe at `now`; none where the provider did not answer. Another
/// throughput than before replaces the learned one.
pub async fn record_probe(
    table: &Table,
    id: ConnectionId,
    probe: Option<&Probe>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let update = Update::of(&Key::Health(id)).set("checked_at", now);
    let Some(probe) = probe else { return table.update(update).await.map(drop) };
    let known = health(table, id).await?.throughput_mps;
    let update = update
        .set_or_remove("quality", probe.quality.map(Quality::as_str))
        .set_or_remove("throughput_mps", probe.throughput_mps);
    let is_same = known == probe.throughput_mps;
    let update = if is_same { update } else { update.remove("learned_mps") };
    table.update(update).await.map(drop)
}

/// Records that a sender is refused at a higher throughput than this one.
pub async fn learn_throughput(table: &Table, id: ConnectionId, mps: u32) -> Result<(), StoreError> {
    let update = Update::of(&Key::Health(id))
        .set("learned_mps", mps)
        .when("attribute_not_exists(#learned_mps) OR #learned_mps > :mps")
        .value("mps", mps);
    condition_held(table.update(update).await).map(drop)
}

/// Records how a connection is throttled, unless another process has recorded a longer pause.
pub async fn record_throttling(
    table: &Table,
    id: ConnectionId,
    throttling: Throttling,
) -> Result<(), StoreError> {
    let until = sortable(throttling.until);
    let update = Update::of(&Key::Health(id))
        .set("throttling", throttling)
        .set("throttled_until", &until)
        .when("attribute_not_exists(#throttled_until) OR #throttled_until < :until")
        .value("until", &until);
    condition_held(table.update(update).await).map(drop)
}

/// Sets the number of slices of a connection's fast lane. Senders read it with the throughput.
pub async fn set_fast_slices(
    table: &Table,
    id: ConnectionId,
    slices: u16,
) -> Result<(), StoreError> {
    table.update(Update::of(&Key::Health(id)).set("fast_slices", slices)).await.map(drop)
}

/// Has the provider probed again before the next batch.
pub async fn expire_probe(table: &Table, id: ConnectionId) -> Result<(), StoreError> {
    table.update(Update::of(&Key::Health(id)).remove("checked_at")).await.map(drop)
}

/// Records an event of the connection's account, unless a newer one is recorded.
pub async fn record_note(table: &Table, id: ConnectionId, note: &Note) -> Result<(), StoreError> {
    let update = Update::of(&Key::Health(id))
        .set("note", note)
        .set("noted_at", sortable(note.at))
        .when("attribute_not_exists(#noted_at) OR #noted_at <= :at")
        .value("at", sortable(note.at));
    condition_held(table.update(update).await).map(drop)
}

/// Blocks a country on every connection of an account.
pub async fn block_country(
    table: &Table,
    account: &Account,
    country: Country,
) -> Result<(), StoreError> {
    for connection in of_account(table, account).await? {
        let update =
            Update::of(&Key::Health(connection.id)).include("blocked_countries", country.as_str());
        table.update(update).await?;
    }
    Ok(())
}

/// Sets the blocked countries of a connection.
pub async fn set_blocked_countries(
    table: &Table,
    id: ConnectionId,
    countries: &BTreeSet<Country>,
) -> Result<(), StoreError> {
    let mut update = Update::of(&Key::Health(id)).remove("blocked_countries");
    if !countries.is_empty() {
        let codes = countries.iter().map(ToString::to_string).collect();
        update = Update::of(&Key::Health(id)).set_texts("blocked_countries", &codes);
    }
    table.update(update).await.map(drop)
}
