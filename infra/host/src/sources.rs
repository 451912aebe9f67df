//! What Lambda's event source mappings and EventBridge do on AWS: queues are
//! polled, the stream is read, the clock ticks; each by a task of its own that
//! ends when the host closes.

use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::event::dynamodb::Event;
use aws_sdk_sqs::types::Message;
use carillon::delivery::Sender;
use carillon::time::Clock;
use carillon_aggregator::Aggregator;
use carillon_engines::Engines;
use carillon_scheduler::Scheduler;
use lambda_runtime::{Context, LambdaEvent};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::queue::{Queue, event_of};
use crate::records::Records;

/// How long a sender may take, as in template.yaml.
const SENDER_TIMEOUT: Duration = Duration::from_mins(5);
/// How often the scheduler runs. On AWS it is each minute; one machine has
/// nothing to pay for more.
const SCHEDULE: Duration = Duration::from_secs(2);
/// How many stream records are read at a time.
const STREAM_BATCH: usize = 500;
/// How long the stream reader waits when there is nothing to read.
const STREAM_PAUSE: Duration = Duration::from_millis(20);
/// How long a task waits after an error of an engine.
const AFTER_ERROR: Duration = Duration::from_millis(500);

fn invocation<T>(payload: T, clock: &Clock, timeout: Duration) -> LambdaEvent<T> {
    let mut context = Context::default();
    let deadline = clock.now() + timeout;
    context.deadline = u64::try_from(deadline.as_millisecond()).unwrap_or(u64::MAX);
    LambdaEvent::new(payload, context)
}

/// Takes batches off the queue and hands them to the sender, one at a time.
pub(crate) async fn poll_sends(queue: Queue, sender: Arc<Sender>, closing: CancellationToken) {
    while !closing.is_cancelled() {
        // Not broken off when the host closes: a queue may have handed out a message
        // by then, and hides it for minutes.
        let handled = match queue.receive().await {
            Ok(Some(message)) if closing.is_cancelled() => queue.release(&message).await,
            Ok(Some(message)) => deliver(&queue, &sender, &message).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = handled {
            tracing::warn!(error = &*error, "the queue of sends");
            tokio::time::sleep(AFTER_ERROR).await;
        }
    }
}

async fn deliver(
    queue: &Queue,
    sender: &Sender,
    message: &Message,
) -> Result<(), aws_sdk_sqs::error::BoxError> {
    let receipt = message.receipt_handle.as_deref().unwrap_or_default();
    let event = invocation(event_of(message), &sender.clock, SENDER_TIMEOUT);
    let outcome = carillon_sender::handle(sender, event).await;
    if outcome.is_ok_and(|response| response.batch_item_failures.is_empty()) {
        queue.delete(receipt).await?;
    }
    Ok(())
}

/// Reads the table's stream and hands it to the aggregator. `caught_up` says
/// whether everything written so far is counted. What is counted is trimmed.
pub(crate) async fn read_stream(
    stream: Arc<dyn Records>,
    aggregator: Arc<Aggregator>,
    clock: Clock,
    caught_up: watch::Sender<u64>,
    twice: bool,
    closing: CancellationToken,
) {
    let mut after: Option<String> = None;
    let mut reads = 0;
    loop {
        reads += 1;
        match stream.read(after.clone(), STREAM_BATCH).await {
            Ok(records) if records.is_empty() => {
                let _ = caught_up.send(reads);
                if closing.is_cancelled() {
                    break;
                }
                tokio::time::sleep(STREAM_PAUSE).await;
            }
            Ok(records) => {
                if twice {
                    aggregate(&aggregator, &clock, records.clone()).await;
                }
                after = aggregate(&aggregator, &clock, records).await.or(after);
                trim(&*stream, after.clone()).await;
            }
            Err(error) => {
                tracing::warn!(error = &*error, "the stream");
                if closing.is_cancelled() {
                    break;
                }
                tokio::time::sleep(AFTER_ERROR).await;
            }
        }
    }
}

/// Has records counted, again and again until they are, as Lambda does with a
/// stream. Gives the last one's sequence number.
async fn aggregate(
    aggregator: &Aggregator,
    clock: &Clock,
    records: Vec<serde_json::Value>,
) -> Option<String> {
    let last = records.last()?["dynamodb"]["SequenceNumber"].as_str()?.to_owned();
    let event: Event = serde_json::from_value(serde_json::json!({ "Records": records }))
        .inspect_err(|error| tracing::error!(error = error as &dyn std::error::Error, "the stream"))
        .ok()?;
    loop {
        let invocation = invocation(event.clone(), clock, Duration::from_mins(1));
        match aggregator.handle(invocation).await {
            Ok(_) => return Some(last),
            Err(error) => {
                tracing::warn!(error = &*error, "the aggregator");
                tokio::time::sleep(AFTER_ERROR).await;
            }
        }
    }
}

async fn trim(stream: &dyn Records, upto: Option<String>) {
    let Some(upto) = upto else { return };
    if let Err(error) = stream.trim(upto).await {
        tracing::warn!(error = &*error, "trimming the stream");
    }
}

/// Runs the scheduler again and again.
pub(crate) async fn tick(scheduler: Arc<Scheduler>, closing: CancellationToken) {
    while !closing.is_cancelled() {
        let event = invocation(serde_json::Value::Null, &scheduler.clock, SCHEDULE);
        if let Err(error) = scheduler.handle(event).await {
            tracing::warn!(error = &*error, "the scheduler");
        }
        tokio::select! {
            () = scheduler.clock.sleep(SCHEDULE) => {}
            () = closing.cancelled() => {}
        }
    }
}

/// Removes what has expired, once a minute.
pub(crate) async fn sweep_expired(engines: Arc<Engines>, closing: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_mins(1)) => {}
            () = closing.cancelled() => return,
        }
        let engine = engines.clone();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || engine.sweep_ttl()).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "sweeping");
        }
    }
}
