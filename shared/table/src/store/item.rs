use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::{StoreError, Unreadable};
use super::page::{Item, Page};
use crate::{Key, ListedAs, Shape};

/// Deserialises an item. Attributes that the type does not have are ignored.
pub fn read_item<T: DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    serde_dynamo::aws_sdk_dynamodb_1::from_item(item).map_err(StoreError::Malformed)
}

pub(super) fn item_of<T: Serialize>(key: &Key, value: &T) -> Result<Item, StoreError> {
    let mut item: Item =
        serde_dynamo::aws_sdk_dynamodb_1::to_item(value).map_err(StoreError::Malformed)?;
    item.retain(|_, value| !matches!(value, AttributeValue::Null(_)));
    item.extend(key_item(key));
    Ok(item)
}

pub(super) fn attribute_value(value: impl Serialize) -> AttributeValue {
    serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(value)
        .unwrap_or(AttributeValue::Null(true))
}

pub(super) fn key_item(key: &Key) -> Item {
    HashMap::from([
        (Shape::PK.to_owned(), string(&key.pk())),
        (Shape::SK.to_owned(), string(&key.sk())),
    ])
}

/// The key of an item; `None` where the key grammar does not know it.
pub fn stored_key(item: &Item) -> Option<Key> {
    let pk = item.get(Shape::PK)?.as_s().ok()?;
    let sk = item.get(Shape::SK)?.as_s().ok()?;
    Key::parse(pk, sk)
}

pub(super) fn string(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

/// As [`read_item`], with the key of an item that can't be read.
pub(super) fn each_item<T: DeserializeOwned>(item: Item) -> Result<T, Unreadable> {
    let part = |name| item.get(name).and_then(|value| value.as_s().ok()).cloned();
    let key = [part(Shape::PK), part(Shape::SK)].map(Option::unwrap_or_default).join(" ");
    read_item(item).map_err(|source| Unreadable { key, source })
}

pub(super) fn page<T: DeserializeOwned>(
    items: Option<Vec<Item>>,
    next: Option<Item>,
) -> Result<Page<T>, StoreError> {
    let items = items.unwrap_or_default().into_iter().map(read_item).collect::<Result<_, _>>()?;
    Ok(Page { items, next })
}

/// The exclusive start key of a page that follows the item with that key.
pub fn exclusive_start_key(key: &Key) -> Item {
    key_item(key)
}

/// The exclusive start key of a page of a work list that follows that item.
pub fn listed_start_key(key: &Key, listed_as: ListedAs, listed_at: &str) -> Item {
    let mut start = key_item(key);
    start.insert(Shape::LISTED_AS.to_owned(), string(&listed_as.to_string()));
    start.insert(Shape::LISTED_AT.to_owned(), string(listed_at));
    start
}
