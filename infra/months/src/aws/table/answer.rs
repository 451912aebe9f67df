//! Answers to requests.

use serde::Serialize;
use serde_dynamo::Item;
use serde_json::{Value, json};

use super::change::Change;
use super::page::Page;
use super::request::Query;

/// Bytes that one read unit covers.
const READ_BYTES: usize = 4_096;

/// The answer to a request.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    pub(crate) body: String,
    /// The read units that it consumed.
    pub(crate) read_units: f64,
    /// What the request changed.
    pub(crate) changes: Vec<Change>,
}

/// Why a write is refused.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The condition does not hold. With the item, where it is asked for.
    Condition(Option<Item>),
    /// The request is invalid.
    Invalid(String),
}

/// The bodies of answers with items.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) enum Found<'a> {
    Item(&'a Item),
    Attributes(&'a Item),
}

impl Answer {
    /// An answer with an item, or without.
    pub(super) fn with(found: Option<Found<'_>>) -> Self {
        match found {
            Some(found) => Self::of(&found),
            None => Self::of(&json!({})),
        }
    }

    /// The answer to a query.
    pub(crate) fn of_query(query: &Query, page: Result<Page, String>) -> Self {
        match page {
            Ok(page) => {
                let factor = if query.is_consistent { 1.0 } else { 0.5 };
                Self { read_units: read_units(page.bytes) * factor, ..Self::of(&page) }
            }
            Err(reason) => Self::invalid(&reason),
        }
    }

    pub(super) fn of(body: &impl Serialize) -> Self {
        match serde_json::to_string(body) {
            Ok(body) => Self { status: 200, body, read_units: 0.0, changes: Vec::new() },
            Err(error) => Self::invalid(&error.to_string()),
        }
    }

    /// What DynamoDB refuses, or what is not simulated.
    pub(crate) fn invalid(reason: &str) -> Self {
        Self::error("ValidationException", reason, json!({}))
    }

    pub(super) fn missing_table() -> Self {
        Self::error("ResourceNotFoundException", "the table does not exist", json!({}))
    }

    pub(super) fn refused(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Condition(item) => {
                let members = item.map_or(json!({}), |item| json!({ "Item": item }));
                Self::error("ConditionalCheckFailedException", CONDITION, members)
            }
            Refusal::Invalid(reason) => Self::invalid(&reason),
        }
    }

    /// A transaction of which some writes are refused.
    pub(super) fn cancelled(refusals: Vec<Option<Refusal>>) -> Self {
        let reasons: Vec<Value> = refusals.into_iter().map(reason).collect();
        let members = json!({ "CancellationReasons": reasons });
        Self::error("TransactionCanceledException", "the transaction is cancelled", members)
    }

    fn error(kind: &str, message: &str, mut members: Value) -> Self {
        members["__type"] = json!(format!("com.amazonaws.dynamodb.v20120810#{kind}"));
        members["message"] = json!(message);
        Self { status: 400, body: members.to_string(), read_units: 0.0, changes: Vec::new() }
    }
}

const CONDITION: &str = "The conditional request failed";

fn reason(refusal: Option<Refusal>) -> Value {
    match refusal {
        None => json!({ "Code": "None" }),
        Some(Refusal::Condition(None)) => {
            json!({ "Code": "ConditionalCheckFailed", "Message": CONDITION })
        }
        Some(Refusal::Condition(Some(item))) => {
            json!({ "Code": "ConditionalCheckFailed", "Message": CONDITION, "Item": item })
        }
        Some(Refusal::Invalid(reason)) => json!({ "Code": "ValidationError", "Message": reason }),
    }
}

/// What a strongly consistent read of so many bytes consumes; of nothing, one unit.
pub(super) fn read_units(bytes: usize) -> f64 {
    bytes.div_ceil(READ_BYTES).max(1) as f64
}
