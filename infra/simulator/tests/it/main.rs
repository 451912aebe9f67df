//! The simulator over HTTP, with real requests and real webhooks.

mod faults;
mod fixture;
mod log;
mod management;
mod marketing_holds;
mod media;
mod number_changes;
mod sending;
mod service_windows;
mod spellings;
mod template_pauses;
mod webhook_retries;
mod webhooks;
