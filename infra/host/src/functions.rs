use std::sync::Arc;

use axum::Router;
use carillon::AwsConfig;
use carillon::config::Config;
use carillon::delivery::Sender;
use carillon::ids::IdSource;
use carillon::table::{Table, ensure_table};
use carillon::time::Clock;
use carillon_aggregator::Aggregator;
use carillon_api::Api;
use carillon_scheduler::Scheduler;
use carillon_webhook::Webhook;

use crate::error::HostError;

/// The five functions, ready to handle events.
pub(crate) struct Functions {
    pub(crate) table: Table,
    pub(crate) sender: Arc<Sender>,
    pub(crate) scheduler: Arc<Scheduler>,
    pub(crate) aggregator: Aggregator,
    /// The routes of the API and of the webhook.
    pub(crate) router: Router,
}

impl Functions {
    /// Creates the table if it does not exist, then the functions.
    pub(crate) async fn new(
        config: &Config,
        aws: &AwsConfig,
        table: Table,
        clock: &Clock,
        ids: &IdSource,
    ) -> Result<Self, HostError> {
        ensure_table(&table).await.map_err(HostError::function)?;
        let sender = carillon_sender::sender(config, aws, clock.clone(), ids.clone())
            .map_err(HostError::Function)?;
        let scheduler = Scheduler::new(config, aws, clock.clone()).map_err(HostError::Function)?;
        let api = Api::new(config, aws, clock.clone(), ids.clone()).map_err(HostError::Function)?;
        let webhook =
            Webhook::new(config, aws, clock.clone(), ids.clone()).map_err(HostError::Function)?;
        let router =
            carillon_api::router(Arc::new(api)).merge(carillon_webhook::router(Arc::new(webhook)));
        Ok(Self {
            aggregator: Aggregator::new(table.clone()),
            table,
            sender: Arc::new(sender),
            scheduler: Arc::new(scheduler),
            router,
        })
    }
}
