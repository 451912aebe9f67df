//! All functions on one table and one queue, without a network.

use std::sync::Arc;

use axum::Router;
use carillon::AwsConfig;
use carillon::address_key::AddressKeys;
use carillon::channel::Providers;
use carillon::channel::whatsapp_cloud::WhatsappCloud;
use carillon::config::Config;
use carillon::delivery::Sender;
use carillon::feed::Detail;
use carillon::http_client::{Timeouts, http_client};
use carillon::ids::IdSource;
use carillon::table::{Table, ensure_table};
use carillon::time::{Clock, Timestamp};
use carillon_aggregator::Aggregator;
use carillon_api::{Api, router as api_router};
use carillon_scheduler::Scheduler;
use carillon_sender::sender as new_sender;
use carillon_webhook::{Webhook, router as webhook_router};
use tower::BoxError;

use crate::api_client::ApiClient;
use crate::aws::{FifoQueue, InProcessHttpClient, Service, TABLE, TableEngine};
use crate::fault_plan::FaultRates;
use crate::invariants::InvariantMonitor;
use crate::rng::SeededRng;
use crate::whatsapp::{SimulatedProvider, WhatsApp};

/// The key that webhooks are signed with.
pub(crate) const APP_SECRET: &str = "simulated-app-secret";
/// Start of a month: a week before daylight saving time ends in Europe.
pub(crate) const START: Timestamp = Timestamp::constant(1_792_303_200, 0);

pub(crate) const ADMIN_KEY: &str = "crl_simulated-key";
/// 32 zero bytes in base64.
pub(crate) const SECRETS_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// The functions and everything they run on.
pub(crate) struct Fixture {
    pub(crate) clock: Clock,
    pub(crate) rng: SeededRng,
    pub(crate) queue: Arc<FifoQueue>,
    pub(crate) table: Table,
    pub(crate) monitor: Arc<InvariantMonitor>,
    pub(crate) whatsapp: Arc<WhatsApp>,
    pub(crate) api: ApiClient,
    pub(crate) scheduler: Arc<Scheduler>,
    pub(crate) senders: Vec<Arc<Sender>>,
    pub(crate) webhook: Router,
    pub(crate) aggregator: Arc<Aggregator>,
    aws: AwsConfig,
    config: Config,
    ids: IdSource,
    providers: Providers,
}

impl Fixture {
    /// Starts the functions on an empty table.
    pub(crate) async fn new(
        seed: u64,
        rng: SeededRng,
        fault_rates: FaultRates,
        sender_count: usize,
    ) -> Result<Self, BoxError> {
        let (clock, ids) = (Clock::stepped(START), IdSource::seeded(seed));
        let (engine, queue) = (Arc::new(TableEngine::open()?), Arc::new(FifoQueue::default()));
        let aws = aws_config(&engine, &queue, &clock, &rng);
        let config = config();
        let addresses = AddressKeys::fixed(&SECRETS_KEY.into())?;
        let table = Table::new(&aws, TABLE).with_addresses(addresses);
        ensure_table(&table).await?;
        let monitor = Arc::new(InvariantMonitor::new(engine, clock.clone()));
        let whatsapp = WhatsApp::new(clock.clone(), rng.clone(), monitor.clone(), fault_rates);
        let whatsapp = Arc::new(whatsapp);
        let providers = providers(&whatsapp)?;
        let api = Api::new(&config, &aws, clock.clone(), ids.clone(), providers.clone())?;
        let webhook = Webhook::new(&config, &aws, clock.clone(), ids.clone(), providers.clone())?;
        let scheduler = Scheduler::new(&config, &aws, clock.clone(), providers.clone())?;
        let mut fixture = Self {
            whatsapp,
            api: ApiClient::new(api_router(Arc::new(api)), ADMIN_KEY),
            scheduler: Arc::new(scheduler),
            senders: Vec::new(),
            webhook: webhook_router(Arc::new(webhook)),
            aggregator: Arc::new(Aggregator::new(table.clone(), clock.clone(), Detail::default())),
            clock,
            rng,
            queue,
            table,
            monitor,
            aws,
            config,
            ids,
            providers,
        };
        fixture.start_senders(sender_count)?;
        Ok(fixture)
    }

    /// Replaces the sender processes with `count` new ones.
    pub(crate) fn start_senders(&mut self, count: usize) -> Result<(), BoxError> {
        self.senders = (0..count).map(|_| self.start_sender()).collect::<Result<_, _>>()?;
        Ok(())
    }

    fn start_sender(&self) -> Result<Arc<Sender>, BoxError> {
        let (clock, ids) = (self.clock.clone(), self.ids.clone());
        let providers = self.providers.clone();
        Ok(Arc::new(new_sender(&self.config, &self.aws, clock, ids, providers)?))
    }
}

/// The simulated WhatsApp as the only provider.
fn providers(whatsapp: &Arc<WhatsApp>) -> Result<Providers, BoxError> {
    let http = http_client(Timeouts::default())?;
    let cloud = WhatsappCloud::new(&http, Some("http://nowhere.invalid"));
    Ok(Providers::default().with(SimulatedProvider::new(cloud, whatsapp.clone())))
}

/// The SDK's configuration. The SDK makes one to three attempts at a request; with
/// one, each fault reaches the functions.
fn aws_config(
    engine: &Arc<TableEngine>,
    queue: &Arc<FifoQueue>,
    clock: &Clock,
    rng: &SeededRng,
) -> AwsConfig {
    let client = |service| InProcessHttpClient { service, clock: clock.clone(), rng: rng.clone() };
    let dynamodb = client(Service::DynamoDb(engine.clone()));
    let sqs = client(Service::Sqs(queue.clone()));
    let attempts = rng.between(1, 3) as u32;
    AwsConfig::through(dynamodb, sqs, clock, attempts)
}

pub(crate) fn config() -> Config {
    Config::from_values([
        ("CARILLON_TABLE", TABLE),
        ("CARILLON_SENDS_QUEUE_URL", "http://engine.invalid/000000000000/sends.fifo"),
        ("CARILLON_PACED_QUEUE_URL", "http://engine.invalid/000000000000/paced.fifo"),
        ("CARILLON_SECRETS_KEY", SECRETS_KEY),
        ("CARILLON_ADDRESS_KEY", SECRETS_KEY),
        ("CARILLON_ADMIN_KEY", ADMIN_KEY),
    ])
}
