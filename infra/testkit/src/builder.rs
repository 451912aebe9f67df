//! Starts the host, the simulator and, where faults are injected, the fault proxies.

use std::sync::Arc;

use carillon::ids::IdSource;
use carillon::time::{Clock, Timestamp, system_time};
use carillon_engines::{Engines, Storage};
use carillon_host::{
    DEFAULT_MESSAGE_RETENTION_DAYS, DEFAULT_MINIMUM_SHARE, ExternalBackends, Host, HostConfig,
    SchedulerTrigger, StreamDelivery,
};
use tempfile::TempDir;
use whatsapp_simulator::{Behaviour, Config, Simulator};

use crate::logs;
use crate::streams::DynamoDbStream;
use crate::world::{ADMIN_KEY, APP_SECRET, VERIFY_TOKEN};
use crate::{FaultProxy, FaultRates, Proxies, World};

/// When the clock starts: a Saturday morning.
const START: Timestamp = Timestamp::constant(1_795_255_200, 0);
/// 32 bytes, all zero.
const SECRETS_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// The settings of a [`World`].
#[derive(Debug)]
pub struct WorldBuilder {
    behaviour: Behaviour,
    rate: f64,
    faults: Option<FaultRates>,
}

impl Default for WorldBuilder {
    fn default() -> Self {
        Self { behaviour: Behaviour::all_read(), rate: 30.0, faults: None }
    }
}

impl WorldBuilder {
    /// How the simulator behaves. By default it delivers every message, the
    /// recipients read it, and nobody replies.
    #[must_use]
    pub fn behaviour(mut self, behaviour: Behaviour) -> Self {
        self.behaviour = behaviour;
        self
    }

    /// How many times faster than real time the clock runs, 30 by default.
    #[must_use]
    pub fn rate(mut self, rate: f64) -> Self {
        self.rate = rate;
        self
    }

    /// Puts fault proxies in front of the engines, with these rates once the host has
    /// started. The stream's records are delivered twice, too.
    #[must_use]
    pub fn faults(mut self, rates: FaultRates) -> Self {
        self.faults = Some(rates);
        self
    }

    /// Starts everything.
    ///
    /// # Panics
    /// If something can't be started.
    pub async fn build(self) -> World {
        logs::write_to_file();
        let clock = Clock::movable(START, self.rate);
        let simulator = Simulator::start(simulator_config(self.behaviour, &clock)).await;
        let setup = HostSetup {
            clock,
            folder: tempfile::tempdir().expect("a temporary folder"),
            // All tests share external engines.
            name: format!("carillon-{:08x}", rand::random::<u32>()),
            faults: self.faults,
        };
        setup.start_world(simulator.expect("the simulator starts")).await
    }
}

fn simulator_config(behaviour: Behaviour, clock: &Clock) -> Config {
    let clock = clock.clone();
    Config {
        behaviour,
        app_secret: APP_SECRET.to_owned(),
        verify_token: VERIFY_TOKEN.to_owned(),
        clock: Arc::new(move || system_time(clock.now())),
        ..Config::default()
    }
}

/// What a start of the host needs, and a restart again.
pub(crate) struct HostSetup {
    clock: Clock,
    folder: TempDir,
    /// The name of the table and the prefix of the queues' names, on external engines.
    name: String,
    faults: Option<FaultRates>,
}

impl HostSetup {
    /// Starts the host and lets the simulator call its webhook.
    pub(crate) async fn start_world(self, simulator: Simulator) -> World {
        let config = self.host_config(simulator.url());
        let (host, proxies) = match (&self.faults, external_engines(&self.name)) {
            (Some(rates), _) => {
                let (host, proxies) = start_with_faults(config, rates).await;
                (host, Some(proxies))
            }
            (None, Some(external)) => {
                let host = Box::pin(Host::start_with_backends(config, external)).await;
                (host.expect("the host starts"), None)
            }
            (None, None) => (Box::pin(Host::start(config)).await.expect("the host starts"), None),
        };
        simulator.set_webhook(&format!("{}/webhooks/whatsapp", host.url()), VERIFY_TOKEN);
        World::assemble(host, simulator, self.clock.clone(), proxies, self)
    }

    fn host_config(&self, graph_url: String) -> HostConfig {
        HostConfig {
            storage: Storage::Folder(self.folder.path().to_owned()),
            listen: ([127, 0, 0, 1], 0).into(),
            graph_url,
            public_url: None,
            admin_key: ADMIN_KEY.into(),
            secrets_key: SECRETS_KEY.into(),
            clock: self.clock.clone(),
            ids: IdSource::seeded(7),
            senders: 4,
            minimum_share: DEFAULT_MINIMUM_SHARE,
            message_retention_days: DEFAULT_MESSAGE_RETENTION_DAYS,
            scheduler: SchedulerTrigger::Manual,
            stream_delivery: match self.faults {
                Some(_) => StreamDelivery::Twice,
                None => StreamDelivery::Once,
            },
        }
    }
}

/// Starts the host behind fault proxies, and the faults once it has started.
async fn start_with_faults(config: HostConfig, rates: &FaultRates) -> (Host, Proxies) {
    let engines = Engines::start(config.storage.clone()).expect("the engines start");
    let proxy = |url: String, seed| async move {
        FaultProxy::start(&url, seed).await.expect("the proxy starts")
    };
    let (table, table_url) = proxy(engines.dynamodb_url(), 1).await;
    let (queues, queues_url) = proxy(engines.sqs_url(), 2).await;
    let host = Box::pin(Host::start_with_engines(config, engines, &table_url, &queues_url)).await;
    let proxies = Proxies { table, queues };
    proxies.set_rates(rates);
    (host.expect("the host starts"), proxies)
}

/// The external engines that the environment names in the SDK's own variables.
#[expect(clippy::disallowed_methods, reason = "the environment selects the engines to test")]
fn external_engines(name: &str) -> Option<ExternalBackends> {
    let url = |variable| std::env::var(variable).ok();
    let dynamodb_url = url("AWS_ENDPOINT_URL_DYNAMODB")?;
    let sqs_url = url("AWS_ENDPOINT_URL_SQS")?;
    let stream = Arc::new(DynamoDbStream::new(&dynamodb_url, name));
    Some(ExternalBackends { dynamodb_url, sqs_url, name: name.to_owned(), stream })
}
