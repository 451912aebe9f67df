//! Carillon end to end, over its HTTP API, on the real engines.

mod account_events;
mod aliases;
mod campaign;
mod erasure;
mod error_codes;
mod faults;
mod planning;
mod quota;
mod repair;
mod sam_template;
mod sample_events;
mod secrets;
mod storm;
mod webhooks;
