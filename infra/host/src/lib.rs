//! All functions of the AWS deployment in one process. [`Host`] runs them on the
//! embedded engines or on any other DynamoDB and SQS. An HTTP listener replaces API
//! Gateway, pollers replace Lambda's event source mappings, and a timer replaces
//! EventBridge.

mod config;
mod data_folder;
mod error;
mod functions;
mod host;
mod invocation;
mod job_runner;
mod queue;
mod send_poller;
mod stream;
mod stream_consumer;
mod tasks;
mod timers;

pub use config::{
    DEFAULT_MESSAGE_RETENTION_DAYS, DEFAULT_MINIMUM_SHARE, ExternalBackends, HostConfig,
    SchedulerTrigger, StreamDelivery, TABLE_NAME, standard_providers,
};
pub use data_folder::{DataFolder, DataFolderError};
pub use error::HostError;
pub use host::Host;
pub use job_runner::JOBS_TIMEOUT;
pub use queue::VISIBILITY_TIMEOUT;
pub use send_poller::SENDER_TIMEOUT;
pub use stream::{StreamError, StreamReader};
