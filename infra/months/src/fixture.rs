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
use carillon::jobs::Launcher;
use carillon::table::{Table, ensure_table};
use carillon::time::{Clock, Timestamp};
use carillon_aggregator::Aggregator;
use carillon_api::{Api, router as api_router};
use carillon_scheduler::Scheduler;
use carillon_sender::sender as new_sender;
use carillon_webhook::{Webhook, router as webhook_router};
use jiff::SignedDuration;
use tower::BoxError;

use crate::api_client::{ApiClient, ApiResponse};
use crate::aws::{CallFaults, FifoQueue, InProcessHttpClient, LaggingIndexes, Service, TABLE};
use crate::cloud_provider::CloudProvider;
use crate::fault_log::FaultLog;
use crate::fault_plan::{FaultPlan, FaultRates};
use crate::invariants::InvariantMonitor;
use crate::operator_call::Call;
use crate::rng::SeededRng;
use crate::whatsapp::{WhatsApp, WhatsAppNetwork};
use crate::world::World;

/// The key that webhooks are signed with.
pub(crate) const APP_SECRET: &str = "simulated-app-secret";
/// Start of a month: a week before daylight saving time ends in Europe.
pub(crate) const START: Timestamp = Timestamp::constant(1_792_303_200, 0);

pub(crate) const ADMIN_KEY: &str = "crl_simulated-key";
/// 32 zero bytes in base64.
pub(crate) const SECRETS_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// The functions and everything they run on.
pub(crate) struct Fixture {
    /// The true time. The clocks of the functions may differ from it.
    pub(crate) clock: Clock,
    pub(crate) rng: SeededRng,
    pub(crate) queue: Arc<FifoQueue>,
    pub(crate) table: Table,
    pub(crate) indexes: Arc<LaggingIndexes>,
    pub(crate) faults: Arc<FaultLog>,
    pub(crate) monitor: Arc<InvariantMonitor>,
    pub(crate) whatsapp: Arc<WhatsApp>,
    pub(crate) api: ApiClient,
    /// Two machines, each with its own clock.
    pub(crate) schedulers: [Arc<Scheduler>; 2],
    pub(crate) senders: Vec<Arc<Sender>>,
    pub(crate) webhook: Router,
    pub(crate) aggregator: Arc<Aggregator>,
    aws: AwsConfig,
    call_faults: Arc<CallFaults>,
    world: World,
    config: Config,
    ids: IdSource,
    cloud: Arc<WhatsappCloud>,
}

