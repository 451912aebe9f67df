//! Jobs are worked in turns, each of which stores how far it got. A run of the function takes turns as
//! long as it has time, and then launches the next run; the scheduler launches a job again that
//! nobody works.

mod launcher;

use std::time::Duration;

use carillon_foundations::ids::JobId;
use carillon_foundations::time::Clock;
use carillon_nouns::job::store::{self, fail, replace};
use carillon_nouns::job::{Failure, FailureCode, Job};
use carillon_table::{StoreError, Table};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

pub use launcher::{Launch, LaunchError, Launcher, LauncherError};

use crate::bulk::{self, BulkError};

/// The share of its time that a run keeps in reserve: a turn that it began then is done before its
/// deadline.
const RESERVE: u32 = 6;
/// How often a turn that failed is repeated in the same run, each time after a longer pause.
const MAX_RETRIES: u32 = 3;
/// After how many failed runs without progress a job fails.
const MAX_FAILED_RUNS: u32 = 20;

/// Works jobs.
#[derive(Debug)]
pub struct Worker {
    /// The table.
    pub table: Table,
    /// The clock.
    pub clock: Clock,
    /// Launches the next run of a job.
    pub launcher: Launcher,
    /// Cancelled when the process ends: its runs end after the turn that they are in.
    pub closing: CancellationToken,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// There is no work left, or another run does it.
    Done,
    /// Its time was over: another run goes on.
    OutOfTime,
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The table failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A turn failed again and again.
    #[error(transparent)]
    Bulk(#[from] BulkError),
}

impl Worker {
    /// A worker on a table.
    pub fn new(table: Table, clock: Clock, launcher: Launcher) -> Self {
        Self { table, clock, launcher, closing: CancellationToken::new() }
    }

    /// Works a job until it is done, or until a sixth of the time before the deadline is left.
    ///
    /// # Errors
    /// Turns failed one after the other. What was done stays done, and the scheduler launches the job
    /// again; a job whose runs fail again and again without progress fails.
    pub async fn run(&self, id: JobId, deadline: Timestamp) -> Result<RunEnd, RunError> {
        let outcome = self.take_turns(id, deadline).await;
        if outcome.is_err()
            && let Err(error) = self.note_failed_run(id).await
        {
            let error = &error as &dyn std::error::Error;
            tracing::error!(job = %id, error, "the failed run was not noted");
        }
        outcome
    }

    async fn take_turns(&self, id: JobId, deadline: Timestamp) -> Result<RunEnd, RunError> {
        let time = Duration::try_from(deadline.duration_since(self.clock.now()));
        let until = deadline - time.unwrap_or_default() / RESERVE;
        let mut retries = 0;
        let mut job = self.open(id).await?;
        while let Some(open) = job {
            if self.closing.is_cancelled() {
                return Ok(RunEnd::OutOfTime);
            }
            if self.clock.now() >= until {
                self.launcher.try_launch(id).await;
                return Ok(RunEnd::OutOfTime);
            }
            job = match bulk::work_turn(&self.table, open, self.clock.now()).await {
                Ok(rest) => {
                    retries = 0;
                    rest
                }
                Err(error) if retries < MAX_RETRIES => {
                    log_repeated(id, &error);
                    self.clock.sleep(Duration::from_secs(1 << retries)).await;
                    retries += 1;
                    self.open(id).await?
                }
                Err(error) => return Err(error.into()),
            };
        }
        Ok(RunEnd::Done)
    }

    async fn note_failed_run(&self, id: JobId) -> Result<(), StoreError> {
        let (table, now) = (&self.table, self.clock.now());
        let Some(job) = self.open(id).await? else { return Ok(()) };
        let failed_runs = job.failed_runs + 1;
        if failed_runs >= MAX_FAILED_RUNS {
            let detail = "The work failed again and again; the log says why.".to_owned();
            let failure = Failure { code: FailureCode::InternalError, detail };
            return fail(table, &job, failure, now).await;
        }
        let (version, worked_at) = (job.version + 1, Some(now));
        let noted = Job { failed_runs, worked_at, version, ..job.clone() };
        replace(table, &noted, job.version).await.map(drop)
    }

    async fn open(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        let job: Option<Job> = store::get(&self.table, id).await?;
        Ok(job.filter(|job| !job.status.is_final()))
    }
}

fn log_repeated(job: JobId, error: &BulkError) {
    let error = error as &dyn std::error::Error;
    tracing::warn!(%job, error, "a turn failed and is repeated");
}
