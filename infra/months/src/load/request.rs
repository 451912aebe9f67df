//! Which partition keys a request to DynamoDB touches.

use std::collections::HashMap;

use serde::Deserialize;

use super::meter::{Charge, Units};
use super::partition::{Partition, Space, item_kind};

/// A request, as far as it is metered.
#[derive(Debug, Default)]
pub(super) struct Request {
    /// The items that it writes, or whose conditions it checks.
    pub(super) writes: Vec<WrittenItem>,
    /// The partition keys that it reads, with the kind of the items.
    pub(super) reads: Vec<(Partition, &'static str)>,
    pub(super) is_transaction: bool,
}

/// An item that a request writes.
#[derive(Debug)]
pub(super) struct WrittenItem {
    pub(super) pk: String,
    pub(super) sk: String,
    /// The work list in which the request puts it.
    pub(super) listed_as: Option<String>,
}

impl WrittenItem {
    pub(super) fn kind(&self) -> &'static str {
        item_kind(&self.pk, &self.sk)
    }
}

#[derive(Deserialize)]
struct Text {
    #[serde(rename = "S")]
    text: Option<String>,
}

#[derive(Deserialize)]
struct Attributes {
    pk: Text,
    sk: Text,
    listed_as: Option<Text>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Body {
    key: Option<Attributes>,
    item: Option<Attributes>,
    index_name: Option<String>,
    expression_attribute_values: HashMap<String, Text>,
    transact_items: Vec<TransactItem>,
    request_items: HashMap<String, BatchKeys>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BatchKeys {
    keys: Vec<Attributes>,
}

#[derive(Deserialize)]
enum TransactItem {
    Put(Body),
    Update(Body),
    Delete(Body),
    ConditionCheck(Body),
    Get(Body),
}

impl Request {
    /// Reads the body of an operation. One that is not metered touches nothing.
    pub(super) fn read(operation: &str, body: &[u8]) -> Result<Self, serde_json::Error> {
        let body: Body = serde_json::from_slice(body)?;
        let mut request = Self::default();
        match operation {
            "GetItem" => request.reads.extend(body.key.map(read)),
            "Query" => request.reads.extend(queried(body)),
            "BatchGetItem" => {
                let keys = body.request_items.into_values().flat_map(|batch| batch.keys);
                request.reads.extend(keys.map(read));
            }
            "PutItem" | "UpdateItem" | "DeleteItem" => request.writes.extend(written(body)),
            "TransactWriteItems" | "TransactGetItems" => {
                request.is_transaction = true;
                for item in body.transact_items {
                    request.add(item);
                }
            }
            _ => {}
        }
        Ok(request)
    }

    fn add(&mut self, item: TransactItem) {
        match item {
            TransactItem::Get(body) => self.reads.extend(body.key.map(read)),
            TransactItem::Put(body)
            | TransactItem::Update(body)
            | TransactItem::Delete(body)
            | TransactItem::ConditionCheck(body) => self.writes.extend(written(body)),
        }
    }

    /// Units of each write, where an item is not larger than one.
    pub(super) fn factor(&self) -> f64 {
        if self.is_transaction { 2.0 } else { 1.0 }
    }

    /// What the request needs at least. `listed_as` names the work list that an item is in.
    pub(super) fn expected(&self, listed_as: impl Fn(&str, &str) -> Option<String>) -> Vec<Charge> {
        let factor = self.factor();
        let reads = self.reads.iter().map(|(partition, item)| Charge {
            partition: partition.clone(),
            units: Units::of_reads(factor),
            item,
        });
        let mut charges: Vec<Charge> = reads.collect();
        for write in &self.writes {
            let (partition, item) = (Partition::of_table(&write.pk), write.kind());
            charges.push(Charge { partition, units: Units::of_writes(factor), item });
            let lists = [listed_as(&write.pk, &write.sk), write.listed_as.clone()];
            charges.extend(lists.into_iter().flatten().map(|list| Charge {
                partition: Partition::by_status(&list),
                units: Units::of_writes(1.0),
                item,
            }));
        }
        charges
    }
}

fn read(key: Attributes) -> (Partition, &'static str) {
    let (pk, sk) = (key.pk.text.unwrap_or_default(), key.sk.text.unwrap_or_default());
    (Partition::of_table(&pk), item_kind(&pk, &sk))
}

/// The placeholders are those of the one module that makes requests.
fn queried(mut body: Body) -> Option<(Partition, &'static str)> {
    let space = Space::of_index(body.index_name.as_deref());
    let placeholder = match space {
        Space::Table => ":pk",
        Space::ByContact => ":sk",
        Space::ByStatus => ":list",
    };
    let key = body.expression_attribute_values.remove(placeholder)?.text?;
    let partition = Partition { space, key };
    let kind = partition.kind();
    Some((partition, kind))
}

fn written(mut body: Body) -> Option<WrittenItem> {
    let set = body.expression_attribute_values.remove(":set_listed_as");
    let attributes = body.key.or(body.item)?;
    let listed_as = set.or(attributes.listed_as).and_then(|list| list.text);
    Some(WrittenItem { pk: attributes.pk.text?, sk: attributes.sk.text?, listed_as })
}
