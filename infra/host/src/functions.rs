use std::sync::Arc;

use aws_sdk_sqs::error::BoxError;
use axum::Router;
use carillon::AwsConfig;
use carillon::channel::Providers;
use carillon::config::Config;
use carillon::delivery::Sender;
use carillon::ids::IdSource;
use carillon::jobs::{Launch, Launcher, Worker};
use carillon::table::{Table, ensure_table};
use carillon::time::Clock;
use carillon_aggregator::Aggregator;
use carillon_api::Api;
use carillon_scheduler::Scheduler;
use carillon_webhook::Webhook;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::error::HostError;

/// What the functions share besides their configuration and the table.
pub(crate) struct Parts {
    pub(crate) clock: Clock,
    pub(crate) ids: IdSource,
    pub(crate) providers: Providers,
}

/// The six functions, ready to handle events.
pub(crate) struct Functions {
    pub(crate) table: Table,
    pub(crate) sender: Arc<Sender>,
    pub(crate) scheduler: Arc<Scheduler>,
    pub(crate) aggregator: Aggregator,
    pub(crate) worker: Arc<Worker>,
    /// The jobs that the other functions, and the worker itself, launch.
    pub(crate) launches: UnboundedReceiver<Launch>,
    /// The routes of the API and of the webhook.
    pub(crate) router: Router,
}

impl Functions {
    /// Creates the table if it does not exist, then the functions.
    pub(crate) async fn new(
        config: &Config,
        aws: &AwsConfig,
        table: Table,
        parts: Parts,
    ) -> Result<Self, HostError> {
        ensure_table(&table).await.map_err(HostError::function)?;
        Self::assemble(config, aws, table, parts).map_err(HostError::Function)
    }

    fn assemble(
        config: &Config,
        aws: &AwsConfig,
        table: Table,
        Parts { clock, ids, providers }: Parts,
    ) -> Result<Self, BoxError> {
        let sender =
            carillon_sender::sender(config, aws, clock.clone(), ids.clone(), providers.clone())?;
        let (sends, launches) = unbounded_channel();
        let launcher = Launcher::Channel(sends);
        let worker = carillon_jobs::worker(config, aws, clock.clone(), launcher.clone())?;
        let (same_providers, same_launcher) = (providers.clone(), launcher.clone());
        let scheduler = Scheduler::new(config, aws, clock.clone(), same_providers, same_launcher)?;
        let api = Api::new(config, aws, clock.clone(), ids.clone(), providers.clone(), launcher)?;
        let webhook = Webhook::new(config, aws, clock.clone(), ids, providers)?;
        let router =
            carillon_api::router(Arc::new(api)).merge(carillon_webhook::router(Arc::new(webhook)));
        Ok(Self {
            aggregator: Aggregator::new(table.clone(), clock, config.event_detail()?),
            table,
            sender: Arc::new(sender),
            scheduler: Arc::new(scheduler),
            worker: Arc::new(worker),
            launches,
            router,
        })
    }
}
