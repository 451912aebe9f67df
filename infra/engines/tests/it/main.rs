//! The engines through the official AWS SDKs.
#![expect(clippy::disallowed_methods, reason = "the engines run in real time")]

mod folder;
mod queue;
mod refusals;
mod support;
mod table;
