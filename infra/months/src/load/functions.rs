//! The functions on the metered table, each container with a configuration of its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use carillon::AwsConfig;
use carillon::address_key::AddressKeys;
use carillon::channel::Providers;
use carillon::delivery::Sender;
use carillon::feed::Detail;
use carillon::ids::IdSource;
use carillon::jobs::Launcher;
use carillon::table::{Table, ensure_table};
use carillon::time::Clock;
use carillon_aggregator::Aggregator;
use carillon_api::{Api, router as api_router};
use carillon_scheduler::Scheduler;
use carillon_sender::sender as new_sender;
use carillon_webhook::{Webhook, router as webhook_router};
use tower::BoxError;

use super::client::TableClient;
use super::table::MeteredTable;
use crate::api_client::ApiClient;
use crate::aws::{FifoQueue, InProcessHttpClient, Service, TABLE};
use crate::fault_log::FaultLog;
use crate::fixture::{ADMIN_KEY, SECRETS_KEY, config};
use crate::rng::SeededRng;

/// The attempts that the SDK makes at a request, as on Lambda.
const ATTEMPTS: u32 = 3;

/// What every container runs on.
#[derive(Clone)]
pub(super) struct Platform {
    pub(super) clock: Clock,
    pub(super) rng: SeededRng,
    pub(super) table: Arc<MeteredTable>,
    pub(super) queue: Arc<FifoQueue>,
    pub(super) ids: IdSource,
    pub(super) providers: Providers,
}

impl Platform {
    fn aws(&self, function: &'static str) -> AwsConfig {
        let (clock, rng) = (self.clock.clone(), self.rng.clone());
        let dynamodb = TableClient { function, table: self.table.clone(), clock, rng };
        let service = Service::Sqs(self.queue.clone());
        let (clock, rng) = (self.clock.clone(), self.rng.clone());
        // Nothing fails in a load but what the limits of the table refuse.
        let (faults, calls) = (Arc::new(FaultLog::new(clock.now())), Arc::default());
        let sqs = InProcessHttpClient { service, clock, rng, faults, calls };
        AwsConfig::through(dynamodb, sqs, &self.clock, ATTEMPTS)
    }

    fn start_sender(&self) -> Result<Sender, BoxError> {
        let aws = self.aws("sender");
        let (clock, ids) = (self.clock.clone(), self.ids.clone());
        new_sender(&config(), &aws, clock, ids, self.providers.clone())
    }
}

/// The functions other than the sender: one container each, which keeps no state that two
/// invocations could be in the way of.
pub(super) struct Functions {
    pub(super) table: Table,
    pub(super) api: ApiClient,
    pub(super) scheduler: Arc<Scheduler>,
    pub(super) webhook: Router,
    pub(super) aggregator: Arc<Aggregator>,
}

impl Functions {
    pub(super) async fn start(platform: &Platform) -> Result<Self, BoxError> {
        let Platform { clock, ids, providers, .. } = platform;
        let config = config();
        let table = Table::new(&platform.aws("operator"), TABLE)
            .with_addresses(AddressKeys::fixed(&SECRETS_KEY.into())?);
        ensure_table(&table).await?;
        let (clock, ids, providers) = (clock.clone(), ids.clone(), providers.clone());
        let aws = platform.aws("api");
        let launcher = Launcher::closed();
        let (same_clock, same_ids) = (clock.clone(), ids.clone());
        let api =
            Api::new(&config, &aws, same_clock, same_ids, providers.clone(), launcher.clone())?;
        let aws = platform.aws("webhook");
        let webhook = Webhook::new(&config, &aws, clock.clone(), ids, providers.clone())?;
        let aws = platform.aws("scheduler");
        let scheduler = Scheduler::new(&config, &aws, clock.clone(), providers, launcher)?;
        let counted = Table::new(&platform.aws("aggregator"), TABLE);
        Ok(Self {
            table,
            api: ApiClient::new(api_router(Arc::new(api)), ADMIN_KEY),
            scheduler: Arc::new(scheduler),
            webhook: webhook_router(Arc::new(webhook)),
            aggregator: Arc::new(Aggregator::new(counted, clock, Detail::default())),
        })
    }
}

/// The containers of the sender: an invocation takes the one that was used last, or a new one.
pub(super) struct SenderContainers {
    platform: Platform,
    concurrency: usize,
    state: Mutex<Containers>,
}

#[derive(Default)]
struct Containers {
    free: Vec<Arc<Sender>>,
    busy: usize,
    started: usize,
    /// How often each message was received.
    receives: HashMap<u64, u32>,
}

impl SenderContainers {
    pub(super) fn new(platform: Platform, concurrency: usize) -> Self {
        Self { platform, concurrency, state: Mutex::default() }
    }

    /// How many more invocations may begin.
    pub(super) fn capacity(&self) -> usize {
        self.concurrency - self.state().busy
    }

    /// How many containers were started.
    pub(super) fn started(&self) -> usize {
        self.state().started
    }

    /// Takes a container for an invocation.
    pub(super) fn take(&self) -> Result<Arc<Sender>, BoxError> {
        let mut state = self.state();
        state.busy += 1;
        if let Some(free) = state.free.pop() {
            return Ok(free);
        }
        state.started += 1;
        Ok(Arc::new(self.platform.start_sender()?))
    }

    pub(super) fn give_back(&self, sender: Arc<Sender>) {
        let mut state = self.state();
        state.busy -= 1;
        state.free.push(sender);
    }

    /// Counts a receive of a message; returns how often it was received.
    pub(super) fn count_receive(&self, message: u64) -> u32 {
        let mut state = self.state();
        let count = state.receives.entry(message).or_default();
        *count += 1;
        *count
    }

    fn state(&self) -> MutexGuard<'_, Containers> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
