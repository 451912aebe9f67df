//! The host and the simulator of the demo, on one clock.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use carillon::api_key;
use carillon::channel::Providers;
use carillon::feed::Detail;
use carillon::ids::IdSource;
use carillon::time::{Clock, system_time};
use carillon_engines::Storage;
use carillon_host::{
    DEFAULT_MESSAGE_RETENTION_DAYS, DEFAULT_MINIMUM_SHARE, DataFolder, Host, HostConfig,
    SchedulerTrigger, StreamDelivery, standard_providers,
};
use secrecy::SecretString;
use serde_json::Value;
use whatsapp_simulator::{Behaviour, Config, Simulator};

use super::args::DemoArgs;
use super::clock;
use crate::client::Client;
use crate::error::CommandError;
use crate::simulator_config::{built_in, connection_request};

/// Batches sent at the same time. The demo uses one lane.
const SENDERS: usize = 2;
/// Pause between two checks of [`Environment::poll_settled`].
const POLL_INTERVAL: Duration = Duration::from_millis(25);

pub(super) struct Environment {
    pub(super) host: Host,
    pub(super) simulator: Simulator,
    pub(super) clock: Clock,
    pub(super) client: Client,
    pub(super) connection_request: Value,
}

impl Environment {
    pub(super) async fn start(args: &DemoArgs) -> Result<Self, CommandError> {
        let ids = IdSource::random();
        let data = DemoData::open(args.keep.as_deref(), &ids)?;
        let admin_key = data.admin_key.clone();
        let clock = clock::start(Clock::system().now());
        let config = simulator_config(args, &clock);
        let connection_request = connection_request(&config);
        let verify_token = config.verify_token.clone();
        let simulator = Simulator::start(config).await.map_err(CommandError::Simulator)?;
        let providers = standard_providers(&simulator.url())?;
        let host = Host::start(host_config(data, providers, clock.clone(), ids)).await?;
        simulator.set_webhook(&format!("{}/webhooks/whatsapp", host.url()), &verify_token);
        let client = Client::new(&host.url(), admin_key)?;
        Ok(Self { host, simulator, clock, client, connection_request })
    }

    /// Returns whether all batches are sent, all due webhooks delivered, and the
    /// statuses counted. If not, pauses before it returns.
    pub(super) async fn poll_settled(&self) -> Result<bool, CommandError> {
        let settled =
            self.host.all_batches_done().await? && self.simulator.due_events_acknowledged();
        if settled {
            self.host.wait_until_counted().await;
        } else {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(settled)
    }

    pub(super) async fn stop(self) {
        self.host.stop().await;
        self.simulator.shutdown().await;
    }
}

/// The table's storage and the keys.
struct DemoData {
    storage: Storage,
    admin_key: SecretString,
    secrets_key: SecretString,
    address_key: SecretString,
}

impl DemoData {
    /// Uses the folder `keep`, which must hold no table; without one, memory.
    fn open(keep: Option<&Path>, ids: &IdSource) -> Result<Self, CommandError> {
        let Some(path) = keep else {
            return Ok(Self {
                storage: Storage::Temporary,
                admin_key: api_key::generate(ids).into(),
                secrets_key: BASE64_STANDARD.encode(ids.bytes::<32>()).into(),
                address_key: BASE64_STANDARD.encode(ids.bytes::<32>()).into(),
            });
        };
        if DataFolder::has_table(path) {
            return Err(CommandError::NotEmpty(path.to_owned()));
        }
        let folder = DataFolder::open(path)?;
        Ok(Self {
            storage: Storage::Folder(path.to_owned()),
            admin_key: folder.admin_key(None, ids)?,
            secrets_key: folder.secrets_key(None, ids)?,
            address_key: folder.address_key(None, ids)?,
        })
    }
}

fn host_config(data: DemoData, providers: Providers, clock: Clock, ids: IdSource) -> HostConfig {
    HostConfig {
        storage: data.storage,
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        providers,
        public_url: None,
        admin_key: data.admin_key,
        secrets_key: data.secrets_key,
        address_key: data.address_key,
        clock,
        ids,
        senders: SENDERS,
        minimum_share: DEFAULT_MINIMUM_SHARE,
        message_retention_days: DEFAULT_MESSAGE_RETENTION_DAYS,
        events: Detail::default(),
        scheduler: SchedulerTrigger::Manual,
        stream_delivery: StreamDelivery::Once,
    }
}

fn simulator_config(args: &DemoArgs, clock: &Clock) -> Config {
    let clock = clock.clone();
    Config {
        seed: args.seed,
        log_file: args.keep.as_ref().map(|folder| folder.join("simulator.jsonl")),
        clock: Arc::new(move || system_time(clock.now())),
        ..built_in(Behaviour::realistic())
    }
}
