//! DynamoDB and SQS inside the process, and the HTTP client through which the SDK
//! reaches them.

mod http_client;
mod queue;
mod table;

pub(crate) use http_client::{InProcessHttpClient, Service, http_response};
pub(crate) use queue::{FifoQueue, QueueMessage};
pub(crate) use table::{TABLE, TableEngine};
