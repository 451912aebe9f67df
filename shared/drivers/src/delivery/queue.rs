use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sdk_sqs::types::{MessageAttributeValue, QueueAttributeName};
use carillon_foundations::aws::AwsConfig;
use carillon_foundations::ids::MediaId;
use carillon_nouns::batch::{Batch, BatchRef};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A message of `sends.fifo`. It is only a trigger: its content is in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SendMessage {
    /// Send this batch.
    Batch(BatchRef),
    /// Renew the uploads of this file.
    RenewMedia {
        /// The file.
        media: MediaId,
    },
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

    /// Reads a body. A message of another version is an error.
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

/// `sends.fifo`: the FIFO queue of batches, with a message group for each lane, and its
/// dead-letter queue.
#[derive(Debug, Clone)]
pub struct SendQueue {
    client: Client,
    url: String,
    dlq_url: Option<String>,
}

/// The queue could not be reached.
#[derive(Debug, thiserror::Error)]
#[error("the queue of sends is not available: {0}")]
pub struct QueueError(String);

impl QueueError {
    fn of(error: impl std::error::Error) -> Self {
        Self(DisplayErrorContext(error).to_string())
    }
}

/// The depth of the queue. SQS reports approximate counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct QueueDepth {
    /// Messages that wait for a sender.
    pub waiting: u64,
    /// Messages that a sender has received.
    pub in_flight: u64,
    /// Messages in the dead-letter queue.
    pub dead_letters: u64,
}

/// A message of the dead-letter queue.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// Its body.
    pub body: String,
    /// Why it could not be processed, where the sender recorded it.
    pub reason: Option<String>,
    receipt: String,
}

/// The message attribute with the reason.
const REASON: &str = "reason";

impl SendQueue {
    /// The queue with that URL, and the URL of its dead-letter queue.
    pub fn new(aws: &AwsConfig, url: &str, dlq_url: Option<&str>) -> Self {
        let dlq_url = dlq_url.map(str::to_owned);
        Self { client: Client::new(&aws.sqs), url: url.to_owned(), dlq_url }
    }

    /// Enqueues a batch for the `times`-th time. The message group is the lane, so that a
    /// lane sends one batch at a time. The count is part of the deduplication id, because
    /// SQS drops a repeated id for five minutes.
    pub async fn send(&self, batch: &Batch, times: u32) -> Result<(), QueueError> {
        let body = SendMessage::Batch(batch.name).to_body().unwrap_or_default();
        let request = self
            .client
            .send_message()
            .queue_url(&self.url)
            .message_group_id(format!("{}.{}", batch.connection, batch.lane.as_str()))
            .message_deduplication_id(format!("{}#{times}", batch.name))
            .message_body(body);
        Box::pin(request.send()).await.map(drop).map_err(QueueError::of)
    }

    /// Enqueues the renewal of a file at `at`. A message group of its own holds up no lane.
    pub async fn renew_media(&self, media: MediaId, at: Timestamp) -> Result<(), QueueError> {
        let body = SendMessage::RenewMedia { media }.to_body().unwrap_or_default();
        let request = self
            .client
            .send_message()
            .queue_url(&self.url)
            .message_group_id("media")
            .message_deduplication_id(format!("{media}#{at}"))
            .message_body(body);
        Box::pin(request.send()).await.map(drop).map_err(QueueError::of)
    }

    /// Makes a received message visible again after so many seconds. Until then its lane
    /// waits.
    pub async fn retry_after(&self, receipt: &str, seconds: i32) -> Result<(), QueueError> {
        let request = self
            .client
            .change_message_visibility()
            .queue_url(&self.url)
            .receipt_handle(receipt)
            .visibility_timeout(seconds);
        Box::pin(request.send()).await.map(drop).map_err(QueueError::of)
    }

    /// Moves a message to the dead-letter queue with the reason, so that its lane goes on;
    /// `false` where there is no such queue. Idempotent: `id` is the message's own.
    pub async fn send_to_dlq(
        &self,
        id: &str,
        body: &str,
        reason: &str,
    ) -> Result<bool, QueueError> {
        let Some(url) = &self.dlq_url else { return Ok(false) };
        let reason = MessageAttributeValue::builder()
            .data_type("String")
            .string_value(if reason.is_empty() { "unknown" } else { reason })
            .build()
            .map_err(|error| QueueError(error.to_string()))?;
        let request = self
            .client
            .send_message()
            .queue_url(url)
            .message_group_id("dead-letters")
            .message_deduplication_id(id)
            .message_attributes(REASON, reason)
            .message_body(body);
        Box::pin(request.send()).await.map_err(QueueError::of)?;
        Ok(true)
    }

    /// The next messages of the dead-letter queue, at most 10. They are invisible to others
    /// for `visibility_seconds`.
    pub async fn dead_letters(
        &self,
        visibility_seconds: i32,
    ) -> Result<Vec<DeadLetter>, QueueError> {
        let Some(url) = &self.dlq_url else { return Ok(Vec::new()) };
        let request = self
            .client
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(10)
            .visibility_timeout(visibility_seconds)
            .message_attribute_names(REASON);
        let answer = Box::pin(request.send()).await.map_err(QueueError::of)?;
        let letters = answer.messages.unwrap_or_default().into_iter().map(|message| DeadLetter {
            body: message.body.unwrap_or_default(),
            reason: message
                .message_attributes
                .and_then(|mut attributes| attributes.remove(REASON)?.string_value),
            receipt: message.receipt_handle.unwrap_or_default(),
        });
        Ok(letters.collect())
    }

    /// Deletes a message of the dead-letter queue.
    pub async fn delete_dead_letter(&self, letter: &DeadLetter) -> Result<(), QueueError> {
        let Some(url) = &self.dlq_url else { return Ok(()) };
        let request = self.client.delete_message().queue_url(url).receipt_handle(&letter.receipt);
        Box::pin(request.send()).await.map(drop).map_err(QueueError::of)
    }

    /// The depth of the queue.
    pub async fn depth(&self) -> Result<QueueDepth, QueueError> {
        let [waiting, in_flight] = self.counts(&self.url).await?;
        let dead_letters = match &self.dlq_url {
            Some(url) => self.counts(url).await?.into_iter().sum(),
            None => 0,
        };
        Ok(QueueDepth { waiting, in_flight, dead_letters })
    }

    /// The messages of a queue that wait, and those in flight.
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
