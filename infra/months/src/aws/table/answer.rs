//! Answers to requests.

use serde::Serialize;
use serde_dynamo::Item;
use serde_json::{Value, json};

use super::change::Change;
use super::page::Page;
use super::reason::Reason;
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
    /// The bytes of the items of its writes, before or after, whichever are more; none of a request
    /// that is refused as invalid.
    pub(crate) written: Vec<usize>,
    /// What the simulated table does not know.
    pub(crate) unknown: Option<String>,
}

/// Why a write is refused.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The condition does not hold. With the item, where it is asked for.
    Condition(Option<Item>),
    /// The request is not carried out.
    Other(Reason),
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
    pub(crate) fn of_query(query: &Query, page: Result<Page, Reason>) -> Self {
        match page {
            Ok(page) => {
                let factor = if query.is_consistent { 1.0 } else { 0.5 };
                Self { read_units: read_units(page.bytes) * factor, ..Self::of(&page) }
            }
            Err(reason) => Self::refused_because(reason),
        }
    }

    pub(super) fn of(body: &impl Serialize) -> Self {
        match serde_json::to_string(body) {
            Ok(body) => Self { body, ..Self::empty(200) },
            Err(error) => Self::invalid(&error.to_string()),
        }
    }

    /// A request that is not carried out.
    pub(crate) fn refused_because(reason: Reason) -> Self {
        match reason {
            Reason::Invalid(reason) => Self::invalid(&reason),
            Reason::Unknown(what) => Self { unknown: Some(what.clone()), ..Self::invalid(&what) },
        }
    }

    fn empty(status: u16) -> Self {
        let (changes, written) = (Vec::new(), Vec::new());
        Self { status, body: String::new(), read_units: 0.0, changes, written, unknown: None }
    }

    pub(super) fn invalid(reason: &str) -> Self {
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
            Refusal::Other(reason) => Self::refused_because(reason),
        }
    }

    /// A transaction of which some writes are refused.
    pub(super) fn cancelled(refusals: Vec<Option<Refusal>>) -> Self {
        let unknown = refusals.iter().flatten().find_map(|refusal| match refusal {
            Refusal::Other(Reason::Unknown(what)) => Some(what.clone()),
            Refusal::Other(Reason::Invalid(_)) | Refusal::Condition(_) => None,
        });
        let reasons: Vec<Value> = refusals.into_iter().map(reason).collect();
        let members = json!({ "CancellationReasons": reasons });
        let answer =
            Self::error("TransactionCanceledException", "the transaction is cancelled", members);
        Self { unknown, ..answer }
    }

    fn error(kind: &str, message: &str, mut members: Value) -> Self {
        members["__type"] = json!(format!("com.amazonaws.dynamodb.v20120810#{kind}"));
        members["message"] = json!(message);
        Self { body: members.to_string(), ..Self::empty(400) }
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
        Some(Refusal::Other(Reason::Invalid(reason) | Reason::Unknown(reason))) => {
            json!({ "Code": "ValidationError", "Message": reason })
        }
    }
}

/// What a strongly consistent read of so many bytes consumes; of nothing, one unit.
pub(super) fn read_units(bytes: usize) -> f64 {
    bytes.div_ceil(READ_BYTES).max(1) as f64
}
