//! The sender: one SQS message is one batch; claim, pace, send, settle.

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
    let vault = Vault::new(&config.secrets_key()?)?;
    let http = http_client(Timeouts::default())?;
    Ok(Sender {
        queue: SendQueue::new(aws, &config.sends_queue_url()?),
        channels: Channels::new(table.clone(), vault, http, &config.graph_url()),
        pacers: Pacers::default(),
        table,
        clock,
        ids,
        closing: CancellationToken::new(),
    })
}

/// Handles a delivery of `sends.fifo`. Batches that failed for a reason of the
/// infrastructure are named in the answer and come again; with FIFO queues
/// everything behind the first failure comes again too.
pub async fn handle(
    sender: &Sender,
    event: LambdaEvent<SqsEvent>,
) -> Result<SqsBatchResponse, Error> {
    let deadline = Timestamp::from_millisecond(i64::try_from(event.context.deadline)?)?;
    let mut response = SqsBatchResponse::default();
    let mut records = event.payload.records.into_iter();
    for record in records.by_ref() {
        if let Err(error) = send(sender, &record, deadline).await {
            tracing::error!(error = &error as &dyn std::error::Error, "the batch failed");
            response.add_failure(record.message_id.unwrap_or_default());
            break;
        }
    }
    for record in records {
        response.add_failure(record.message_id.unwrap_or_default());
    }
    Ok(response)
}

async fn send(
    sender: &Sender,
    record: &SqsMessage,
    deadline: Timestamp,
) -> Result<(), DeliveryError> {
    let body = record.body.as_deref().unwrap_or_default();
    let batch = match SendMessage::from_body(body) {
        Ok(SendMessage::Batch(batch)) => batch,
        // Nothing is lost: what should be on the queue is found in the table.
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "not a message of ours");
            return Ok(());
        }
    };
    let end = sender.run(&batch, deadline).await?;
    tracing::info!(%batch, ?end, "batch");
    Ok(())
}
