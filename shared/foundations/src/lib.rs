//! The lowest layer of Carillon: identifiers, time, addresses of people, the HTTP
//! client, AWS configuration, the environment and telemetry. Nothing here knows a
//! campaign, a table or a provider.

pub mod address;
pub mod address_key;
pub mod aws;
pub mod config;
pub mod country;
pub mod http_client;
pub mod ids;
pub mod lambda;
pub mod parameter;
pub mod phone;
pub mod telemetry;
pub mod time;
