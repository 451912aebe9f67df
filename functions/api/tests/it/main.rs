//! The API through its router, on the real embedded table.

mod access;
mod actions;
mod audit_log;
mod campaigns;
mod channels;
mod connections;
mod contacts;
mod every_operation;
mod fixture;
mod idempotency;
mod jobs;
mod openapi;
mod plain_provider;
mod recipients;
mod reference;
mod resources;
mod templates;
mod test_send;
mod upload;
