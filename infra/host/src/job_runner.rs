//! Asynchronous invocations of the function that works jobs.

use std::sync::Arc;
use std::time::Duration;

use carillon::jobs::{Launch, Worker};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::invocation::invocation;

/// The function's timeout, as in template.yaml.
pub const JOBS_TIMEOUT: Duration = Duration::from_mins(15);

/// Runs each job that is launched in a task of its own, until `closing` is cancelled.
pub(crate) async fn run(
    mut launches: UnboundedReceiver<Launch>,
    worker: Arc<Worker>,
    closing: CancellationToken,
) {
    let mut runs = JoinSet::new();
    loop {
        tokio::select! {
            launch = launches.recv() => match launch {
                Some(launch) => drop(runs.spawn(run_job(worker.clone(), launch))),
                None => break,
            },
            _ = runs.join_next(), if !runs.is_empty() => {}
            () = closing.cancelled() => break,
        }
    }
    while runs.join_next().await.is_some() {}
}

async fn run_job(worker: Arc<Worker>, launch: Launch) {
    let event = invocation(launch, &worker.clock, JOBS_TIMEOUT);
    if let Err(error) = carillon_jobs::handle(&worker, event).await {
        tracing::warn!(job = %launch.job, error = &*error, "a run of a job failed");
    }
}
