use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

/// One item: its attributes by name.
pub type Item = HashMap<String, AttributeValue>;

/// One page of a query.
#[derive(Debug)]
pub struct Page<T> {
    /// The items, in key order.
    pub items: Vec<T>,
    /// The exclusive start key of the next page; `None` for the last page.
    pub next: Option<Item>,
}
