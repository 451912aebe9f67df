use std::error::Error as StdError;

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

/// Converts an SDK error.
pub(super) fn failure<E, R>(error: SdkError<E, R>) -> StoreError
where
    E: StdError + ProvideErrorMetadata + ConditionFailure + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    if let Some(refused) = error.as_service_error().and_then(ConditionFailure::refused) {
        return refused;
    }
    let code = error.code().unwrap_or("no answer").to_owned();
    StoreError::Unavailable { code, source: Box::new(error) }
}

/// Tells a failed condition from every other error of an operation.
pub(super) trait ConditionFailure {
    fn refused(&self) -> Option<StoreError> {
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
    /// Whether a plain write met a transaction on the same item: a retry may succeed.
    /// Source: AWS, "`DynamoDB` transactions", transaction conflict handling.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(self, Self::Unavailable { code, .. } if code == "TransactionConflictException")
    }
}
