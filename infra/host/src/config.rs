use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::sync::Arc;

use carillon::channel::{ProviderSetup, Providers};
use carillon::config::Config;
use carillon::feed::Detail;
use carillon::http_client::{Timeouts, http_client};
use carillon::ids::IdSource;
use carillon::time::Clock;
use carillon_engines::Storage;
use secrecy::{ExposeSecret, SecretString};

use crate::error::HostError;
use crate::queue::Queues;
use crate::stream::StreamReader;

/// The table's name on the embedded engine.
pub const TABLE_NAME: &str = "carillon";

/// Default of [`HostConfig::minimum_share`], in percent.
pub const DEFAULT_MINIMUM_SHARE: u8 = 5;

/// Default of [`HostConfig::message_retention_days`].
pub const DEFAULT_MESSAGE_RETENTION_DAYS: u16 = 365;

/// Settings of a [`Host`](crate::Host).
#[derive(Debug)]
pub struct HostConfig {
    /// Storage of the embedded table. External backends ignore it.
    pub storage: Storage,
    /// Address of the HTTP listener. Port 0 selects a free port.
    pub listen: SocketAddr,
    /// The providers of messages, such as [`standard_providers`].
    pub providers: Providers,
    /// Base URL that links and webhooks use, if it differs from the listener's.
    pub public_url: Option<String>,
    /// The first API key. It has every scope.
    pub admin_key: SecretString,
    /// Key that encrypts the connections' secrets: 32 bytes in base64.
    pub secrets_key: SecretString,
    /// The key that hashes addresses: 32 bytes in base64.
    pub address_key: SecretString,
    /// Clock of all functions.
    pub clock: Clock,
    /// Source of ids and random bytes.
    pub ids: IdSource,
    /// Batches of each queue sent at the same time, at least 1.
    pub senders: usize,
    /// Percentage of a scarce resource that every campaign gets whatever its priority,
    /// 0 to 50.
    pub minimum_share: u8,
    /// Days until inbound messages are deleted, 0 to 3650. 0 means never.
    pub message_retention_days: u16,
    /// Which events the feed has.
    pub events: Detail,
    /// What starts the scheduler.
    pub scheduler: SchedulerTrigger,
    /// How the stream's records reach the aggregator.
    pub stream_delivery: StreamDelivery,
}

/// What starts the scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchedulerTrigger {
    /// A timer, every two seconds of the host's clock.
    Timer,
    /// Only [`Host::run_scheduler`](crate::Host::run_scheduler).
    Manual,
}

/// How the stream's records reach the aggregator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamDelivery {
    /// In order, and once, unless the aggregator fails.
    Once,
    /// As on AWS at its worst: in so many stream shards that run beside each other, with all
    /// records of one partition key in one of them, and each record twice.
    TwiceInShards(NonZeroU16),
}

/// A DynamoDB and an SQS outside this process.
#[derive(Debug)]
pub struct ExternalBackends {
    /// Endpoint of DynamoDB.
    pub dynamodb_url: String,
    /// Endpoint of SQS.
    pub sqs_url: String,
    /// Name of the table and prefix of the queues' names.
    pub name: String,
    /// Reader of the table's stream.
    pub stream: Arc<dyn StreamReader>,
}

/// The product's providers, with the Cloud API at `graph_url`.
pub fn standard_providers(graph_url: &str) -> Result<Providers, HostError> {
    let http = http_client(Timeouts::default()).map_err(HostError::function)?;
    Ok(Providers::standard(&ProviderSetup { http, graph_url: Some(graph_url.to_owned()) }))
}

impl HostConfig {
    /// The configuration that the functions read from their environment on AWS.
    pub(crate) fn function_config(
        &self,
        table: &str,
        queues: &Queues,
        address: SocketAddr,
    ) -> Config {
        let minimum_share = self.minimum_share.to_string();
        let retention_days = self.message_retention_days.to_string();
        let public_url = self.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
        Config::from_values([
            ("CARILLON_TABLE", table),
            ("CARILLON_SENDS_QUEUE_URL", queues.sends.url()),
            ("CARILLON_PACED_QUEUE_URL", queues.paced.url()),
            ("CARILLON_SENDS_DLQ_URL", queues.dead_letter_url()),
            ("CARILLON_SECRETS_KEY", self.secrets_key.expose_secret()),
            ("CARILLON_ADDRESS_KEY", self.address_key.expose_secret()),
            ("CARILLON_ADMIN_KEY", self.admin_key.expose_secret()),
            ("CARILLON_PUBLIC_URL", &public_url),
            ("CARILLON_MINIMUM_SHARE", &minimum_share),
            ("CARILLON_MESSAGE_RETENTION_DAYS", &retention_days),
            ("CARILLON_EVENTS", self.events.as_str()),
        ])
    }
}
