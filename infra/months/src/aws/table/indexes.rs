//! The global secondary indexes.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use carillon::table::Shape;
use serde_dynamo::Item;

use super::change::Change;
use super::page::{Page, Reader};
use super::reason::Reason;
use super::request::{ItemKey, Query};
use super::value::text;

/// The indexes of the table, as they see it.
#[derive(Debug)]
pub(crate) struct Indexes([Index; 2]);

#[derive(Debug)]
struct Index {
    name: &'static str,
    hash: &'static str,
    range: &'static str,
    has_keys_only: bool,
    partitions: BTreeMap<String, BTreeMap<EntryKey, Arc<Item>>>,
}

/// The range key, and the item's own key.
type EntryKey = (String, ItemKey);

impl Default for Indexes {
    fn default() -> Self {
        let index = |name, hash, range, has_keys_only| Index {
            name,
            hash,
            range,
            has_keys_only,
            partitions: BTreeMap::new(),
        };
        Self([
            index(Shape::BY_CONTACT, Shape::SK, Shape::SENT_AT, true),
            index(Shape::BY_STATUS, Shape::LISTED_AS, Shape::LISTED_AT, false),
        ])
    }
}

impl Indexes {
    /// Applies a change of the table.
    pub(crate) fn apply(&mut self, change: &Change) {
        for index in &mut self.0 {
            index.apply(change);
        }
    }

    /// Whether an item is in one of them.
    pub(crate) fn list(&self, item: &Item) -> bool {
        self.0.iter().any(|index| index.entry_of(item).is_some())
    }

    /// A page of a query.
    pub(crate) fn query(&self, query: &Query) -> Result<Page, Reason> {
        let wanted = query.index.as_deref();
        let index = self.0.iter().find(|index| Some(index.name) == wanted);
        index.ok_or_else(|| Reason::unknown(format_args!("the index {wanted:?}")))?.query(query)
    }
}

impl Index {
    fn apply(&mut self, Change { key, old, new }: &Change) {
        if let Some((hash, range)) = old.as_deref().and_then(|item| self.entry_of(item))
            && let Some(partition) = self.partitions.get_mut(hash)
        {
            partition.remove(&(range.to_owned(), key.clone()));
            if partition.is_empty() {
                self.partitions.remove(hash);
            }
        }
        let Some(item) = new else { return };
        if let Some((hash, range)) = self.entry_of(item) {
            let partition = self.partitions.entry(hash.to_owned()).or_default();
            partition.insert((range.to_owned(), key.clone()), item.clone());
        }
    }

    fn entry_of<'a>(&self, item: &'a Item) -> Option<(&'a str, &'a str)> {
        Some((text(item, self.hash)?, text(item, self.range)?))
    }

    fn query(&self, query: &Query) -> Result<Page, Reason> {
        let keys = [Shape::PK, Shape::SK, self.hash, self.range];
        let mut reader = Reader::new(query, &keys, self.has_keys_only);
        let Some(partition) = self.partitions.get(&query.hash) else { return Ok(reader.end()) };
        let lowest = ItemKey { pk: String::new(), sk: String::new() };
        let from = query.from.as_ref().map(|from| (from.clone(), lowest.clone()));
        // The next text after another one.
        let to = query.to.as_ref().map(|to| (format!("{to}\0"), lowest));
        let mut bounds = (
            from.map_or(Bound::Unbounded, Bound::Included),
            to.map_or(Bound::Unbounded, Bound::Excluded),
        );
        if let Some(start) = &query.start {
            let range = text(start, self.range).unwrap_or_default().to_owned();
            let start = Bound::Excluded((range, ItemKey::of(Some(start))?));
            *if query.is_forward { &mut bounds.0 } else { &mut bounds.1 } = start;
        }
        let entries = partition.range(bounds).map(|(_, item)| item);
        Ok(reader.read(entries))
    }
}
