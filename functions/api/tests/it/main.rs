//! The API through its router, on the real embedded table.

mod access;
mod actions;
mod campaigns;
mod connections;
mod contacts;
mod fixture;
mod idempotency;
mod openapi;
mod recipients;
mod templates;
mod upload;
