//! Answers of DynamoDB to requests that it does not carry out.

use serde_json::{Value, json};

use crate::rng::SeededRng;

/// An HTTP status and a body.
pub(super) type Answer = (u16, String);

/// The service fails.
pub(super) fn server_error() -> Answer {
    (500, body("InternalServerError", json!({})))
}

/// The request is throttled. A transaction is cancelled because one of its writes is.
pub(super) fn throttled(operation: &str, request: &[u8], rng: &SeededRng) -> Answer {
    match operation {
        "TransactWriteItems" => cancelled("ThrottlingError", request, rng),
        _ => (400, body("ProvisionedThroughputExceededException", json!({}))),
    }
}

/// Another transaction is at work on an item of the request: of a transaction, or of a plain
/// write. Anything else does not meet it.
pub(super) fn conflict(operation: &str, request: &[u8], rng: &SeededRng) -> Option<Answer> {
    match operation {
        "TransactWriteItems" => Some(cancelled("TransactionConflict", request, rng)),
        "PutItem" | "UpdateItem" | "DeleteItem" => {
            Some((400, body("TransactionConflictException", json!({}))))
        }
        _ => None,
    }
}

/// A transaction that is cancelled because of one of its writes.
fn cancelled(code: &str, request: &[u8], rng: &SeededRng) -> Answer {
    let request: Value = serde_json::from_slice(request).unwrap_or_default();
    let count = request["TransactItems"].as_array().map_or(1, Vec::len);
    let cause = rng.below(count as u64) as usize;
    let reasons: Vec<Value> = (0..count)
        .map(|index| json!({ "Code": if index == cause { code } else { "None" } }))
        .collect();
    (400, body("TransactionCanceledException", json!({ "CancellationReasons": reasons })))
}

fn body(kind: &str, mut members: Value) -> String {
    members["__type"] = json!(format!("com.amazonaws.dynamodb.v20120810#{kind}"));
    members["message"] = json!("simulated fault");
    members.to_string()
}
