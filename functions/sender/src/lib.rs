//! The sender: one SQS message is one batch; claim, pace, send, settle.

use std::sync::Arc;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use carillon::channel::{Timeouts, http_client};
use carillon::config::Config;
use carillon::connection::Vault;
use carillon::delivery::{Channels, DeliveryError, Pacers, SendMessage, SendQueue, Sender};
use carillon::ids::IdSource;
use carillon::table::Table;
use carillon::time::{Clock, Timestamp};
use lambda_runtime::{Error, LambdaEvent};
use tokio_util::sync::CancellationToken;

/// Makes a sender as the environment describes it.
pub fn sender(
    config: &Config,
    aws: &carillon::AwsConfig,
    clock: Clock,
    ids: IdSource,
) -> Result<Sender, Error> {
    let table = Table::new(aws, &config.table()?);
    let vault = Arc::new(Vault::of(config, aws, &clock)?);
    let http = http_client(Timeouts::default())?;
    Ok(Sender {
        queue: SendQueue::new(
            aws,
            &config.sends_queue_url()?,
            config.sends_failures_url().as_deref(),
        ),
        channels: Channels::new(table.clone(), vault, http, &config.graph_url()),
        pacers: Pacers::default(),
        table,
        clock,
        ids,
        closing: CancellationToken::new(),
    })
}

/// After how many deliveries a message is laid aside. The queue's own limit, for
/// deliveries that end in a crash, is higher.
const MOST_DELIVERIES: u32 = 5;

/// Handles a delivery of `sends.fifo`. Batches that failed for a reason of the
/// infrastructure are named in the answer and come again, a little later each
/// time; with FIFO queues everything behind the first failure comes again too.
/// What can't be handled is laid aside with the reason.
pub async fn handle(
    sender: &Sender,
    event: LambdaEvent<SqsEvent>,
) -> Result<SqsBatchResponse, Error> {
    let deadline = Timestamp::from_millisecond(i64::try_from(event.context.deadline)?)?;
    let mut response = SqsBatchResponse::default();
    let mut records = event.payload.records.into_iter();
    for record in records.by_ref() {
        if let Err(reason) = send(sender, &record, deadline).await
            && !lay_aside(sender, &record, &reason).await
        {
            retry_later(sender, &record).await;
            response.add_failure(record.message_id.unwrap_or_default());
            break;
        }
    }
    for record in records {
        response.add_failure(record.message_id.unwrap_or_default());
    }
    Ok(response)
}

/// Why a message could not be handled.
enum Failure {
    /// It is none of ours: to deliver it again helps nobody.
    Unreadable(serde_json::Error),
    /// The batch failed; another time it may not.
    Batch(DeliveryError),
}

async fn send(sender: &Sender, record: &SqsMessage, deadline: Timestamp) -> Result<(), Failure> {
    let body = record.body.as_deref().unwrap_or_default();
    let SendMessage::Batch(batch) = SendMessage::from_body(body).map_err(Failure::Unreadable)?;
    let end = sender.run(&batch, deadline).await.map_err(Failure::Batch)?;
    tracing::info!(%batch, ?end, "batch");
    Ok(())
}

/// Lays a message aside that has failed for good; `false` when it is to come again.
async fn lay_aside(sender: &Sender, record: &SqsMessage, failure: &Failure) -> bool {
    let (reason, for_good) = match failure {
        Failure::Unreadable(error) => (in_full(error), true),
        Failure::Batch(error) => (in_full(error), deliveries(record) >= MOST_DELIVERIES),
    };
    tracing::error!(reason, for_good, "the batch failed");
    if !for_good {
        return false;
    }
    let id = record.message_id.as_deref().unwrap_or("unknown");
    let body = record.body.as_deref().unwrap_or_default();
    match sender.queue.lay_aside(id, body, &reason).await {
        Ok(laid_aside) => laid_aside,
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "not laid aside");
            false
        }
    }
}

/// An error and what caused it, in one line.
fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text.chars().take(500).collect()
}

/// How often a message was delivered, this time included.
fn deliveries(record: &SqsMessage) -> u32 {
    let count = record.attributes.get("ApproximateReceiveCount");
    count.and_then(|count| count.parse().ok()).unwrap_or(1)
}

/// Has a message come again after 2 seconds, and longer each time. Without that
/// its lane would wait for the queue's visibility time-out, half an hour.
async fn retry_later(sender: &Sender, record: &SqsMessage) {
    let seconds = 2i32.pow(deliveries(record).min(8));
    let receipt = record.receipt_handle.as_deref().unwrap_or_default();
    if let Err(error) = sender.queue.retry_in(receipt, seconds).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "comes again when it times out");
    }
}