impl Fixture {
    /// Starts the functions on an empty table.
    pub(crate) async fn new(
        seed: u64,
        rng: SeededRng,
        fault_rates: FaultRates,
        sender_count: usize,
        world: World,
    ) -> Result<Self, BoxError> {
        let (clock, ids) = (Clock::stepped(START), IdSource::seeded(seed));
        let queue = Arc::new(FifoQueue::default());
        let indexes = Arc::new(LaggingIndexes::new(rng.clone(), world.is_recorded));
        let faults = Arc::new(FaultLog::new(START));
        let call_faults = Arc::new(CallFaults::default());
        let client = |service| InProcessHttpClient {
            service,
            clock: clock.clone(),
            rng: rng.clone(),
            faults: faults.clone(),
            calls: call_faults.clone(),
        };
        let dynamodb = client(Service::DynamoDb(indexes.clone()));
        let sqs = client(Service::Sqs(queue.clone()));
        // With one attempt at a request, each fault reaches the functions.
        let attempts = rng.between(1, 3) as u32;
        let aws = AwsConfig::through(dynamodb, sqs, &clock, attempts);
        let config = config();
        let addresses = AddressKeys::fixed(&SECRETS_KEY.into())?;
        let table = Table::new(&aws, TABLE).with_addresses(addresses);
        ensure_table(&table).await?;
        let monitor = Arc::new(InvariantMonitor::new(indexes.clone(), clock.clone()));
        let whatsapp = Arc::new(WhatsApp::new(
            clock.clone(),
            rng.clone(),
            monitor.clone(),
            fault_rates,
            faults.clone(),
            world.skew(),
        ));
        let http = http_client(Timeouts::default())?;
        let cloud = Arc::new(WhatsappCloud::new(&http, Some("http://nowhere.invalid")));
        let providers = providers(&cloud, &whatsapp, SignedDuration::ZERO);
        let launcher = Launcher::closed;
        let (same_clock, same_ids) = (clock.clone(), ids.clone());
        let api = Api::new(&config, &aws, same_clock, same_ids, providers.clone(), launcher())?;
        let of_webhook = clock.ahead_by(world.draw_ahead(&rng));
        let webhook = Webhook::new(&config, &aws, of_webhook, ids.clone(), providers.clone())?;
        let new_scheduler = || {
            let clock = clock.ahead_by(world.draw_scheduler_ahead(&rng));
            Scheduler::new(&config, &aws, clock, providers.clone(), launcher()).map(Arc::new)
        };
        let schedulers = [new_scheduler()?, new_scheduler()?];
        let mut fixture = Self {
            whatsapp,
            api: ApiClient::new(api_router(Arc::new(api)), ADMIN_KEY),
            schedulers,
            senders: Vec::new(),
            webhook: webhook_router(Arc::new(webhook)),
            aggregator: Arc::new(Aggregator::new(table.clone(), clock.clone(), Detail::default())),
            clock,
            rng,
            queue,
            table,
            indexes,
            faults,
            monitor,
            aws,
            call_faults,
            world,
            config,
            ids,
            cloud,
        };
        fixture.start_senders(sender_count)?;
        fixture.indexes.set_max_lag(world.index_lag);
        Ok(fixture)
    }

    /// Replaces the sender processes with `count` new ones.
    pub(crate) fn start_senders(&mut self, count: usize) -> Result<(), BoxError> {
        self.senders = (0..count).map(|_| self.start_sender()).collect::<Result<_, _>>()?;
        Ok(())
    }

    /// Calls the API with these faults. `None` where its process has died: another one is
    /// started.
    pub(crate) async fn call_api(
        &mut self,
        call: &Call,
        key: &str,
        plan: Arc<FaultPlan>,
    ) -> Result<Option<ApiResponse>, BoxError> {
        self.call_faults.set(Some(plan.clone()));
        let answer = tokio::select! {
            biased;
            answer = self.api.make(call, key) => Some(answer?),
            () = plan.crashed() => None,
        };
        self.call_faults.set(None);
        if answer.is_none() {
            self.start_api()?;
        }
        Ok(answer)
    }

    /// Replaces the process of the API with a new one.
    fn start_api(&mut self) -> Result<(), BoxError> {
        let clock = self.clock.ahead_by(self.world.draw_ahead(&self.rng));
        let providers = providers(&self.cloud, &self.whatsapp, SignedDuration::ZERO);
        let (ids, launcher) = (self.ids.clone(), Launcher::closed());
        let api = Api::new(&self.config, &self.aws, clock, ids, providers, launcher)?;
        self.api = ApiClient::new(api_router(Arc::new(api)), ADMIN_KEY);
        Ok(())
    }

    fn start_sender(&self) -> Result<Arc<Sender>, BoxError> {
        let ahead = self.world.draw_ahead(&self.rng);
        let (clock, ids) = (self.clock.ahead_by(ahead), self.ids.clone());
        let providers = providers(&self.cloud, &self.whatsapp, ahead);
        Ok(Arc::new(new_sender(&self.config, &self.aws, clock, ids, providers)?))
    }
}

/// The simulated WhatsApp as the only provider, for a process whose clock is that far ahead.
fn providers(
    cloud: &Arc<WhatsappCloud>,
    whatsapp: &Arc<WhatsApp>,
    ahead: SignedDuration,
) -> Providers {
    let network = WhatsAppNetwork::new(cloud.clone(), whatsapp.clone(), ahead);
    Providers::default().with(CloudProvider { cloud: cloud.clone(), network })
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
