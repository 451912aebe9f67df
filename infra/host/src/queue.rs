//! The queue engine's side of the event source mapping: makes the queues, takes
//! messages, deletes those that were handled.

use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::BoxError;
use aws_sdk_sqs::types::{
    Message, MessageSystemAttributeName as SystemAttribute, QueueAttributeName as Attribute,
};

/// A FIFO queue and its dead-letter queue.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    client: Client,
    url: String,
    failures_url: String,
}

/// How long a delivered message is hidden, in seconds: longer than the sender's
/// time-out, as on AWS.
const VISIBILITY_SECONDS: &str = "330";
/// After how many deliveries a message goes to the dead-letter queue, as on AWS.
const MOST_RECEIVES: u32 = 10;

impl Queue {
    /// Makes `<name>-sends.fifo` and `<name>-sends-dlq.fifo`, where they are missing.
    pub(crate) async fn make(sqs_url: &str, name: &str) -> Result<Self, BoxError> {
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version_latest()
            .region(aws_sdk_sqs::config::Region::new("us-east-1"))
            .credentials_provider(aws_sdk_sqs::config::Credentials::new(
                "local", "local", None, None, "local",
            ))
            .endpoint_url(sqs_url)
            .build();
        let client = Client::from_conf(config);
        let dead = create(&client, &format!("{name}-sends-dlq.fifo"), None).await?;
        let arn = arn(&client, &dead).await?;
        let redrive =
            format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":{MOST_RECEIVES}}}"#);
        let url = create(&client, &format!("{name}-sends.fifo"), Some(&redrive)).await?;
        Ok(Self { client, url, failures_url: dead })
    }

    /// Its dead-letter queue's URL.
    pub(crate) fn failures_url(&self) -> &str {
        &self.failures_url
    }

    /// Its URL.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Waits up to a second for a message.
    pub(crate) async fn receive(&self) -> Result<Option<Message>, BoxError> {
        let request = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(1)
            .message_system_attribute_names(SystemAttribute::ApproximateReceiveCount)
            .wait_time_seconds(1);
        let answer = Box::pin(request.send()).await?;
        Ok(answer.messages.unwrap_or_default().pop())
    }

    /// Takes a handled message off the queue.
    pub(crate) async fn delete(&self, receipt: &str) -> Result<(), BoxError> {
        let request = self.client.delete_message().queue_url(&self.url).receipt_handle(receipt);
        Box::pin(request.send()).await?;
        Ok(())
    }

    /// Gives a message back that was taken and not looked at.
    pub(crate) async fn release(&self, message: &Message) -> Result<(), BoxError> {
        let request = self
            .client
            .change_message_visibility()
            .queue_url(&self.url)
            .receipt_handle(message.receipt_handle.as_deref().unwrap_or_default())
            .visibility_timeout(0);
        Box::pin(request.send()).await?;
        Ok(())
    }

    /// Puts a text on it.
    pub(crate) async fn send(&self, body: &str) -> Result<(), BoxError> {
        let request = self
            .client
            .send_message()
            .queue_url(&self.url)
            .message_group_id("any")
            .message_deduplication_id("any")
            .message_body(body);
        Box::pin(request.send()).await?;
        Ok(())
    }

    /// Throws everything on the queue away, as a restart of the engine does.
    pub(crate) async fn purge(&self) -> Result<(), BoxError> {
        let request = self.client.purge_queue().queue_url(&self.url);
        Box::pin(request.send()).await?;
        Ok(())
    }
}

async fn create(client: &Client, name: &str, redrive: Option<&str>) -> Result<String, BoxError> {
    let request = client
        .create_queue()
        .queue_name(name)
        .attributes(Attribute::FifoQueue, "true")
        .attributes(Attribute::VisibilityTimeout, VISIBILITY_SECONDS);
    let request = match redrive {
        Some(redrive) => request.attributes(Attribute::RedrivePolicy, redrive),
        None => request,
    };
    let answer = Box::pin(request.send()).await?;
    answer.queue_url.ok_or_else(|| "the queue has no URL".into())
}

async fn arn(client: &Client, url: &str) -> Result<String, BoxError> {
    let request = client.get_queue_attributes().queue_url(url).attribute_names(Attribute::QueueArn);
    let answer = Box::pin(request.send()).await?;
    let mut attributes = answer.attributes.unwrap_or_default();
    attributes.remove(&Attribute::QueueArn).ok_or_else(|| "the queue has no ARN".into())
}

/// The event that Lambda makes of a message.
pub(crate) fn event_of(message: &Message) -> SqsEvent {
    let mut record = SqsMessage::default();
    record.message_id.clone_from(&message.message_id);
    record.receipt_handle.clone_from(&message.receipt_handle);
    record.body.clone_from(&message.body);
    record.event_source = Some("aws:sqs".to_owned());
    let attributes = message.attributes.iter().flatten();
    record.attributes =
        attributes.map(|(name, value)| (name.as_str().to_owned(), value.clone())).collect();
    let mut event = SqsEvent::default();
    event.records.push(record);
    event
}
