//! Which errors of each operation are failed conditions, and which reasons of a cancelled
//! transaction are not.

use aws_sdk_dynamodb::operation as op;
use aws_sdk_dynamodb::types::CancellationReason;

use super::Item;
use super::error::{Cancelled, ConditionFailure, Refusal, StoreError, is_refusal};

impl ConditionFailure for op::get_item::GetItemError {}
impl ConditionFailure for op::batch_get_item::BatchGetItemError {}
impl ConditionFailure for op::query::QueryError {}
impl ConditionFailure for op::scan::ScanError {}
impl ConditionFailure for op::describe_table::DescribeTableError {}
impl ConditionFailure for op::create_table::CreateTableError {}
impl ConditionFailure for op::update_time_to_live::UpdateTimeToLiveError {}

impl ConditionFailure for op::put_item::PutItemError {
    fn refusal(&self) -> Option<Refusal> {
        let Self::ConditionalCheckFailedException(failed) = self else { return None };
        Some(condition(failed.item.clone()))
    }
}

impl ConditionFailure for op::delete_item::DeleteItemError {
    fn refusal(&self) -> Option<Refusal> {
        let Self::ConditionalCheckFailedException(failed) = self else { return None };
        Some(condition(failed.item.clone()))
    }
}

impl ConditionFailure for op::update_item::UpdateItemError {
    fn refusal(&self) -> Option<Refusal> {
        let Self::ConditionalCheckFailedException(failed) = self else { return None };
        Some(condition(failed.item.clone()))
    }
}

impl ConditionFailure for op::transact_write_items::TransactWriteItemsError {
    fn refusal(&self) -> Option<Refusal> {
        let Self::TransactionCanceledException(cancelled) = self else { return None };
        let reasons = cancelled.cancellation_reasons();
        let mut codes = reasons.iter().filter_map(CancellationReason::code);
        if let Some(code) = codes.find(|code| is_refusal(code)) {
            return Some(Refusal::Content(code.to_owned()));
        }
        let reasons: Option<Vec<Cancelled>> = reasons.iter().map(Cancelled::read).collect();
        let reasons = reasons.filter(|reasons| !reasons.is_empty());
        reasons.map(StoreError::Cancelled).map(Refusal::Condition)
    }
}

fn condition(item: Option<Item>) -> Refusal {
    Refusal::Condition(StoreError::Condition(item.map(Box::new)))
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
