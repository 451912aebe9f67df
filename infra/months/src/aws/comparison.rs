//! Compares the simulated table with the embedded engine, by the requests of a simulation.

use std::collections::BTreeMap;

use aws_lambda_events::event::dynamodb::EventRecord;
use serde_json::Value;
use tower::BoxError;

use super::reference::TableEngine;
use super::table::{Request, SimulatedTable};

/// A request that was made.
#[derive(Debug)]
pub(crate) struct RecordedRequest {
    pub(super) operation: String,
    pub(super) body: Vec<u8>,
}

/// Makes all requests to both. Returns how many there were of each operation.
///
/// # Errors
/// The first answer, or change of an item, in which they differ.
pub(crate) fn compare(requests: &[RecordedRequest]) -> Result<BTreeMap<String, usize>, BoxError> {
    let (simulated, engine) = (SimulatedTable::default(), TableEngine::open()?);
    let mut compared = BTreeMap::new();
    for RecordedRequest { operation, body } in requests {
        let request = Request::read(operation, body)?;
        let answer = simulated.respond(&request);
        let (status, expected) = engine.respond(operation, body);
        let (found, expected) = (comparable(&answer.body)?, comparable(&expected)?);
        let describes_table =
            matches!(operation.as_str(), "CreateTable" | "DescribeTable" | "UpdateTimeToLive");
        let is_same = answer.status == status && (found == expected || describes_table);
        let count = answer.changes.len();
        let changes: Vec<Value> =
            answer.changes.iter().map(|change| images(change.record(0))).collect();
        let mut records: Vec<Value> =
            engine.new_stream_records()?.into_iter().map(images).collect();
        // DynamoDB has no record of a write that changes nothing; the engine has of some.
        // Source: AWS, "Change data capture for DynamoDB Streams".
        records.retain(|record| record["old"] != record["new"]);
        if !is_same || changes != records {
            let body = String::from_utf8_lossy(body);
            return Err(format!(
                "{operation} {body}\n{} {found}\n{count} changes: {changes:?}\nthe engine answers\n{status} {expected}\n{records:?}",
                answer.status
            )
            .into());
        }
        let outcome = if status == 200 { "" } else { ", refused" };
        *compared.entry(format!("{operation}{outcome}")).or_default() += 1;
    }
    Ok(compared)
}

/// An answer without what is free: the order of sets and of the items of several keys, and the
/// words of messages.
fn comparable(body: &str) -> Result<Value, serde_json::Error> {
    let mut value = serde_json::from_str(body)?;
    normalize(&mut value);
    Ok(value)
}

fn normalize(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.remove("message");
            members.remove("Message");
            members.values_mut().for_each(normalize);
            for name in ["SS", "Responses"] {
                if let Some(Value::Array(all)) = members.get_mut(name) {
                    all.sort_by_key(Value::to_string);
                }
            }
            if let Some(Value::Object(tables)) = members.get_mut("Responses") {
                for items in tables.values_mut().filter_map(Value::as_array_mut) {
                    items.sort_by_key(Value::to_string);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(normalize),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What a record of the stream says.
fn images(record: EventRecord) -> Value {
    let change = record.change;
    let mut images = serde_json::json!({
        "name": record.event_name,
        "keys": change.keys,
        "old": change.old_image,
        "new": change.new_image,
    });
    normalize(&mut images);
    images
}
