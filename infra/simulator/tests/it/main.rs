//! The simulator over HTTP, with real requests and real webhooks.

mod faults;
mod fixture;
mod log;
mod management;
mod sending;
mod webhooks;
