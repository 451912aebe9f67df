use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

/// One item: its attributes by name.
pub type Item = HashMap<String, AttributeValue>;

/// One page of a query, and where the next starts.
#[derive(Debug)]
pub struct Page<T> {
    /// The items, in key order.
    pub items: Vec<T>,
    /// The key to go on after; `None` at the end.
    pub next: Option<Item>,
}
