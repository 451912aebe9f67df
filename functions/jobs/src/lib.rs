//! The function that works jobs: an invocation is a run of one job.

use carillon::AwsConfig;
use carillon::config::Config;
use carillon::jobs::{Launch, Launcher, Worker};
use carillon::table::Table;
use carillon::time::{Clock, Timestamp};
use lambda_runtime::{Error, LambdaEvent};

/// A worker as the environment describes it.
///
/// # Errors
/// A variable is missing.
pub fn worker(
    config: &Config,
    aws: &AwsConfig,
    clock: Clock,
    launcher: Launcher,
) -> Result<Worker, Error> {
    Ok(Worker::new(Table::new(aws, &config.table()?), clock, launcher))
}

/// Handles an invocation.
///
/// # Errors
/// The run failed. The scheduler launches the job again.
pub async fn handle(worker: &Worker, event: LambdaEvent<Launch>) -> Result<(), Error> {
    let deadline = Timestamp::from_millisecond(i64::try_from(event.context.deadline)?)?;
    let Launch { job } = event.payload;
    let end = worker.run(job, deadline).await?;
    tracing::info!(%job, ?end, "a run of a job");
    Ok(())
}
