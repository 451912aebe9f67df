//! The scheduler: reads the table and does what is due. It takes no input from its trigger,
//! so that one path serves the daily run, the minute run and recovery.
//!
//! A run requeues and plans first, and launches jobs that nobody works. What takes long (sweeps,
//! audits, looking for the end of a list) takes turns in the time that is left, and who has waited
//! longest goes first. A part that fails is logged and counted, and the others go on.

mod audit;
mod batches;
mod completion;
mod execute;
mod failures;
mod jobs;
mod media;
mod plan_input;
mod planned;
mod released;
mod run;
mod segment;
mod sweep;
mod turns;

use std::time::Duration;

use carillon::AwsConfig;
use carillon::batch::{self, Batch};
use carillon::channel::Providers;
use carillon::config::Config;
use carillon::delivery::SendQueue;
use carillon::job;
use carillon::jobs::Launcher;
use carillon::plan::{MinimumShare, Plan};
use carillon::table::Table;
use carillon::telemetry::{Metric, measure};
use carillon::time::{Clock, Timestamp};
use lambda_runtime::{Error, LambdaEvent};

pub use failures::{RunError, WorkError};

use crate::released::Released;
use crate::run::Run;

/// The time of a run whose trigger names no deadline, as in `template.yaml`.
const RUN_TIME: Duration = Duration::from_mins(1);

/// Does what is due.
#[derive(Debug)]
pub struct Scheduler {
    /// The table.
    pub table: Table,
    /// The queues of batches.
    pub queue: SendQueue,
    /// The clock.
    pub clock: Clock,
    /// The share that every campaign gets regardless of priority.
    pub minimum_share: MinimumShare,
    /// The providers, for the throughput of their connections.
    pub providers: Providers,
    /// Launches jobs that nobody works.
    pub launcher: Launcher,
}

impl Scheduler {
    /// Makes a scheduler as the environment describes it.
    pub fn new(
        config: &Config,
        aws: &AwsConfig,
        clock: Clock,
        providers: Providers,
        launcher: Launcher,
    ) -> Result<Self, Error> {
        Ok(Self {
            table: Table::new(aws, &config.table()?),
            queue: SendQueue::of(config, aws)?,
            minimum_share: config.minimum_share()?,
            clock,
            providers,
            launcher,
        })
    }

    /// Handles a trigger, whatever it says.
    ///
    /// # Errors
    /// Parts of the run failed.
    pub async fn handle(&self, event: LambdaEvent<serde_json::Value>) -> Result<(), Error> {
        let now = self.clock.now();
        let deadline = i64::try_from(event.context.deadline).ok().filter(|at| *at > 0);
        let deadline = deadline.and_then(|at| Timestamp::from_millisecond(at).ok());
        self.run_until(now, deadline.unwrap_or_else(|| self.usual_deadline(now))).await?;
        Ok(())
    }

    /// One run: what is due at `now`, in a minute of real time.
    ///
    /// # Errors
    /// As of [`Scheduler::run_until`].
    pub async fn run(&self, now: Timestamp) -> Result<Plan, RunError> {
        self.run_until(now, self.usual_deadline(now)).await
    }

    fn usual_deadline(&self, now: Timestamp) -> Timestamp {
        now + self.clock.during(RUN_TIME)
    }

    /// One run: what is due at `now`. What a run did stays done, and the next run goes on.
    ///
    /// # Errors
    /// Parts of it failed. All others were tried.
    pub async fn run_until(&self, now: Timestamp, deadline: Timestamp) -> Result<Plan, RunError> {
        let mut run = Run::new(now, deadline, &self.clock);
        self.activate_due(&mut run).await;
        self.requeue_batches(&mut run).await;
        let input = self.plan_input(&mut run).await;
        let (mut quota_use, mut released) = (0, Released::default());
        let (mut plan, mut unfinished) = (Plan::default(), Vec::new());
        if let Some(input) = &input {
            quota_use = input.quota_use();
            released.lanes = input.slices.clone();
            plan = input.plan(self.minimum_share);
            unfinished = self.release(&plan, input, &mut released, &mut run).await;
            self.end_overdue(input, &mut run).await;
        }
        self.launch_jobs(&mut run).await;
        self.take_turns(input.as_ref(), unfinished, &mut released, &mut run).await;
        report(&plan, &released.batches);
        measure_run(quota_use, &released.batches, &run);
        run.failures.outcome(plan)
    }

    /// To be called at the start of a process on one machine, before a queue is read: the
    /// queues are empty, and the runs with leases, and those of jobs, are gone.
    ///
    /// # Errors
    /// Some batches could not be enqueued, or some jobs not be launched. All others are.
    pub async fn recover(&self) -> Result<(), RunError> {
        let now = self.clock.now();
        let mut run = Run::new(now, self.usual_deadline(now), &self.clock);
        let open = batch::store::each_open(&self.table).await;
        for batch in run.failures.keep_each("recover", open) {
            let broken = batch::store::break_lease(&self.table, &batch.name, None).await;
            run.failures.keep("recover", batch.name, broken);
        }
        self.requeue_batches(&mut run).await;
        let jobs = run.failures.keep_each("job", job::store::each_open(&self.table).await);
        for job in jobs {
            run.failures.keep("job", job.id, self.launcher.launch(job.id).await);
        }
        run.failures.outcome(())
    }
}

fn measure_run(quota_use: u64, released: &[Batch], run: &Run) {
    let values = [
        (Metric::BatchesPlanned, released.len() as u64),
        (Metric::QuotaUse, quota_use),
        (Metric::SchedulerFailures, run.failures.count()),
    ];
    measure(&values, run.now);
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
