//! Carillon on one machine: the functions of the AWS deployment, the engines
//! they stand on, a clock and an HTTP listener in one process. What EventBridge
//! and Lambda's event source mappings do on AWS is done here by [`Host`].

mod home;
mod host;
mod queue;
mod records;
mod sources;

pub use home::{Home, HomeError};
pub use host::{
    Elsewhere, Host, HostConfig, HostError, MESSAGE_RETENTION_DAYS, MINIMUM_SHARE, TABLE,
};
pub use records::{Records, RecordsError};
