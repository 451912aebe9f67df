use std::sync::Arc;

use serde::Serialize;
use serde_dynamo::Item;

use super::request::Query;
use super::value::item_size;

/// A query reads so many bytes at most. Source: AWS, "Query".
const MAX_BYTES: usize = 1_048_576;

/// What a query finds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Page {
    items: Vec<Item>,
    count: usize,
    scanned_count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_evaluated_key: Option<Item>,
    /// The bytes that were read.
    #[serde(skip)]
    pub(super) bytes: usize,
}

/// Reads entries in order, up to a limit.
pub(super) struct Reader<'a> {
    query: &'a Query,
    /// The attributes of the next page's start.
    keys: &'a [&'static str],
    has_keys_only: bool,
    items: Vec<Item>,
    bytes: usize,
    last: Option<Item>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(query: &'a Query, keys: &'a [&'static str], has_keys_only: bool) -> Self {
        Self { query, keys, has_keys_only, items: Vec::new(), bytes: 0, last: None }
    }

    pub(super) fn read<'i>(
        &mut self,
        entries: impl DoubleEndedIterator<Item = &'i Arc<Item>>,
    ) -> Page {
        if self.query.is_forward {
            self.take(entries);
        } else {
            self.take(entries.rev());
        }
        self.end()
    }

    fn take<'i>(&mut self, entries: impl Iterator<Item = &'i Arc<Item>>) {
        for item in entries {
            let found = if self.has_keys_only { self.keys_of(item) } else { Item::clone(item) };
            let bytes = self.bytes + item_size(&found);
            let is_full = Some(self.items.len()) == self.query.limit || bytes > MAX_BYTES;
            if is_full && !self.items.is_empty() {
                return;
            }
            self.bytes = bytes;
            self.items.push(found);
            self.last = Some(self.keys_of(item));
        }
        if Some(self.items.len()) != self.query.limit {
            self.last = None;
        }
    }

    fn keys_of(&self, item: &Item) -> Item {
        let key = |name: &&str| Some(((*name).to_owned(), item.get(*name)?.clone()));
        let keys: std::collections::HashMap<_, _> = self.keys.iter().filter_map(key).collect();
        keys.into()
    }

    pub(super) fn end(&mut self) -> Page {
        let items = std::mem::take(&mut self.items);
        let count = items.len();
        let last_evaluated_key = self.last.take();
        Page { items, count, scanned_count: count, last_evaluated_key, bytes: self.bytes }
    }
}
