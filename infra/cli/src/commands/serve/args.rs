use std::net::SocketAddr;
use std::path::PathBuf;

use carillon::feed::Detail;
use carillon_host::{DEFAULT_MESSAGE_RETENTION_DAYS, DEFAULT_MINIMUM_SHARE};
use clap::Args;
use secrecy::SecretString;

const EXAMPLES: &str = "\
Examples:
  carillon serve                                          send to the built-in simulator
  carillon serve --graph-url https://graph.facebook.com   send to Meta
  carillon serve --listen 127.0.0.1:9000 --data ./shop

Ctrl-C or SIGTERM stops it: messages in progress are finished, the others are sent
after the next start. A kill loses no data either.";

/// Runs all of Carillon on this machine: the API, the functions, the scheduler, and the
/// embedded table and queues.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ServeArgs {
    /// Address of the listener. Port 0 selects a free port.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub(super) listen: SocketAddr,

    /// Folder of the table and the keys.
    #[arg(long, default_value = "./.carillon", value_name = "DIR")]
    pub(super) data: PathBuf,

    /// Base URL of the Cloud API, such as <https://graph.facebook.com>. Default: the
    /// built-in simulator, so that no message leaves this machine.
    #[arg(long, value_name = "URL")]
    pub(super) graph_url: Option<String>,

    /// URL at which the internet reaches this machine, for webhooks.
    #[arg(long, value_name = "URL")]
    pub(super) public_url: Option<String>,

    /// Batches of fast campaigns sent at the same time, and as many of normal and slow ones.
    #[arg(long, default_value_t = 4, value_name = "N")]
    pub(super) senders: usize,

    /// Percentage of a scarce resource that each campaign gets whatever its priority.
    #[arg(
        long,
        env = "CARILLON_MINIMUM_SHARE",
        default_value_t = DEFAULT_MINIMUM_SHARE,
        value_parser = clap::value_parser!(u8).range(0..=50),
        value_name = "PERCENT"
    )]
    pub(super) minimum_share: u8,

    /// Days until inbound messages are deleted; 0 means never.
    #[arg(
        long,
        env = "CARILLON_MESSAGE_RETENTION_DAYS",
        default_value_t = DEFAULT_MESSAGE_RETENTION_DAYS,
        value_parser = clap::value_parser!(u16).range(0..=3650),
        value_name = "DAYS"
    )]
    pub(super) message_retention_days: u16,

    /// Events in the feed: `campaigns` (and batches, connections, jobs), or `recipients` (and
    /// messages) too.
    #[arg(long, env = "CARILLON_EVENTS", default_value = "campaigns", value_name = "WHICH")]
    pub(super) events: Detail,

    /// Settings of the built-in simulator, as JSON.
    #[arg(long, value_name = "FILE.json", conflicts_with = "graph_url")]
    pub(super) simulator_config: Option<PathBuf>,

    /// The first API key. Default: generated at the first start and stored in the data folder.
    #[arg(long, env = "CARILLON_ADMIN_KEY", hide_env_values = true, value_name = "KEY")]
    pub(super) admin_key: Option<SecretString>,

    /// Key that encrypts the connections' secrets: 32 bytes in base64. Default: generated
    /// at the first start and stored in the data folder.
    #[arg(long, env = "CARILLON_SECRETS_KEY", hide_env_values = true, value_name = "KEY")]
    pub(super) secrets_key: Option<SecretString>,
}
