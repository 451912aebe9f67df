use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Key, ListedAs, Page, Shape, StoreError};

/// An item as `DynamoDB` hands it over.
pub type Items = HashMap<String, AttributeValue>;

/// Reads an item as a value; attributes it doesn't know are passed over.
pub fn read_item<T: DeserializeOwned>(item: Items) -> Result<T, StoreError> {
    serde_dynamo::aws_sdk_dynamodb_1::from_item(item).map_err(StoreError::Malformed)
}

pub(super) fn item_of<T: Serialize>(key: &Key, value: &T) -> Result<Items, StoreError> {
    let mut item: Items =
        serde_dynamo::aws_sdk_dynamodb_1::to_item(value).map_err(StoreError::Malformed)?;
    item.retain(|_, value| !matches!(value, AttributeValue::Null(_)));
    item.extend(key_item(key));
    Ok(item)
}

pub(super) fn attribute_value(value: impl Serialize) -> AttributeValue {
    serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(value)
        .unwrap_or(AttributeValue::Null(true))
}

pub(super) fn key_item(key: &Key) -> Items {
    HashMap::from([
        (Shape::PK.to_owned(), string(&key.pk())),
        (Shape::SK.to_owned(), string(&key.sk())),
    ])
}

pub(super) fn stored_key(item: &Items) -> Option<Key> {
    let pk = item.get(Shape::PK)?.as_s().ok()?;
    let sk = item.get(Shape::SK)?.as_s().ok()?;
    Key::parse(pk, sk)
}

pub(super) fn string(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

pub(super) fn page<T: DeserializeOwned>(
    items: Option<Vec<Items>>,
    next: Option<Items>,
) -> Result<Page<T>, StoreError> {
    let items = items.unwrap_or_default().into_iter().map(read_item).collect::<Result<_, _>>()?;
    Ok(Page { items, next })
}

/// The place of an item, for a page that goes on after it.
pub fn place(key: &Key) -> Items {
    key_item(key)
}

/// The place of an item in a working list.
pub fn listed_place(key: &Key, listed_as: ListedAs, listed_at: &str) -> Items {
    let mut place = key_item(key);
    place.insert(Shape::LISTED_AS.to_owned(), string(&listed_as.to_string()));
    place.insert(Shape::LISTED_AT.to_owned(), string(listed_at));
    place
}
