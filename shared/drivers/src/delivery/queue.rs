use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sdk_sqs::types::{MessageAttributeValue, QueueAttributeName};
use carillon_foundations::aws::AwsConfig;
use carillon_foundations::config::{Config, Missing};
use carillon_foundations::ids::MediaId;
use carillon_nouns::batch::{Batch, BatchRef};
use carillon_nouns::connection::Lane;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A message of `sends.fifo` or `paced.fifo`. It is only a trigger: its content is in the table.
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

/// The FIFO queues of batches, with a message group for each slice of a lane, and their
/// dead-letter queue. Batches of normal and slow lanes have a queue of their own, `paced.fifo`: they
/// take minutes, and must not take the senders of those on `sends.fifo`, which take seconds.
#[derive(Debug, Clone)]
pub struct SendQueue {
    client: Client,
    sends_url: String,
    paced_url: String,
    dlq_url: Option<String>,
}

/// A queue could not be reached.
#[derive(Debug, thiserror::Error)]
#[error("the queue of sends is not available: {0}")]
pub struct QueueError(String);

impl QueueError {
    fn of(error: impl std::error::Error) -> Self {
        Self(DisplayErrorContext(error).to_string())
    }
}

/// The depth of a queue. SQS reports approximate counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct QueueDepth {
    /// Messages that wait for a sender.
    pub waiting: u64,
    /// Messages that a sender has received.
    pub in_flight: u64,
    /// Messages in the dead-letter queue. Both queues of batches have the same one, whose
    /// messages are counted with `sends`.
    pub dead_letters: u64,
}

/// The depths of the queues of batches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueDepths {
    /// Of `sends.fifo`.
    pub sends: QueueDepth,
    /// Of `paced.fifo`.
    pub paced: QueueDepth,
}

impl QueueDepths {
    /// The depth of both together.
    pub fn total(self) -> QueueDepth {
        let Self { sends, paced } = self;
        QueueDepth {
            waiting: sends.waiting + paced.waiting,
            in_flight: sends.in_flight + paced.in_flight,
            dead_letters: sends.dead_letters + paced.dead_letters,
        }
    }
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
    /// The queues of the configuration.
    pub fn of(config: &Config, aws: &AwsConfig) -> Result<Self, Missing> {
        Ok(Self {
            client: Client::new(&aws.sqs),
            sends_url: config.sends_queue_url()?,
            paced_url: config.paced_queue_url()?,
            dlq_url: config.sends_dlq_url(),
        })
    }

    /// The queue of a lane's batches.
    fn url_of(&self, lane: Lane) -> &str {
        if lane.is_paced() { &self.paced_url } else { &self.sends_url }
    }

    /// The queue with that ARN; `sends.fifo` if it is not known.
    fn url_at(&self, arn: Option<&str>) -> &str {
        let name = arn.and_then(|arn| arn.rsplit(':').next());
        let is_paced = name.is_some_and(|name| self.paced_url.rsplit('/').next() == Some(name));
        if is_paced { &self.paced_url } else { &self.sends_url }
    }

    /// Enqueues a batch for the `times`-th time. The message group is the slice of the lane, so
    /// that a slice sends one batch at a time. The count is part of the deduplication id, because
    /// SQS drops a repeated id for five minutes.
    pub async fn send(&self, batch: &Batch, times: u32) -> Result<(), QueueError> {
        let body = SendMessage::Batch(batch.name).to_body().unwrap_or_default();
        let request = self
            .client
            .send_message()
            .queue_url(self.url_of(batch.lane))
            .message_group_id(group(batch))
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
            .queue_url(&self.sends_url)
            .message_group_id("media")
            .message_deduplication_id(format!("{media}#{at}"))
            .message_body(body);
        Box::pin(request.send()).await.map(drop).map_err(QueueError::of)
    }

    /// Makes a received message of the queue with that ARN visible again after so many seconds.
    /// Until then its slice waits.
    pub async fn retry_after(
        &self,
        queue: Option<&str>,
        receipt: &str,
        seconds: i32,
    ) -> Result<(), QueueError> {
        let request = self
            .client
            .change_message_visibility()
            .queue_url(self.url_at(queue))
            .receipt_handle(receipt)
            .visibility_timeout(seconds);
        Box::pin(request.send()).await.map(drop).map_err(QueueError::of)
    }

    /// Moves a message to the dead-letter queue with the reason, so that its slice goes on;
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

    /// The depths of the queues.
    pub async fn depths(&self) -> Result<QueueDepths, QueueError> {
        let dead_letters = match &self.dlq_url {
            Some(url) => self.counts(url).await?.into_iter().sum(),
            None => 0,
        };
        let [waiting, in_flight] = self.counts(&self.sends_url).await?;
        let sends = QueueDepth { waiting, in_flight, dead_letters };
        let [waiting, in_flight] = self.counts(&self.paced_url).await?;
        Ok(QueueDepths { sends, paced: QueueDepth { waiting, in_flight, dead_letters: 0 } })
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

/// The message group of a batch.
fn group(batch: &Batch) -> String {
    format!("{}.{}.{}", batch.connection, batch.lane.as_str(), batch.slice.number)
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

    #[tokio::test]
    async fn a_message_is_retried_on_the_queue_that_it_came_from() {
        let config = Config::from_values([
            ("CARILLON_SENDS_QUEUE_URL", "https://sqs.example/1/x-sends.fifo"),
            ("CARILLON_PACED_QUEUE_URL", "https://sqs.example/1/x-paced.fifo"),
        ]);
        let aws = AwsConfig::at("http://127.0.0.1:1", "http://127.0.0.1:1").await;
        let queues = SendQueue::of(&config, &aws).unwrap();
        for (arn, lane) in [
            (Some("arn:aws:sqs:us-east-1:1:x-paced.fifo"), Lane::Slow),
            (Some("arn:aws:sqs:us-east-1:1:x-sends.fifo"), Lane::Fast),
            (None, Lane::Fast),
        ] {
            assert_eq!(queues.url_at(arn), queues.url_of(lane), "{arn:?}");
        }
        assert_ne!(queues.url_of(Lane::Normal), queues.url_of(Lane::Fast));
    }

    #[test]
    fn other_versions_and_kinds_are_refused() {
        for body in ["", "{}", &BODY.replace("\"v\":1", "\"v\":2"), &BODY.replace("batch", "x")] {
            assert!(SendMessage::from_body(body).is_err(), "{body}");
        }
    }
}
