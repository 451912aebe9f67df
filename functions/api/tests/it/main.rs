//! The API through its router, on the real embedded table.

mod access;
mod campaigns;
mod connections;
mod contacts;
mod description;
mod idempotency;
mod moves;
mod recipients;
mod stage;
mod templates;
mod upload;
