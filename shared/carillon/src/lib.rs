//! Carillon sends WhatsApp campaigns for a business, from its own AWS account or from one
//! machine. This crate gives the layers of the product one name; it knows neither Lambda
//! nor the console. `ARCHITECTURE.md` is the map of the rooms.

pub use carillon_channel as channel;
pub use carillon_drivers::{
    analytics, bulk, delivery, feed, import, jobs, plan, privacy, transfer,
};
pub use carillon_foundations::aws::AwsConfig;
pub use carillon_foundations::{
    address, address_key, aws, config, country, http_client, ids, lambda, parameter, phone,
    telemetry, time,
};
pub use carillon_nouns::{
    api_key, audit_log, batch, campaign, connection, contact, conversation, event, idempotency,
    job, media, quota, recipient, template, unreadable,
};
pub use carillon_table as table;
