//! Connections in the table.

use super::Connection;
use crate::ids::ConnectionId;
use crate::table::{Key, StoreError, Table, Write};

/// Stores a connection, new or changed.
pub async fn put(table: &Table, connection: &Connection) -> Result<(), StoreError> {
    table.write(Write::put(&Key::Connection(connection.id), connection)?).await
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
