//! The scheduler: looks at the table and does what is due. It takes no input
//! from its trigger, so one path serves the daily run, the minute run and rescue.

mod audit;
mod execute;
mod gather;
mod sweep;
mod walk;

use carillon::config::Config;
use carillon::delivery::{QueueError, SendQueue};
use carillon::plan::{self, MinimumShare, Places, Plan};
use carillon::table::{StoreError, Table};
use carillon::telemetry::{Metric, measure};
use carillon::time::{Clock, Timestamp};
use lambda_runtime::{Error, LambdaEvent};

use gather::Situation;

/// Does what is due.
#[derive(Debug)]
pub struct Scheduler {
    /// The table.
    pub table: Table,
    /// The queue of batches.
    pub queue: SendQueue,
    /// The clock.
    pub clock: Clock,
    /// What every campaign gets whatever its priority.
    pub minimum_share: MinimumShare,
}

/// Why a run failed. What it had done stays done, and the next run goes on.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// The table failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

impl Scheduler {
    /// Makes a scheduler as the environment describes it.
    pub fn new(config: &Config, aws: &carillon::AwsConfig, clock: Clock) -> Result<Self, Error> {
        Ok(Self {
            table: Table::new(aws, &config.table()?),
            queue: SendQueue::new(aws, &config.sends_queue_url()?, None),
            minimum_share: config.minimum_share()?,
            clock,
        })
    }

    /// Handles a trigger, whatever it says.
    pub async fn handle(&self, _: LambdaEvent<serde_json::Value>) -> Result<(), Error> {
        self.run(self.clock.now()).await?;
        Ok(())
    }

    /// One run: what is due at `now`.
    pub async fn run(&self, now: Timestamp) -> Result<Plan, ScheduleError> {
        self.activate_due(now).await?;
        self.requeue_forgotten(now).await?;
        let situation = self.gather(now).await?;
        let Situation { candidates, lanes, portfolios, .. } = &situation;
        let plan = plan::plan(candidates, lanes, portfolios, self.minimum_share);
        let released = self.carry_out(&plan, &situation, now).await?;
        self.finish_ended(&situation, now).await?;
        self.sweep().await?;
        self.audit(&situation, now).await?;
        report(&plan, &released);
        let fullest = situation.portfolios.values().filter_map(Places::percent_taken).max();
        let use_of_it = (Metric::PortfolioUse, fullest.unwrap_or(0));
        measure(&[(Metric::BatchesPlanned, released.batches), use_of_it], now);
        Ok(plan)
    }

    /// To be called when the process starts on one machine, before any queue is
    /// read: the queues are empty then, and whoever held a lease is gone.
    pub async fn recover(&self) -> Result<(), ScheduleError> {
        for batch in plan::store::open_batches(&self.table).await? {
            plan::store::break_lease(&self.table, &batch.name, None).await?;
        }
        self.requeue_forgotten(self.clock.now()).await
    }
}

/// What a run put on the queue.
#[derive(Debug, Default)]
struct Released {
    people: u32,
    batches: u64,
}

fn report(plan: &Plan, released: &Released) {
    for line in &plan.report {
        tracing::debug!(campaign = %line.campaign, outcome = ?line.outcome, "planned");
    }
    if released.people > 0 {
        tracing::info!(people = released.people, batches = released.batches, "released");
    }
}
