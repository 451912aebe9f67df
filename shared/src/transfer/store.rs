//! Items on their way out of one table and into another.

use aws_sdk_dynamodb::types::AttributeValue;

use super::{Line, Pass, arriving, key_of, moves};
use crate::connection::{self, Sealed, Vault, VaultError};
use crate::contact;
use crate::ids::{ConnectionId, IdSource};
use crate::plan;
use crate::table::{Items, Key, StoreError, Table, read_item};

/// Why an item could not be moved.
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
    Twin(ConnectionId),
    /// An item that can't be written as a line.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// One page of the table as lines, how many they are, and where the next starts.
pub async fn lines(
    table: &Table,
    after: Option<Items>,
) -> Result<(String, u64, Option<Items>), TransferError> {
    let page = table.scan(after).await?;
    let (mut lines, mut count) = (String::new(), 0);
    for item in page.items.into_iter().filter(moves) {
        lines.push_str(&Line::Item(item).write()?);
        count += 1;
    }
    Ok((lines, count, page.next))
}

/// Opens connections' secrets as they were sealed, and seals them anew.
#[derive(Debug)]
pub struct Reseal {
    /// What opens them.
    pub from: Vault,
    /// What seals them.
    pub to: Vault,
    /// Where chance comes from.
    pub ids: IdSource,
}

/// Writes an item in a pass that takes it; `false` when it was there already.
pub async fn write(
    table: &Table,
    pass: Pass,
    item: Items,
    reseal: Option<&Reseal>,
) -> Result<bool, TransferError> {
    if pass == Pass::Lists {
        return Ok(table.list_again(&item).await?);
    }
    let item = match key_of(&item) {
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
        _ => item,
    };
    let merged = key_of(&item).map(|key| (key, item.clone()));
    let added = table.add(arriving(item)).await?;
    match merged.filter(|_| !added) {
        // Known here already, by a webhook say; an opt-out holds from wherever it is known.
        Some((Key::Contact(contact), item)) => {
            contact::store::take_over(table, &read_item(item)?, &contact).await?;
        }
        // Whoever has made a connection here has made its portfolio's ledger.
        Some((Key::Ledger(portfolio), item)) => {
            plan::store::take_over_ledger(table, &portfolio, &read_item(item)?).await?;
        }
        Some(_) | None => {}
    }
    Ok(added)
}

/// Two connections of one number would each use its whole throughput.
async fn refuse_twin(table: &Table, item: &Items) -> Result<(), TransferError> {
    let number = item.get("phone_number_id").and_then(|number| number.as_s().ok());
    let here = connection::store::all(table).await?;
    match here.into_iter().find(|other| Some(&other.phone_number_id) == number) {
        Some(other) => Err(TransferError::Twin(other.id)),
        None => Ok(()),
    }
}

async fn sealed_anew(
    mut item: Items,
    id: ConnectionId,
    reseal: &Reseal,
) -> Result<Items, TransferError> {
    let text = item.get("secrets").and_then(|sealed| sealed.as_s().ok());
    let sealed = text.map(|text| Sealed::from_text(text)).ok_or(VaultError::Open)?;
    let secrets = reseal.from.open(id, &sealed).await?;
    let sealed = reseal.to.seal(id, &secrets, &reseal.ids).await?;
    item.insert("secrets".to_owned(), AttributeValue::S(sealed.as_text().to_owned()));
    Ok(item)
}
