//! The scheduler: reads the table and does what is due. It takes no input from its trigger,
//! so that one path serves the daily run, the minute run and recovery.

mod audit;
mod batches;
mod execute;
mod media;
mod plan_input;
mod sweep;

use carillon::AwsConfig;
use carillon::batch::{self, Batch};
use carillon::bulk;
use carillon::channel::Providers;
use carillon::config::Config;
use carillon::delivery::{DeliveryError, SendQueue};
use carillon::plan::{self, MinimumShare, Plan};
use carillon::quota::QuotaStatus;
use carillon::table::Table;
use carillon::telemetry::{Metric, measure};
use carillon::time::{Clock, Timestamp};
use lambda_runtime::{Error, LambdaEvent};

/// Does what is due.
#[derive(Debug)]
pub struct Scheduler {
    /// The table.
    pub table: Table,
    /// The queue of batches.
    pub queue: SendQueue,
    /// The clock.
    pub clock: Clock,
    /// The share that every campaign gets regardless of priority.
    pub minimum_share: MinimumShare,
    /// The providers, for the throughput of their connections.
    pub providers: Providers,
}

impl Scheduler {
    /// Makes a scheduler as the environment describes it.
    pub fn new(
        config: &Config,
        aws: &AwsConfig,
        clock: Clock,
        providers: Providers,
    ) -> Result<Self, Error> {
        Ok(Self {
            table: Table::new(aws, &config.table()?),
            queue: SendQueue::new(aws, &config.sends_queue_url()?, None),
            minimum_share: config.minimum_share()?,
            clock,
            providers,
        })
    }

    /// Handles a trigger, whatever it says.
    pub async fn handle(&self, _: LambdaEvent<serde_json::Value>) -> Result<(), Error> {
        self.run(self.clock.now()).await?;
        Ok(())
    }

    /// One run: what is due at `now`. What a run did before it failed stays done, and the next
    /// run goes on.
    pub async fn run(&self, now: Timestamp) -> Result<Plan, DeliveryError> {
        self.activate_due(now).await?;
        self.requeue_batches(now).await?;
        let input = self.plan_input(now).await?;
        let plan = plan::plan(&input.candidates, &input.lanes, &input.quotas, self.minimum_share);
        let released = self.execute(&plan, &input, now).await?;
        self.finish_ended(&input, now).await?;
        self.sweep().await?;
        self.renew_media(now).await?;
        self.audit(&input, now).await?;
        bulk::work_all(&self.table, now).await?;
        report(&plan, &released);
        let highest = input.quotas.values().filter_map(QuotaStatus::percent_reserved).max();
        let quota_use = (Metric::QuotaUse, highest.unwrap_or(0));
        measure(&[(Metric::BatchesPlanned, released.len() as u64), quota_use], now);
        Ok(plan)
    }

    /// To be called at the start of a process on one machine, before a queue is read: the
    /// queues are empty, and the runs with leases are gone.
    pub async fn recover(&self) -> Result<(), DeliveryError> {
        for batch in batch::store::open(&self.table).await? {
            batch::store::break_lease(&self.table, &batch.name, None).await?;
        }
        self.requeue_batches(self.clock.now()).await
    }
}

fn report(plan: &Plan, released: &[Batch]) {
    for line in &plan.report {
        tracing::debug!(campaign = %line.campaign, outcome = ?line.outcome, "planned");
    }
    if !released.is_empty() {
        let messages: u32 = released.iter().map(|batch| batch.size).sum();
        tracing::info!(messages, batches = released.len(), "released");
    }
}
