//! The event source mapping of a queue of batches: receives batches and invokes the
//! sender.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::error::BoxError;
use aws_sdk_sqs::types::Message;
use carillon::delivery::Sender;
use tokio_util::sync::CancellationToken;

use crate::invocation::{RETRY_PAUSE, invocation};
use crate::queue::Queue;

/// The sender's timeout, as in template.yaml.
pub const SENDER_TIMEOUT: Duration = Duration::from_mins(5);

/// Receives one batch at a time and hands it to the sender until `closing` is
/// cancelled.
pub(crate) async fn run(queue: Queue, sender: Arc<Sender>, closing: CancellationToken) {
    while !closing.is_cancelled() {
        // The receive call is never aborted: the queue may already have delivered a
        // message, and would hide it for the visibility timeout.
        let handled = match queue.receive().await {
            Ok(Some(message)) if closing.is_cancelled() => queue.release(&message).await,
            Ok(Some(message)) => deliver(&queue, &sender, &message).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = handled {
            tracing::warn!(error = &*error, "polling a queue of batches failed");
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }
}

async fn deliver(queue: &Queue, sender: &Sender, message: &Message) -> Result<(), BoxError> {
    let event = invocation(queue.event_of(message), &sender.clock, SENDER_TIMEOUT);
    let outcome = carillon_sender::handle(sender, event).await;
    if outcome.is_ok_and(|response| response.batch_item_failures.is_empty()) {
        queue.delete(message).await?;
    }
    Ok(())
}
