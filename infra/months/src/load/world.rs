//! The functions, their triggers and WhatsApp, with campaigns that are ready to be started.

use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::event::dynamodb::Event;
use carillon::analytics::store::{read as read_counters, recount};
use carillon::campaign;
use carillon::channel::Providers;
use carillon::channel::whatsapp_cloud::WhatsappCloud;
use carillon::http_client::{Timeouts, http_client};
use carillon::ids::{CampaignId, IdSource};
use carillon::time::{Clock, Timestamp};
use lambda_runtime::{Context, LambdaEvent};
use tower::BoxError;

use super::functions::{Functions, Platform, SenderContainers};
use super::invocations::Triggers;
use super::network::{LoadNetwork, SendLog};
use super::reports::Reports;
use super::table::MeteredTable;
use super::{LoadPlan, operator};
use crate::aws::FifoQueue;
use crate::cloud_provider::CloudProvider;
use crate::executor::Executor;
use crate::fixture::START;
use crate::rng::SeededRng;

/// How often the queue is polled and webhooks are sent.
const STEP: Duration = Duration::from_millis(50);
/// Steps between two runs of the scheduler: a minute.
pub(super) const SCHEDULER_STEPS: u64 = 1_200;
/// Steps between two deliveries of the stream: its batching window.
const STREAM_STEPS: u64 = 40;

/// The functions, their triggers and WhatsApp.
pub(super) struct World {
    pub(super) plan: LoadPlan,
    pub(super) triggers: Triggers,
    pub(super) log: Arc<SendLog>,
    campaigns: Vec<CampaignId>,
}

impl World {
    /// Creates the campaigns with their recipients, all counted.
    pub(super) async fn new(seed: u64, plan: LoadPlan) -> Result<Self, BoxError> {
        let (clock, rng) = (Clock::stepped(START), SeededRng::new(seed));
        let (reports, log) = (Arc::new(Reports::default()), Arc::new(SendLog::default()));
        let http = http_client(Timeouts::default())?;
        let network = LoadNetwork {
            clock: clock.clone(),
            rng: rng.clone(),
            plan,
            reports: reports.clone(),
            log: log.clone(),
        };
        let cloud = Arc::new(WhatsappCloud::new(&http, Some("http://nowhere.invalid")));
        let platform = Platform {
            providers: Providers::default().with(CloudProvider { cloud, network }),
            table: Arc::new(MeteredTable::new(plan.table)),
            queue: Arc::new(FifoQueue::default()),
            ids: IdSource::seeded(seed),
            clock,
            rng,
        };
        let functions = Functions::start(&platform).await?;
        let senders = SenderContainers::new(platform.clone(), plan.sender_concurrency);
        let triggers = Triggers {
            executor: Executor::new(platform.clock.clone()),
            functions,
            senders: Arc::new(senders),
            reports,
            failures: Arc::default(),
            memory: Arc::default(),
            platform,
        };
        let mut world = Self { plan, triggers, log, campaigns: Vec::new() };
        world.create_campaigns().await?;
        Ok(world)
    }

    async fn create_campaigns(&mut self) -> Result<(), BoxError> {
        let (plan, api) = (self.plan, &self.triggers.functions.api);
        let connections = operator::connect(api, &plan).await?;
        for (campaign, connection) in (0..plan.campaigns).zip(connections.iter().cycle()) {
            self.campaigns.push(operator::create(api, &plan, campaign, connection).await?);
            self.count_import().await?;
        }
        Ok(())
    }

    /// Counts what was imported, so that no more than one campaign's records wait.
    async fn count_import(&self) -> Result<(), BoxError> {
        let stream = &self.triggers.platform.table.stream;
        while stream.waiting() > 0 {
            for shard in stream.begin() {
                let mut event = Event::default();
                event.records = stream.records(shard);
                let event = LambdaEvent::new(event, Context::default());
                self.triggers.functions.aggregator.handle(event).await?;
                stream.end(shard, true);
            }
        }
        Ok(())
    }

    /// Starts the campaigns.
    pub(super) async fn start(&self) -> Result<(), BoxError> {
        operator::start(&self.triggers.functions.api, &self.campaigns).await
    }

    /// Advances the clock by a step: everything but the scheduler is triggered.
    pub(super) fn step(&mut self, number: u64) -> Result<(), BoxError> {
        let triggers = &mut self.triggers;
        triggers.deliver_batches()?;
        triggers.send_webhooks();
        if number.is_multiple_of(STREAM_STEPS) {
            triggers.deliver_records();
        }
        triggers.executor.run_for(STEP);
        match triggers.platform.table.first_error() {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }

    /// Advances the clock while nothing is in progress.
    pub(super) fn advance_to(&mut self, at: Timestamp) {
        if let Ok(by) = Duration::try_from(at.duration_since(self.now())) {
            self.triggers.executor.run_for(by);
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.triggers.platform.clock.now()
    }

    /// Whether no invocation is in progress, and none is to come but by the schedule or a
    /// webhook.
    pub(super) fn is_idle(&self) -> bool {
        let Triggers { platform, executor, .. } = &self.triggers;
        executor.is_idle() && platform.queue.is_empty() && platform.table.stream.waiting() == 0
    }

    /// The counters are those of a recount, and count everybody.
    pub(super) async fn check_counters(&self) -> Result<(), BoxError> {
        let table = &self.triggers.functions.table;
        for id in &self.campaigns {
            let campaign = campaign::store::get(table, *id).await?.ok_or("a campaign is gone")?;
            let mut counters = read_counters(table, *id, campaign.shards).await?;
            // A recount has no figures by day.
            counters.0.retain(|name, _| !name.starts_with("d_"));
            let recounted = recount(table, &campaign).await?;
            if counters != recounted {
                return Err(format!("{id}: {counters:?}, recounted {recounted:?}").into());
            }
        }
        Ok(())
    }
}
