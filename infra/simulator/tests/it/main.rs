//! The simulator through its front door: real requests, real webhooks.

mod faults;
mod log;
mod management;
mod sending;
mod stage;
mod webhooks;
