//! What Carillon is about: contacts, recipients, campaigns, connections, quotas,
//! batches, conversations, unreadable updates, templates, files, jobs, events, and the API's
//! keys, audit log and remembered answers. Each room has its types and a `store` with its items in the table.
//!
//! The rooms stand in layers, lowest first; a room imports only from rooms above it in
//! this list: `quota`, `contact`, `recipient`, `connection`, `campaign`, `batch`,
//! `conversation`, `unreadable`, `job`; `template`, `media`, `event`, `api_key`, `audit_log` and `idempotency`
//! import none.

pub mod api_key;
pub mod audit_log;
pub mod batch;
pub mod campaign;
pub mod connection;
pub mod contact;
pub mod conversation;
pub mod event;
pub mod idempotency;
pub mod job;
pub mod media;
pub mod quota;
pub mod recipient;
pub mod template;
pub mod unreadable;
