//! Which partition keys a request to DynamoDB touches.

use super::meter::{Charge, Units};
use super::partition::{Partition, Space, item_kind};
use crate::aws::{ItemKey, Request};

/// What kind of item it is.
pub(super) fn kind_of(key: &ItemKey) -> &'static str {
    item_kind(&key.pk, &key.sk)
}

/// The partition keys that a request reads, with the kind of the items.
pub(super) fn reads(request: &Request) -> Vec<(Partition, &'static str)> {
    let of_key = |key: &ItemKey| (Partition::of_table(&key.pk), kind_of(key));
    match request {
        Request::Get(key) => vec![of_key(key)],
        Request::GetMany(keys) => keys.iter().map(of_key).collect(),
        Request::Query(query) => {
            let space = Space::of_index(query.index.as_deref());
            let partition = Partition { space, key: query.hash.clone() };
            let kind = partition.kind();
            vec![(partition, kind)]
        }
        Request::Write(_)
        | Request::Transaction(_)
        | Request::CreateTable
        | Request::DescribeTable
        | Request::UpdateTimeToLive => Vec::new(),
    }
}

/// Units of each write, where an item is not larger than one.
pub(super) fn factor(request: &Request) -> f64 {
    if is_transaction(request) { 2.0 } else { 1.0 }
}

pub(super) fn is_transaction(request: &Request) -> bool {
    matches!(request, Request::Transaction(_))
}

/// What the request needs at least. `list_of` names the work list that an item is in.
pub(super) fn expected(
    request: &Request,
    list_of: impl Fn(&ItemKey) -> Option<String>,
) -> Vec<Charge> {
    let reads = reads(request).into_iter();
    let read = |(partition, item)| Charge { partition, units: Units::of_reads(1.0), item };
    let mut charges: Vec<Charge> = reads.map(read).collect();
    for write in request.writes() {
        let (partition, item) = (Partition::of_table(&write.key.pk), kind_of(&write.key));
        charges.push(Charge { partition, units: Units::of_writes(factor(request)), item });
        let lists = [list_of(&write.key), write.listed_as().map(str::to_owned)];
        charges.extend(lists.into_iter().flatten().map(|list| Charge {
            partition: Partition::by_status(&list),
            units: Units::of_writes(1.0),
            item,
        }));
    }
    charges
}
