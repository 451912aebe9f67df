use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{DisplayErrorContext, SdkError};
use aws_sdk_sqs::operation::send_message::SendMessageError;
use serde::{Deserialize, Serialize};

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

/// The queue of batches to send: FIFO, one group a lane.
#[derive(Debug, Clone)]
pub struct SendQueue {
    client: Client,
    url: String,
}

/// The queue could not be reached.
#[derive(Debug, thiserror::Error)]
#[error("the queue of sends is not available: {}", DisplayErrorContext(.0))]
pub struct QueueError(#[from] Box<SdkError<SendMessageError>>);

impl SendQueue {
    /// The queue with that URL.
    pub fn new(aws: &crate::AwsConfig, url: &str) -> Self {
        Self { client: Client::new(&aws.sqs), url: url.to_owned() }
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
        Box::pin(request.send()).await.map_err(Box::new)?;
        Ok(())
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
