//! API keys in the table.

use super::{ApiKey, hash};
use carillon_foundations::ids::KeyId;
use carillon_table::{Item, Key, StoreError, Table, Write};

/// Stores a key by its hash.
pub async fn put(table: &Table, key: &str, stored: &ApiKey) -> Result<(), StoreError> {
    table.write(Write::put(&Key::ApiKey(hash(key)), stored)?).await
}

/// The key with that hash, if there is one.
pub async fn find(table: &Table, hash: &str) -> Result<Option<ApiKey>, StoreError> {
    table.get(&Key::ApiKey(hash.to_owned())).await
}

/// All keys.
pub async fn all(table: &Table) -> Result<Vec<ApiKey>, StoreError> {
    Ok(rows(table).await?.into_iter().map(|row| row.key).collect())
}

/// Deletes a key; `false` when there is none with that id.
pub async fn delete(table: &Table, id: KeyId) -> Result<bool, StoreError> {
    let Some(row) = rows(table).await?.into_iter().find(|row| row.key.id == id) else {
        return Ok(false);
    };
    table.write(Write::Delete(Key::ApiKey(row.sk))).await?;
    Ok(true)
}

#[derive(serde::Deserialize)]
struct Row {
    sk: String,
    #[serde(flatten)]
    key: ApiKey,
}

async fn rows(table: &Table) -> Result<Vec<Row>, StoreError> {
    let mut found = Vec::new();
    let mut after: Option<Item> = None;
    loop {
        let page = table.query_prefix("KEY", "", after, 200).await?;
        found.extend(page.items);
        after = page.next;
        if after.is_none() {
            return Ok(found);
        }
    }
}
