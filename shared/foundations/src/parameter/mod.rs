//! Secrets in AWS Systems Manager's Parameter Store, as `SecureString`s: standard
//! parameters cost nothing, and who may read them is a matter of IAM.
//!
//! Two of the service's calls are made by hand, signed by the SDK's own signer:
//! its whole client is the largest of all AWS SDKs (docs/adr/0008).

mod client;

pub use client::{ParameterError, ParameterStore};
