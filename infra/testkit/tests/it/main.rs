//! Carillon end to end, over its HTTP API, on the real engines.

mod account_events;
mod aliases;
mod campaign;
mod credentials;
mod erasure;
mod error_codes;
mod events;
mod faults;
mod layers;
mod many_people;
mod media;
mod people;
mod persons;
mod planning;
mod quota;
mod repair;
mod sam_template;
mod sample_events;
mod scheduling;
mod storm;
mod text_gateway;
mod vocabulary;
mod webhook_signers;
mod webhooks;
