//! The order, equality and size of values.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use serde_dynamo::{AttributeValue, Item};

/// The order of two texts or of two numbers.
pub(super) fn compare(one: &AttributeValue, other: &AttributeValue) -> Option<Ordering> {
    match (one, other) {
        (AttributeValue::S(one), AttributeValue::S(other)) => Some(one.cmp(other)),
        (AttributeValue::N(one), AttributeValue::N(other)) => {
            match (one.parse::<i64>(), other.parse::<i64>()) {
                (Ok(one), Ok(other)) => Some(one.cmp(&other)),
                (_, _) => one.parse::<f64>().ok()?.partial_cmp(&other.parse().ok()?),
            }
        }
        (_, _) => None,
    }
}

/// Whether two values are equal. The members of sets have no order.
pub(super) fn equal(one: &AttributeValue, other: &AttributeValue) -> bool {
    match (one, other) {
        (AttributeValue::N(_), AttributeValue::N(_)) => {
            compare(one, other) == Some(Ordering::Equal)
        }
        (AttributeValue::Ss(one), AttributeValue::Ss(other)) => {
            BTreeSet::from_iter(one) == BTreeSet::from_iter(other)
        }
        (_, _) => one == other,
    }
}

/// Whether two items are equal.
pub(super) fn are_equal(one: &Item, other: &Item) -> bool {
    let has = |(name, value): (&String, &AttributeValue)| {
        other.get(name).is_some_and(|found| equal(value, found))
    };
    one.len() == other.len() && one.iter().all(has)
}

/// Whether DynamoDB takes a value: it takes no empty set.
pub(super) fn is_valid(value: &AttributeValue) -> bool {
    match value {
        AttributeValue::Ss(texts) => !texts.is_empty(),
        AttributeValue::L(values) => values.iter().all(is_valid),
        AttributeValue::M(members) => members.values().all(is_valid),
        _ => true,
    }
}

/// The text of an attribute.
pub(crate) fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    match item.get(name) {
        Some(AttributeValue::S(text)) => Some(text),
        Some(_) | None => None,
    }
}

/// The size of an item as DynamoDB counts it: names and values, in bytes.
pub(crate) fn item_size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value_size(value)).sum()
}

fn value_size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        // Two digits in a byte, and a byte for the sign and the point.
        AttributeValue::N(number) => number.len().div_ceil(2) + 1,
        AttributeValue::B(bytes) => bytes.len(),
        AttributeValue::Bool(_) | AttributeValue::Null(_) => 1,
        AttributeValue::Ss(texts) => texts.iter().map(String::len).sum(),
        AttributeValue::Ns(numbers) => numbers.iter().map(|n| n.len().div_ceil(2) + 1).sum(),
        AttributeValue::Bs(all) => all.iter().map(Vec::len).sum(),
        // Three bytes for a list or a map, and one for each of its members.
        AttributeValue::L(values) => {
            3 + values.iter().map(|value| 1 + value_size(value)).sum::<usize>()
        }
        AttributeValue::M(members) => {
            let sizes = members.iter().map(|(name, value)| 1 + name.len() + value_size(value));
            3 + sizes.sum::<usize>()
        }
    }
}

/// Bytes that one write unit covers.
const WRITE_BYTES: usize = 1_024;

/// The units of one write to an item of that size, in bytes.
pub(crate) fn write_units(bytes: usize) -> f64 {
    bytes.div_ceil(WRITE_BYTES).max(1) as f64
}
