//! The engines, through the official SDKs.

mod folder;
mod queue;
mod support;
mod table;
