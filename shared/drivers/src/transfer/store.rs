//! Reads items for an export and writes them in an import.

use aws_sdk_dynamodb::types::AttributeValue;

use super::{Line, Pass, arriving, is_exported};
use carillon_foundations::ids::{ConnectionId, ContactId, IdSource};
use carillon_nouns::connection::{self, Connection, Sealed, Vault, VaultError};
use carillon_nouns::contact::addresses::Entry;
use carillon_nouns::contact::merge::{join, merge_if_one};
use carillon_nouns::contact::{self, Profile};
use carillon_nouns::quota;
use carillon_table::{Item, Key, Shape, StoreError, Table, read_item, stored_key};

/// Why an item could not be exported or imported.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The table.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A connection's secrets.
    #[error("the secrets of a connection can't be moved: {0}")]
    Vault(#[from] VaultError),
    /// A connection whose number is connected here already.
    #[error(
        "its number is connected here already, as {0}: import into a table without connections, or without those that are in the file"
    )]
    SenderTaken(ConnectionId),
    /// An item that can't be written as a line.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// One page of the table as lines, how many they are, and where the next starts.
pub async fn lines(
    table: &Table,
    after: Option<Item>,
) -> Result<(String, u64, Option<Item>), TransferError> {
    let page = table.scan(after).await?;
    let (mut lines, mut count) = (String::new(), 0);
    for item in page.items.into_iter().filter(is_exported) {
        lines.push_str(&Line::Item(item).write()?);
        count += 1;
    }
    Ok((lines, count, page.next))
}

/// Opens connections' credentials with one vault and seals them with another.
#[derive(Debug)]
pub struct Reseal {
    /// The vault that opens them.
    pub from: Vault,
    /// The vault that seals them.
    pub to: Vault,
    /// The source of the nonces.
    pub ids: IdSource,
}

/// Writes an item in a pass that takes it; `false` when it was there already.
pub async fn write(
    table: &Table,
    pass: Pass,
    item: Item,
    reseal: Option<&Reseal>,
) -> Result<bool, TransferError> {
    if pass == Pass::Lists {
        return match stored_key(&item) {
            Some(Key::Address(_)) => unite(table, item).await,
            Some(Key::Contact(id)) => unite_profile(table, id, item).await,
            _ => Ok(table.restore_listing(&item).await?),
        };
    }
    let item = match stored_key(&item) {
        Some(Key::Connection(id)) => {
            if connection::store::get(table, id).await?.is_some() {
                return Ok(false);
            }
            refuse_twin(table, &item).await?;
            match reseal {
                Some(reseal) => sealed_anew(item, id, reseal).await?,
                None => item,
            }
        }
        Some(Key::Address(_)) => match rehashed(table, item).await? {
            Some(item) => item,
            None => return Ok(false),
        },
        _ => item,
    };
    let merged = stored_key(&item).map(|key| (key, item.clone()));
    let added = table.add(arriving(item)).await?;
    // A connection that was created here has created the quota of its group.
    if let Some((Key::Quota(group), item)) = merged.filter(|_| !added) {
        quota::store::merge(table, &group, &read_item(item)?).await?;
    }
    Ok(added)
}

/// Joins the profile of a contact that was here already: an opt-out in either table holds. One
/// that was merged there is merged here too.
async fn unite_profile(table: &Table, id: ContactId, item: Item) -> Result<bool, TransferError> {
    let imported: Profile = read_item(item)?;
    let here = contact::store::get(table, id).await?.unwrap_or_default();
    match imported.merged_into {
        _ if here == imported => {}
        Some(survivor) if here.merged_into.is_none() => {
            merge_if_one(table, id, survivor).await?;
        }
        Some(_) => {}
        None => join(table, id, &imported).await?,
    }
    Ok(false)
}

/// The item of an address under this table's key. Where only the hash is left, it is kept if
/// a person was erased, which the same key is required for, and otherwise has no use.
async fn rehashed(table: &Table, mut item: Item) -> Result<Option<Item>, TransferError> {
    let entry: Entry = read_item(item.clone())?;
    let Some(address) = entry.address else {
        return Ok(entry.suppressed.map(|_| item));
    };
    let key = table.address_key(&address).await?;
    item.insert(Shape::PK.to_owned(), AttributeValue::S(key.pk()));
    Ok(Some(item))
}

/// Merges the contact of an address with the one that the address leads to here, from a
/// webhook for example. An opt-out in either table holds.
async fn unite(table: &Table, item: Item) -> Result<bool, TransferError> {
    let Some(item) = rehashed(table, item).await? else { return Ok(false) };
    let Some(key) = stored_key(&item) else { return Ok(false) };
    let there: Entry = read_item(item)?;
    let here: Option<Entry> = table.get(&key).await?;
    // Whoever gave the address up here is not its owner of today.
    let here = here.filter(|here| here.last_owner.is_none());
    let contacts = here.and_then(|here| here.contact).zip(there.contact);
    if let Some((here, there)) = contacts.filter(|(here, there)| here != there) {
        merge_if_one(table, here, there).await?;
    }
    Ok(false)
}

/// Two connections of one number would each use its whole throughput.
async fn refuse_twin(table: &Table, item: &Item) -> Result<(), TransferError> {
    let imported: Connection = read_item(item.clone())?;
    let same_sender = |other: &Connection| {
        other.provider.provider == imported.provider.provider
            && other.provider.sender_id == imported.provider.sender_id
    };
    match connection::store::all(table).await?.into_iter().find(same_sender) {
        Some(other) => Err(TransferError::SenderTaken(other.id)),
        None => Ok(()),
    }
}

async fn sealed_anew(
    mut item: Item,
    id: ConnectionId,
    reseal: &Reseal,
) -> Result<Item, TransferError> {
    let text = item.get("credentials").and_then(|sealed| sealed.as_s().ok());
    let sealed = text.map(|text| Sealed::from_text(text)).ok_or(VaultError::Open)?;
    let secrets = reseal.from.open(id, &sealed).await?;
    let sealed = reseal.to.seal(id, &secrets, &reseal.ids).await?;
    item.insert("credentials".to_owned(), AttributeValue::S(sealed.as_text().to_owned()));
    Ok(item)
}
