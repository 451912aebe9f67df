use std::error::Error as StdError;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use carillon_foundations::address_key::AddressKeyError;

use super::page::Item;

/// What can go wrong between a store and the table.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A condition did not hold; the item as it is, if the request returns it and it
    /// exists.
    #[error("the condition on the item did not hold")]
    Condition(Option<Box<Item>>),
    /// A transaction was cancelled; one reason for each write.
    #[error("the transaction was cancelled")]
    Cancelled(Vec<Cancelled>),
    /// An item does not have the attributes of its type.
    #[error("a stored item can't be read")]
    Malformed(#[source] serde_dynamo::Error),
    /// The key that hashes addresses is not known.
    #[error("the address key is not known")]
    AddressKey(#[source] AddressKeyError),
    /// The table refuses the request for what it contains: a key or an item is too large, a
    /// key is empty, a number is out of range. A retry never succeeds.
    #[error("the table refuses the request ({code})")]
    Refused {
        /// AWS's name of the error.
        code: String,
        /// What the SDK says.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The request failed. A retry may succeed.
    #[error("the table is not available ({code})")]
    Unavailable {
        /// AWS's name of the error.
        code: String,
        /// What the SDK says.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
}

/// An item that does not have the attributes of its type.
#[derive(Debug, thiserror::Error)]
#[error("the item {key} can't be read")]
pub struct Unreadable {
    /// Its partition key and its sort key.
    pub key: String,
    /// Why.
    #[source]
    pub source: StoreError,
}

/// Whether one write of a cancelled transaction caused the cancellation, and why.
#[derive(Debug)]
pub enum Cancelled {
    /// This write did not cause it.
    Fine,
    /// Its condition did not hold; the item as it is.
    Condition(Item),
    /// Another transaction or write holds the item. A retry may succeed.
    Conflict,
}

pub(super) fn unavailable(error: impl StdError + Send + Sync + 'static) -> StoreError {
    StoreError::Unavailable { code: "client".to_owned(), source: Box::new(error) }
}

/// The errors with which `DynamoDB` refuses what a request contains, as the codes of errors
/// and of the reasons why a transaction was cancelled.
/// Source: AWS, "Error handling with `DynamoDB`" and "`TransactWriteItems`".
const REFUSALS: [&str; 4] = [
    "ValidationException",
    "ValidationError",
    "ItemCollectionSizeLimitExceededException",
    "ItemCollectionSizeLimitExceeded",
];
/// The HTTP status of a request that is larger than `DynamoDB` takes.
const TOO_LARGE: u16 = 413;

/// Converts an SDK error.
pub(super) fn failure<E>(error: SdkError<E, HttpResponse>) -> StoreError
where
    E: StdError + ProvideErrorMetadata + ConditionFailure + Send + Sync + 'static,
{
    match error.as_service_error().and_then(ConditionFailure::refusal) {
        Some(Refusal::Condition(refused)) => return refused,
        Some(Refusal::Content(code)) => {
            return StoreError::Refused { code, source: Box::new(error) };
        }
        None => {}
    }
    let code = error.code().unwrap_or("no answer").to_owned();
    let status = error.raw_response().map(|answer| answer.status().as_u16());
    if is_refusal(&code) || status == Some(TOO_LARGE) {
        return StoreError::Refused { code, source: Box::new(error) };
    }
    StoreError::Unavailable { code, source: Box::new(error) }
}

/// Converts an SDK error of a query of an index. `DynamoDB` refuses it while the index is being
/// created, whatever the query contains: a retry may succeed.
/// Source: AWS, "Managing Global Secondary Indexes", backfilling.
pub(super) fn index_failure<E>(error: SdkError<E, HttpResponse>) -> StoreError
where
    E: StdError + ProvideErrorMetadata + ConditionFailure + Send + Sync + 'static,
{
    match failure(error) {
        StoreError::Refused { code, source } => StoreError::Unavailable { code, source },
        other => other,
    }
}

/// Whether a code, of an error or of a reason, refuses what a request contains.
pub(super) fn is_refusal(code: &str) -> bool {
    REFUSALS.contains(&code)
}

/// Why an operation was refused, where it was not a fault of the table.
pub(super) enum Refusal {
    /// A condition did not hold, or a transaction was cancelled.
    Condition(StoreError),
    /// One write of a transaction cannot be stored; the code of the reason.
    Content(String),
}

/// Tells a refusal from every other error of an operation.
pub(super) trait ConditionFailure {
    fn refusal(&self) -> Option<Refusal> {
        None
    }
}

/// Whether a write or a transaction was executed: `false` where a condition did not hold or
/// the transaction was cancelled.
pub fn condition_held<T>(outcome: Result<T, StoreError>) -> Result<bool, StoreError> {
    match outcome {
        Ok(_) => Ok(true),
        Err(StoreError::Condition(_) | StoreError::Cancelled(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

impl StoreError {
    /// Whether the table refuses what the request contains, now and later.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }

    /// Whether a plain write met a transaction on the same item: a retry may succeed.
    /// Source: AWS, "`DynamoDB` transactions", transaction conflict handling.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(self, Self::Unavailable { code, .. } if code == "TransactionConflictException")
    }
}
