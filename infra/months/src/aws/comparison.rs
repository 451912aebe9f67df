//! Compares the simulated table with the embedded engine, by the requests of a simulation.

use std::collections::BTreeMap;

use aws_lambda_events::event::dynamodb::EventRecord;
use carillon::time::Timestamp;
use serde_json::Value;
use tower::BoxError;

use super::reference::TableEngine;
use super::table::{Answer, Request, SimulatedTable, write_units};

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
        let request = Request::read(operation, body).map_err(|reason| format!("{reason:?}"))?;
        let answer = simulated.respond(&request);
        let (status, expected) = engine.respond(operation, &with_capacity(body));
        let units = units_in(&serde_json::from_str(&expected)?);
        let (found, expected) = (comparable(&answer.body)?, comparable(&expected)?);
        let describes_table =
            matches!(operation.as_str(), "CreateTable" | "DescribeTable" | "UpdateTimeToLive");
        let is_same = answer.status == status && (found == expected || describes_table);
        let count = answer.changes.len();
        let changes: Vec<Value> = answer
            .changes
            .iter()
            .map(|change| images(change.record(0, Timestamp::UNIX_EPOCH)))
            .collect();
        let mut records: Vec<Value> =
            engine.new_stream_records()?.into_iter().map(images).collect();
        // DynamoDB has no record of a write that changes nothing; the engine has of some.
        // Source: AWS, "Change data capture for DynamoDB Streams".
        records.retain(|record| record["old"] != record["new"]);
        let own_units = units_of(&request, &answer);
        if !is_same
            || changes != records
            || units.is_some_and(|units| (units - own_units).abs() > 0.01)
        {
            let body = String::from_utf8_lossy(body);
            return Err(format!(
                "{operation} {body}\n{} {found}\n{count} changes: {changes:?}\nthe engine answers\n{status} {expected}\n{records:?}\nunits {own_units}, not {units:?}",
                answer.status
            )
            .into());
        }
        let outcome = if status == 200 { "" } else { ", refused" };
        *compared.entry(format!("{operation}{outcome}")).or_default() += 1;
    }
    Ok(compared)
}

/// The same request, which asks for what it consumes.
fn with_capacity(body: &[u8]) -> Vec<u8> {
    const ASKS: &[u8] = br#"{"ReturnConsumedCapacity":"INDEXES","#;
    match body.strip_prefix(b"{") {
        Some(rest) => [ASKS, rest].concat(),
        None => body.to_vec(),
    }
}

/// The units of the table, or of the index that is read, which an answer says were consumed.
fn units_in(answer: &Value) -> Option<f64> {
    let consumed = match answer.get("ConsumedCapacity")? {
        Value::Array(tables) => tables.first()?,
        table => table,
    };
    let of_table = consumed["Table"]["CapacityUnits"].as_f64().filter(|units| *units > 0.0);
    of_table.or(consumed["CapacityUnits"].as_f64())
}

/// The units that a load charges for a request, without those of indexes that are written.
fn units_of(request: &Request, answer: &Answer) -> f64 {
    let factor = if matches!(request, Request::Transaction(_)) { 2.0 } else { 1.0 };
    let written = answer.written.iter().map(|bytes| write_units(*bytes) * factor);
    answer.read_units + written.sum::<f64>()
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
            members.remove("ConsumedCapacity");
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
