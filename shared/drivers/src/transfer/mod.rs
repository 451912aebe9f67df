//! Export of a whole table as JSON lines, and their import into another table, on one
//! machine or on AWS.
//!
//! A line is an item in `DynamoDB`'s own JSON, `{"Item":{…}}`, as in AWS's exports.
//! Counters are not exported: the stream of the new table counts all recipients again. The
//! last line has the number of items, so that a truncated file is detected.
//!
//! The import has three passes. First all items but the recipients, without their working
//! lists: the scheduler must not see a campaign with half of its recipients, which it would
//! complete. Then the recipients. Then the working lists. No item is overwritten, so that an
//! interrupted import can be repeated.

pub mod store;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use carillon_table::{Item, Key, Shape, stored_key};

/// The partition key of the last line.
const END: &str = "END";

/// What a line holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// An item.
    Item(Item),
    /// The end, after so many items.
    End(u64),
}

/// Why a line cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LineProblem {
    /// Not JSON, or not an item.
    #[error("the line is not an item in DynamoDB's JSON: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// An item of a kind that this version does not know.
    #[error("this version does not know the item; a newer version may have exported it")]
    Unknown,
}

#[derive(Serialize, Deserialize)]
struct Written {
    #[serde(rename = "Item")]
    item: serde_dynamo::Item,
}

impl Line {
    /// Reads a line.
    pub fn read(text: &str) -> Result<Self, LineProblem> {
        let Written { item } = serde_json::from_str(text)?;
        let item: Item = item.into();
        if let Some(items) = end_of(&item) {
            return Ok(Self::End(items));
        }
        stored_key(&item).map(|_| Self::Item(item)).ok_or(LineProblem::Unknown)
    }

    /// Writes a line, its line break included.
    pub fn write(self) -> Result<String, serde_json::Error> {
        let item = match self {
            Self::Item(item) => item.into(),
            Self::End(items) => serde_dynamo::Item::from(HashMap::from([
                (Shape::PK.to_owned(), serde_dynamo::AttributeValue::S(END.to_owned())),
                (Shape::SK.to_owned(), serde_dynamo::AttributeValue::S(END.to_owned())),
                ("items".to_owned(), serde_dynamo::AttributeValue::N(items.to_string())),
            ])),
        };
        let mut text = serde_json::to_string(&Written { item })?;
        text.push('\n');
        Ok(text)
    }
}

/// The count in the last line.
fn end_of(item: &Item) -> Option<u64> {
    let is_end = item.get(Shape::PK)?.as_s().ok()? == END;
    item.get("items").filter(|_| is_end)?.as_n().ok()?.parse().ok()
}

/// The pass in which an item is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// All items but the recipients, without their working lists.
    Frame,
    /// The recipients.
    Recipients,
    /// The working lists, and the contacts that were known here under the same address.
    Lists,
}

impl Pass {
    /// All, in order.
    pub const ALL: [Self; 3] = [Self::Frame, Self::Recipients, Self::Lists];

    /// Whether an item is written in this pass.
    pub fn takes(self, item: &Item) -> bool {
        let recipient = matches!(stored_key(item), Some(Key::Recipient { .. }));
        // The table that it is imported into has its own.
        let address_key = matches!(stored_key(item), Some(Key::AddressKey));
        match self {
            Self::Frame => !recipient && !address_key && is_exported(item),
            Self::Recipients => recipient,
            Self::Lists => {
                let is_person = matches!(stored_key(item), Some(Key::Address(_) | Key::Contact(_)));
                is_person || is_exported(item) && item.contains_key(Shape::LISTED_AS)
            }
        }
    }
}

/// What the addresses of an export need where they are imported.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressNeeds {
    /// The fingerprint of the key with which they were hashed.
    pub fingerprint: Option<String>,
    /// How many are of erased contacts: their hash is all that is left, and keeps the person
    /// suppressed only under the same key.
    pub erased: u64,
}

impl AddressNeeds {
    /// Takes an item into account.
    pub fn count(&mut self, item: &Item) {
        let text = |name| item.get(name).and_then(|value| value.as_s().ok());
        match stored_key(item) {
            Some(Key::AddressKey) => self.fingerprint = text("fingerprint").cloned(),
            Some(Key::Address(_)) => self.erased += u64::from(text("suppressed").is_some()),
            _ => {}
        }
    }
}

/// Whether an item is exported. Counters and their watermarks are not: the import counts
/// again. Stored answers expire within a day, and the feed within a week.
pub fn is_exported(item: &Item) -> bool {
    !matches!(
        stored_key(item),
        Some(
            Key::Counters { .. } | Key::Watermark { .. } | Key::Idempotency(_) | Key::Event { .. }
        )
    )
}

/// An item as the import writes it first: on no working list, and a batch is neither
/// enqueued nor leased. The list of suppressed contacts is nobody's work.
pub fn arriving(mut item: Item) -> Item {
    if !matches!(stored_key(&item), Some(Key::Contact(_))) {
        item.remove(Shape::LISTED_AS);
        item.remove(Shape::LISTED_AT);
    }
    if matches!(stored_key(&item), Some(Key::Batch { .. })) {
        for attribute in ["lease", "lease_until", "enqueued_at"] {
            item.remove(attribute);
        }
    }
    item
}
