//! The sender: one SQS message is one batch; claim, pace, send, settle.

use std::sync::Arc;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use carillon::AwsConfig;
use carillon::address_key::AddressKeys;
use carillon::channel::Providers;
use carillon::config::Config;
use carillon::connection::Vault;
use carillon::delivery::{
    DeliveryError, Pacers, Routes, SendMessage, SendQueue, Sender, Successes,
};
use carillon::ids::IdSource;
use carillon::table::Table;
use carillon::time::{Clock, Timestamp};
use lambda_runtime::{Error, LambdaEvent};
use tokio_util::sync::CancellationToken;

/// A sender with the settings of the configuration.
pub fn sender(
    config: &Config,
    aws: &AwsConfig,
    clock: Clock,
    ids: IdSource,
    providers: Providers,
) -> Result<Sender, Error> {
    let addresses = AddressKeys::of(config, aws, &clock, &ids)?;
    let table = Table::new(aws, &config.table()?).with_addresses(addresses);
    let vault = Arc::new(Vault::of(config, aws, &clock)?);
    Ok(Sender {
        queue: SendQueue::of(config, aws)?,
        routes: Routes::new(table.clone(), vault, providers),
        pacers: Pacers::default(),
        successes: Successes::default(),
        table,
        clock,
        ids,
        closing: CancellationToken::new(),
    })
}

/// After how many receives a message is moved to the dead-letter queue. The queue's own
/// `maxReceiveCount`, for receives that end in a crash, is higher.
const MAX_RECEIVES: u32 = 5;

/// Handles messages of `sends.fifo` and of `paced.fifo`. A batch that failed because of the infrastructure is
/// reported as a failure and becomes visible again, later each time; in a FIFO queue so is
/// everything behind the first failure. A message that cannot be processed is moved to the
/// dead-letter queue with the reason.
pub async fn handle(
    sender: &Sender,
    event: LambdaEvent<SqsEvent>,
) -> Result<SqsBatchResponse, Error> {
    let deadline = Timestamp::from_millisecond(i64::try_from(event.context.deadline)?)?;
    let mut response = SqsBatchResponse::default();
    let mut records = event.payload.records.into_iter();
    for record in records.by_ref() {
        if let Err(reason) = send(sender, &record, deadline).await
            && !move_to_dlq(sender, &record, &reason).await
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

/// Why a message could not be processed.
enum Failure {
    /// This version cannot read it: redelivery cannot help.
    Unreadable(serde_json::Error),
    /// The batch failed: redelivery may help.
    Batch(DeliveryError),
}

async fn send(sender: &Sender, record: &SqsMessage, deadline: Timestamp) -> Result<(), Failure> {
    let body = record.body.as_deref().unwrap_or_default();
    match SendMessage::from_body(body).map_err(Failure::Unreadable)? {
        SendMessage::Batch(batch) => {
            let end = sender.run(&batch, deadline).await.map_err(Failure::Batch)?;
            tracing::info!(%batch, ?end, "batch");
            Ok(())
        }
        SendMessage::RenewMedia { media } => {
            sender.renew_media(media, deadline).await.map_err(Failure::Batch)
        }
    }
}

/// Moves a message to the dead-letter queue if redelivery cannot help; `false` where it is
/// redelivered.
async fn move_to_dlq(sender: &Sender, record: &SqsMessage, failure: &Failure) -> bool {
    let (reason, is_final) = match failure {
        Failure::Unreadable(error) => (with_causes(error), true),
        Failure::Batch(error) => (with_causes(error), receives(record) >= MAX_RECEIVES),
    };
    tracing::error!(reason, is_final, "the batch failed");
    if !is_final {
        return false;
    }
    let id = record.message_id.as_deref().unwrap_or("unknown");
    let body = record.body.as_deref().unwrap_or_default();
    sender.queue.send_to_dlq(id, body, &reason).await.unwrap_or_else(|error| {
        let error = &error as &dyn std::error::Error;
        tracing::error!(error, "not moved to the dead-letter queue");
        false
    })
}

/// An error with its causes, in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let errors = std::iter::successors(Some(error), |&error| error.source());
    let texts: Vec<_> = errors.map(ToString::to_string).collect();
    texts.join(": ").chars().take(500).collect()
}

/// How often a message was received, this time included.
fn receives(record: &SqsMessage) -> u32 {
    let count = record.attributes.get("ApproximateReceiveCount");
    count.and_then(|count| count.parse().ok()).unwrap_or(1)
}

/// Makes a message visible again after 2 seconds, and later each time. Otherwise its lane
/// would wait for the visibility timeout of the queue.
async fn retry_later(sender: &Sender, record: &SqsMessage) {
    let seconds = 2i32.pow(receives(record).min(8));
    let receipt = record.receipt_handle.as_deref().unwrap_or_default();
    let queue = record.event_source_arn.as_deref();
    if let Err(error) = sender.queue.retry_after(queue, receipt, seconds).await {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "redelivered after the visibility timeout");
    }
}
