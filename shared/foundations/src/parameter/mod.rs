//! Secrets in the Parameter Store of AWS Systems Manager, as `SecureString`s: standard
//! parameters are free, and IAM controls who may read them.
//!
//! The requests are built here and signed by the SDK's signer, because the SDK's client of
//! this service is the largest of all (docs/adr/0008).

mod client;

pub use client::{ParameterError, ParameterStore};
