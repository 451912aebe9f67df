//! The engines, through the official SDKs.
#![expect(clippy::disallowed_methods, reason = "real engines run in real time")]

mod folder;
mod queue;
mod support;
mod table;
