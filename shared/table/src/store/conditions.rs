//! Which errors of each operation are failed conditions.

use aws_sdk_dynamodb::operation as op;
use aws_sdk_dynamodb::types::CancellationReason;

use super::error::{Cancelled, ConditionFailure, StoreError};

impl ConditionFailure for op::get_item::GetItemError {}
impl ConditionFailure for op::batch_get_item::BatchGetItemError {}
impl ConditionFailure for op::query::QueryError {}
impl ConditionFailure for op::scan::ScanError {}
impl ConditionFailure for op::describe_table::DescribeTableError {}
impl ConditionFailure for op::create_table::CreateTableError {}
impl ConditionFailure for op::update_time_to_live::UpdateTimeToLiveError {}

impl ConditionFailure for op::put_item::PutItemError {
    fn refused(&self) -> Option<StoreError> {
        let Self::ConditionalCheckFailedException(failed) = self else { return None };
        Some(StoreError::Condition(failed.item.clone().map(Box::new)))
    }
}

impl ConditionFailure for op::delete_item::DeleteItemError {
    fn refused(&self) -> Option<StoreError> {
        let Self::ConditionalCheckFailedException(failed) = self else { return None };
        Some(StoreError::Condition(failed.item.clone().map(Box::new)))
    }
}

impl ConditionFailure for op::update_item::UpdateItemError {
    fn refused(&self) -> Option<StoreError> {
        let Self::ConditionalCheckFailedException(failed) = self else { return None };
        Some(StoreError::Condition(failed.item.clone().map(Box::new)))
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
