//! Carillon sends WhatsApp campaigns for a business, from its own AWS account or
//! from one machine. This crate is the product; it knows neither Lambda nor the
//! console. `ARCHITECTURE.md` is the map of its rooms.

pub mod analytics;
pub mod aws;
pub mod campaign;
pub mod channel;
pub mod config;
pub mod connection;
pub mod contact;
pub mod conversation;
pub mod delivery;
pub mod idempotency;
pub mod ids;
pub mod key;
pub mod message;
pub mod parameter;
pub mod phone;
pub mod plan;
pub mod recipient;
pub mod table;
pub mod telemetry;
pub mod template;
pub mod time;
pub mod transfer;

pub use aws::AwsConfig;
