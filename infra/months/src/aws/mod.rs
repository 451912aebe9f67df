//! DynamoDB and SQS inside the process, and the HTTP client through which the SDK
//! reaches them.

mod call_faults;
mod comparison;
mod error_answer;
mod http_client;
mod lagging_indexes;
mod queue;
mod reference;
mod table;

pub(crate) use call_faults::CallFaults;
pub(crate) use comparison::compare;
pub(crate) use http_client::{InProcessHttpClient, Service, http_response};
pub(crate) use lagging_indexes::LaggingIndexes;
pub(crate) use queue::{FifoQueue, QueueMessage};
pub(crate) use table::{
    Answer, Change, ItemKey, Reason, Request, SimulatedTable, TABLE, item_size, text, write_units,
};
