//! What DynamoDB charges for a request, and how much a table takes.
//! Source: AWS, "Read/write capacity mode", "Partitions and data distribution" and "Quotas".

use serde_dynamo::{AttributeValue, Item};

/// Write units that one partition takes in a second. With a local secondary index a
/// partition key is never split, so this is also the limit of a key.
pub(super) const PARTITION_WRITES: f64 = 1_000.0;
/// Read units that one partition takes in a second.
pub(super) const PARTITION_READS: f64 = 3_000.0;
/// Bytes that one write unit covers.
const WRITE_BYTES: usize = 1_024;

/// The units of one write to an item of that size, in bytes.
pub(super) fn write_units(bytes: usize) -> f64 {
    bytes.div_ceil(WRITE_BYTES).max(1) as f64
}

/// The size of an item as DynamoDB counts it: names and values, in bytes.
pub(super) fn item_size(item: &Item) -> usize {
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
