//! API keys in the table.

use super::{ApiKey, hash};
use carillon_foundations::ids::KeyId;
use carillon_table::{Key, StoreError, Table, Write};

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
    table.query_all("KEY", "").await
}

/// Deletes the key with that id. `false` where there is none.
pub async fn delete(table: &Table, id: KeyId) -> Result<bool, StoreError> {
    #[derive(serde::Deserialize)]
    struct Row {
        sk: String,
        #[serde(flatten)]
        key: ApiKey,
    }
    let rows: Vec<Row> = table.query_all("KEY", "").await?;
    let Some(row) = rows.into_iter().find(|row| row.key.id == id) else { return Ok(false) };
    table.write(Write::delete(&Key::ApiKey(row.sk))).await?;
    Ok(true)
}
