//! API keys in the table.

use std::collections::BTreeMap;

use super::{ApiKey, LAST_USE_EVERY, hash};
use carillon_foundations::ids::KeyId;
use carillon_foundations::time::sortable;
use carillon_table::{Key, StoreError, Table, Update, Write, condition_held};
use jiff::Timestamp;
use serde::Deserialize;

/// A stored secret of a key, with the hash that it is found by.
#[derive(Deserialize)]
struct Secret {
    sk: String,
    #[serde(flatten)]
    key: ApiKey,
}

/// Stores a key by its hash.
pub async fn put(table: &Table, key: &str, stored: &ApiKey) -> Result<(), StoreError> {
    table.write(Write::put(&Key::ApiKey(hash(key)), stored)?).await
}

/// The key with that hash, if there is one.
pub async fn find(table: &Table, hash: &str) -> Result<Option<ApiKey>, StoreError> {
    table.get(&Key::ApiKey(hash.to_owned())).await
}

/// All keys, oldest first.
pub async fn all(table: &Table) -> Result<Vec<ApiKey>, StoreError> {
    let mut keys: BTreeMap<KeyId, ApiKey> = BTreeMap::new();
    for Secret { key, .. } in secrets(table).await? {
        let newest = keys.entry(key.id).or_insert_with(|| key.clone());
        let used = newest.last_used_at.max(key.last_used_at);
        if key.rotated_at > newest.rotated_at {
            *newest = key;
        }
        newest.last_used_at = used;
    }
    Ok(keys.into_values().collect())
}

/// The key with that id, if there is one.
pub async fn get(table: &Table, id: KeyId) -> Result<Option<ApiKey>, StoreError> {
    Ok(all(table).await?.into_iter().find(|key| key.id == id))
}

/// Changes name, scopes and end of a key, where they differ from those that were `read`, for all
/// its secrets. `false` where it does not exist or is deleted at this moment.
pub async fn change(table: &Table, read: &ApiKey, changed: &ApiKey) -> Result<bool, StoreError> {
    let is_changed = |key: &ApiKey| {
        (changed.name == read.name || changed.name == key.name)
            && (changed.scopes == read.scopes || changed.scopes == key.scopes)
            && (changed.expires_at == read.expires_at || changed.expires_at == key.expires_at)
    };
    loop {
        // A rotation may add a secret meanwhile.
        let secrets = secrets_of(table, changed.id).await?;
        let Some(_) = secrets.first() else { return Ok(false) };
        let open: Vec<_> = secrets.into_iter().filter(|secret| !is_changed(&secret.key)).collect();
        if open.is_empty() {
            return Ok(true);
        }
        for secret in open {
            let mut update = Update::of(&Key::ApiKey(secret.sk)).when("attribute_exists(pk)");
            if changed.name != read.name {
                update = update.set("name", &changed.name);
            }
            if changed.scopes != read.scopes {
                update = update.set("scopes", &changed.scopes);
            }
            if changed.expires_at != read.expires_at {
                update = update.set_or_remove("expires_at", changed.expires_at);
            }
            condition_held(table.update(update).await)?;
        }
    }
}

/// Gives a key another secret; its other secrets work until `replaced_until`. `None` where the
/// key does not exist.
///
/// One transaction stores the secret and ends the others, while they are as they were read: of
/// two rotations the second one ends the secret of the first.
pub async fn rotate(
    table: &Table,
    (secret, id): (&str, KeyId),
    now: Timestamp,
    replaced_until: Timestamp,
) -> Result<Option<ApiKey>, StoreError> {
    loop {
        let others = secrets_of(table, id).await?;
        let newest = others.iter().max_by_key(|secret| secret.key.rotated_at);
        let Some(newest) = newest else { return Ok(None) };
        let renewed = ApiKey { rotated_at: now, replaced_until: None, ..newest.key.clone() };
        let mut writes = vec![Write::create(&Key::ApiKey(hash(secret)), &renewed)?];
        writes.extend(others.iter().map(|other| Write::Update(replaced(other, replaced_until))));
        if condition_held(table.transact(writes).await)? {
            return Ok(Some(renewed));
        }
    }
}

fn replaced(secret: &Secret, until: Timestamp) -> Update {
    let ends = secret.key.replaced_until.map_or(until, |end| end.min(until));
    Update::of(&Key::ApiKey(secret.sk.clone()))
        .set("replaced_until", ends)
        .when("attribute_exists(pk)")
        .unchanged("replaced_until", secret.key.replaced_until)
        .unchanged("expires_at", secret.key.expires_at)
        .unchanged("name", Some(&secret.key.name))
        .unchanged("scopes", Some(&secret.key.scopes))
}

/// Records that the key with that hash is used, unless that was recorded lately.
pub async fn record_use(
    table: &Table,
    hash: &str,
    key: &ApiKey,
    now: Timestamp,
) -> Result<(), StoreError> {
    if key.last_used_at.is_some_and(|last| now < last + LAST_USE_EVERY) {
        return Ok(());
    }
    let update = Update::of(&Key::ApiKey(hash.to_owned()))
        .set("last_used_at", sortable(now))
        .when("attribute_exists(pk)");
    condition_held(table.update(update).await).map(drop)
}

/// Deletes the key with that id. `false` where there is none.
pub async fn delete(table: &Table, id: KeyId) -> Result<bool, StoreError> {
    let mut found = false;
    loop {
        // A rotation may add a secret while the others are deleted; then no other one can.
        let secrets = secrets_of(table, id).await?;
        if secrets.is_empty() {
            return Ok(found);
        }
        found = true;
        for secret in secrets {
            table.write(Write::delete(&Key::ApiKey(secret.sk))).await?;
        }
    }
}

async fn secrets(table: &Table) -> Result<Vec<Secret>, StoreError> {
    table.query_all("KEY", "").await
}

async fn secrets_of(table: &Table, id: KeyId) -> Result<Vec<Secret>, StoreError> {
    let mut secrets = secrets(table).await?;
    secrets.retain(|secret| secret.key.id == id);
    Ok(secrets)
}
