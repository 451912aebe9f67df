use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{DisplayErrorContext, SdkError};
use aws_sdk_sqs::types::{MessageAttributeValue, QueueAttributeName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::plan::{Batch, BatchRef};

/// What travels on `sends.fifo`. A message is only a trigger: everything it
/// stands for is in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SendMessage {
    /// A batch is to be sent.
    Batch(BatchRef),
}

#[derive(Serialize, Deserialize)]
struct Envelope {
    v: u8,
    #[serde(flatten)]
    message: SendMessage,
}

const VERSION: u8 = 1;

impl SendMessage {
    /// The message's body.
    pub fn to_body(self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&Envelope { v: VERSION, message: self })
    }

    /// Reads a body. What can't be read is no message of this version.
    pub fn from_body(body: &str) -> Result<Self, serde_json::Error> {
        use serde::de::Error;
        let envelope: Envelope = serde_json::from_str(body)?;
        if envelope.v == VERSION {
            Ok(envelope.message)
        } else {
            Err(serde_json::Error::custom("a message of another version"))
        }
    }
}

/// The queue of batches to send: FIFO, one group a lane. Beside it lies the
/// queue of messages that could not be handled, its dead-letter queue.
#[derive(Debug, Clone)]
pub struct SendQueue {
    client: Client,
    url: String,
    failures_url: Option<String>,
}

/// The queue could not be reached.
#[derive(Debug, thiserror::Error)]
#[error("the queue of sends is not available: {0}")]
pub struct QueueError(String);

impl QueueError {
    fn of<E, R>(error: SdkError<E, R>) -> Self
    where
        E: std::error::Error + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        Self(DisplayErrorContext(error).to_string())
    }
}

/// How full the queue is. SQS calls its own counts approximate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Depth {
    /// Batches that wait for a sender.
    pub waiting: u64,
    /// Batches that a sender has.
    pub in_flight: u64,
    /// Messages that could not be handled.
    pub failed: u64,
}

/// A message that could not be handled.
#[derive(Debug, Clone)]
pub struct FailedMessage {
    /// What it says.
    pub body: String,
    /// Why it could not be handled, where the sender has noted that.
    pub reason: Option<String>,
    receipt: String,
}

/// The message attribute that says why a message lies among the failures.
const REASON: &str = "reason";

impl SendQueue {
    /// The queue with that URL, and its dead-letter queue's.
    pub fn new(aws: &crate::AwsConfig, url: &str, failures_url: Option<&str>) -> Self {
        let failures_url = failures_url.map(str::to_owned);
        Self { client: Client::new(&aws.sqs), url: url.to_owned(), failures_url }
    }

    /// Puts a batch on the queue for the `times`-th time. The group is its lane,
    /// so that a lane sends one batch at a time; the count is part of the
    /// deduplication id, because SQS swallows a repeated one for five minutes.
    pub async fn send(&self, batch: &Batch, times: u32) -> Result<(), QueueError> {
        let body = SendMessage::Batch(batch.name).to_body().unwrap_or_default();
        let request = self
            .client
            .send_message()
            .queue_url(&self.url)
            .message_group_id(format!("{}.{}", batch.connection, batch.lane.as_str()))
            .message_deduplication_id(format!("{}#{times}", batch.name))
            .message_body(body);
        Box::pin(request.send()).await.map_err(QueueError::of)?;
        Ok(())
    }

    /// Has a message that was taken come again in so many seconds. Until then its
    /// lane waits.
    pub async fn retry_in(&self, receipt: &str, seconds: i32) -> Result<(), QueueError> {
        let request = self
            .client
            .change_message_visibility()
            .queue_url(&self.url)
            .receipt_handle(receipt)
            .visibility_timeout(seconds);
        Box::pin(request.send()).await.map_err(QueueError::of)?;
        Ok(())
    }

    /// Lays a message that can't be handled aside, with the reason, so that its
    /// lane goes on; `false` when there is no queue for that. `id` is the message's
    /// own: laid aside twice, it lies there once.
    pub async fn lay_aside(&self, id: &str, body: &str, reason: &str) -> Result<bool, QueueError> {
        let Some(url) = &self.failures_url else { return Ok(false) };
        let reason = MessageAttributeValue::builder()
            .data_type("String")
            .string_value(if reason.is_empty() { "unknown" } else { reason })
            .build()
            .map_err(|error| QueueError(error.to_string()))?;
        let request = self
            .client
            .send_message()
            .queue_url(url)
            .message_group_id("failed")
            .message_deduplication_id(id)
            .message_attributes(REASON, reason)
            .message_body(body);
        Box::pin(request.send()).await.map_err(QueueError::of)?;
        Ok(true)
    }

    /// The next messages that could not be handled, at most 10. They are hidden
    /// from others for `hide_seconds`.
    pub async fn failures(&self, hide_seconds: i32) -> Result<Vec<FailedMessage>, QueueError> {
        let Some(url) = &self.failures_url else { return Ok(Vec::new()) };
        let request = self
            .client
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(10)
            .visibility_timeout(hide_seconds)
            .message_attribute_names(REASON);
        let answer = Box::pin(request.send()).await.map_err(QueueError::of)?;
        let failed = answer.messages.unwrap_or_default().into_iter().map(|message| FailedMessage {
            body: message.body.unwrap_or_default(),
            reason: message
                .message_attributes
                .and_then(|mut attributes| attributes.remove(REASON)?.string_value),
            receipt: message.receipt_handle.unwrap_or_default(),
        });
        Ok(failed.collect())
    }

    /// Takes a message from among those that could not be handled.
    pub async fn forget_failure(&self, failed: &FailedMessage) -> Result<(), QueueError> {
        let Some(url) = &self.failures_url else { return Ok(()) };
        let request = self.client.delete_message().queue_url(url).receipt_handle(&failed.receipt);
        Box::pin(request.send()).await.map_err(QueueError::of)?;
        Ok(())
    }

    /// How full the queue is.
    pub async fn depth(&self) -> Result<Depth, QueueError> {
        let [waiting, in_flight] = self.counts(&self.url).await?;
        let failed = match &self.failures_url {
            Some(url) => self.counts(url).await?.into_iter().sum(),
            None => 0,
        };
        Ok(Depth { waiting, in_flight, failed })
    }

    /// Messages that wait in a queue, and that someone has taken.
    async fn counts(&self, url: &str) -> Result<[u64; 2], QueueError> {
        use QueueAttributeName::{
            ApproximateNumberOfMessages as Waiting, ApproximateNumberOfMessagesNotVisible as Taken,
        };
        let request = self
            .client
            .get_queue_attributes()
            .queue_url(url)
            .attribute_names(Waiting)
            .attribute_names(Taken);
        let answer = Box::pin(request.send()).await.map_err(QueueError::of)?;
        let attributes = answer.attributes.unwrap_or_default();
        let count = |name| attributes.get(&name).and_then(|count| count.parse().ok()).unwrap_or(0);
        Ok([count(Waiting), count(Taken)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"v":1,"type":"batch","campaign":"cmp_01890a5d-ac96-774b-bcce-b302099a8057","date":"2026-11-21","number":1}"#;

    #[test]
    fn a_message_reads_back() {
        let message = SendMessage::from_body(BODY).unwrap();
        assert_eq!(message.to_body().unwrap(), BODY);
    }

    #[test]
    fn other_versions_and_kinds_are_refused() {
        for body in ["", "{}", &BODY.replace("\"v\":1", "\"v\":2"), &BODY.replace("batch", "x")] {
            assert!(SendMessage::from_body(body).is_err(), "{body}");
        }
    }
}
