use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::error::StoreError;

/// One item: its attributes by name.
pub type Item = HashMap<String, AttributeValue>;

/// An item that does not have the attributes of its type.
#[derive(Debug, thiserror::Error)]
#[error("the item {key} can't be read")]
pub struct Unreadable {
    /// Its partition key and its sort key.
    pub key: String,
    /// Why.
    #[source]
    pub source: StoreError,
}

/// One page of a query.
#[derive(Debug)]
pub struct Page<T> {
    /// The items, in key order.
    pub items: Vec<T>,
    /// The exclusive start key of the next page; `None` for the last page.
    pub next: Option<Item>,
}
