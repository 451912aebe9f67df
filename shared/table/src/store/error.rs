use std::error::Error as StdError;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::CancellationReason;

use super::Item;

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

mod conditions {
    use aws_sdk_dynamodb::operation as op;

    use super::{CancellationReason, Cancelled, ConditionFailure, StoreError};

    impl ConditionFailure for op::get_item::GetItemError {}
    impl ConditionFailure for op::batch_get_item::BatchGetItemError {}
    impl ConditionFailure for op::query::QueryError {}
    impl ConditionFailure for op::scan::ScanError {}
    impl ConditionFailure for op::describe_table::DescribeTableError {}
    impl ConditionFailure for op::create_table::CreateTableError {}
    impl ConditionFailure for op::update_time_to_live::UpdateTimeToLiveError {}

    impl ConditionFailure for op::put_item::PutItemError {
        fn refused(&self) -> Option<StoreError> {
            match self {
                Self::ConditionalCheckFailedException(failed) => {
                    Some(StoreError::Condition(failed.item.clone().map(Box::new)))
                }
                _ => None,
            }
        }
    }

    impl ConditionFailure for op::delete_item::DeleteItemError {
        fn refused(&self) -> Option<StoreError> {
            match self {
                Self::ConditionalCheckFailedException(_) => Some(StoreError::Condition(None)),
                _ => None,
            }
        }
    }

    impl ConditionFailure for op::update_item::UpdateItemError {
        fn refused(&self) -> Option<StoreError> {
            match self {
                Self::ConditionalCheckFailedException(failed) => {
                    Some(StoreError::Condition(failed.item.clone().map(Box::new)))
                }
                _ => None,
            }
        }
    }

    impl ConditionFailure for op::transact_write_items::TransactWriteItemsError {
        fn refused(&self) -> Option<StoreError> {
            let Self::TransactionCanceledException(cancelled) = self else { return None };
            let reasons: Option<Vec<Cancelled>> =
                cancelled.cancellation_reasons().iter().map(Cancelled::read).collect();
            reasons.filter(|reasons| !reasons.is_empty()).map(StoreError::Cancelled)
        }
    }

    impl Cancelled {
        /// Any other reason, such as throttling, is a fault of the whole request.
        fn read(reason: &CancellationReason) -> Option<Self> {
            match reason.code() {
                Some("ConditionalCheckFailed") => {
                    Some(Self::Condition(reason.item.clone().unwrap_or_default()))
                }
                Some("TransactionConflict") => Some(Self::Conflict),
                None | Some("None") => Some(Self::Fine),
                Some(_) => None,
            }
        }
    }
}

impl StoreError {
    /// Whether a plain write met a transaction on the same item; trying again
    /// helps. Source: AWS, "`DynamoDB` transactions", transaction conflict handling.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(self, Self::Unavailable { code, .. } if code == "TransactionConflictException")
    }
}
