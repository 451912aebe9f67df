use std::error::Error as StdError;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

use super::page::Item;

/// What can go wrong between a store and the table.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A condition did not hold; the item as it is, where there is one.
    #[error("the condition on the item did not hold")]
    Condition(Option<Box<Item>>),
    /// A transaction did not go through; one reason a write.
    #[error("the transaction was cancelled")]
    Cancelled(Vec<Cancelled>),
    /// An item doesn't read as what it should be.
    #[error("a stored item can't be read")]
    Malformed(#[source] serde_dynamo::Error),
    /// The table could not be asked; trying again may help.
    #[error("the table is not available ({code})")]
    Unavailable {
        /// AWS's name of the error.
        code: String,
        /// What the SDK says.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
}

/// Why one write of a cancelled transaction stands in the way, or doesn't.
#[derive(Debug)]
pub enum Cancelled {
    /// This write would have gone through.
    Fine,
    /// Its condition did not hold; the item as it is.
    Condition(Item),
    /// Someone else is writing the item; trying again helps.
    Conflict,
}

pub(super) fn unavailable(error: impl StdError + Send + Sync + 'static) -> StoreError {
    StoreError::Unavailable { code: "client".to_owned(), source: Box::new(error) }
}

/// Sorts an SDK error into what a store can act on.
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

impl StoreError {
    /// Whether a plain write met a transaction on the same item; trying again
    /// helps. Source: AWS, "`DynamoDB` transactions", transaction conflict handling.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(self, Self::Unavailable { code, .. } if code == "TransactionConflictException")
    }
}
