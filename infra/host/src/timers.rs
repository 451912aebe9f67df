//! The timers: EventBridge's schedule, and DynamoDB's deletion of expired items.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use carillon_engines::Engines;
use carillon_scheduler::Scheduler;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::invocation::invocation;

/// Interval of the scheduler. It is a minute on AWS, where each run costs money.
const SCHEDULE_INTERVAL: Duration = Duration::from_secs(2);
/// The time of one run of the scheduler. It is a minute on AWS, where the next run does not wait
/// for the end of this one.
const SCHEDULER_TIME: Duration = Duration::from_secs(12);
/// Interval of the deletion of expired items, on the machine's clock.
const SWEEP_INTERVAL: Duration = Duration::from_mins(1);

/// Runs the scheduler at intervals of its clock until `closing` is cancelled.
pub(crate) async fn run_scheduler(scheduler: Arc<Scheduler>, closing: CancellationToken) {
    while !closing.is_cancelled() {
        let time = scheduler.clock.during(SCHEDULER_TIME);
        let event = invocation(Value::Null, &scheduler.clock, time);
        if let Err(error) = scheduler.handle(event).await {
            tracing::warn!(error = &*error, "the scheduler failed");
        }
        tokio::select! {
            () = scheduler.clock.sleep(SCHEDULE_INTERVAL) => {}
            () = closing.cancelled() => {}
        }
    }
}

/// Deletes items whose time to live has passed, until `closing` is cancelled.
pub(crate) async fn sweep_expired_items(engines: Arc<Engines>, closing: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(SWEEP_INTERVAL) => {}
            () = closing.cancelled() => return,
        }
        let engines = engines.clone();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || engines.sweep_ttl()).await {
            tracing::warn!(error = &error as &dyn Error, "deleting expired items failed");
        }
    }
}
