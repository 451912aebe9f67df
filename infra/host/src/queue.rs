use std::time::Duration;

use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_sqs::error::BoxError;
use aws_sdk_sqs::types::{
    Message, MessageSystemAttributeName as SystemAttribute, QueueAttributeName as Attribute,
};

/// How long a received batch is hidden, a little longer than the sender's timeout, as in
/// template.yaml.
pub const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(330);
/// Receives after which SQS moves a message to the dead-letter queue, as in
/// template.yaml.
const MAX_RECEIVE_COUNT: u32 = 10;
/// How long a receive call waits for a message, in seconds.
const WAIT_TIME_SECONDS: i32 = 1;

/// The FIFO queues of batches and their dead-letter queue.
#[derive(Debug, Clone)]
pub(crate) struct Queues {
    /// The batches of fast lanes.
    pub(crate) sends: Queue,
    /// The batches of normal and slow lanes.
    pub(crate) paced: Queue,
    dead_letter_url: String,
}

/// A FIFO queue of batches.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    client: Client,
    url: String,
    arn: String,
}

impl Queues {
    /// Creates `<prefix>-sends.fifo`, `<prefix>-paced.fifo` and `<prefix>-sends-dlq.fifo` if they
    /// do not exist.
    pub(crate) async fn create_if_missing(sqs_url: &str, prefix: &str) -> Result<Self, BoxError> {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("local", "local", None, None, "local"))
            .endpoint_url(sqs_url)
            .http_client(carillon::aws::sdk_http_client())
            .build();
        let client = Client::from_conf(config);
        let dead_letter_url = create(&client, &format!("{prefix}-sends-dlq.fifo"), None).await?;
        let dead_letter_arn = arn(&client, &dead_letter_url).await?;
        let redrive = format!(
            r#"{{"deadLetterTargetArn":"{dead_letter_arn}","maxReceiveCount":{MAX_RECEIVE_COUNT}}}"#
        );
        let queue = async |name: &str| {
            let url = create(&client, &format!("{prefix}-{name}.fifo"), Some(&redrive)).await?;
            let arn = arn(&client, &url).await?;
            Ok::<_, BoxError>(Queue { client: client.clone(), url, arn })
        };
        let (sends, paced) = (queue("sends").await?, queue("paced").await?);
        Ok(Self { sends, paced, dead_letter_url })
    }

    pub(crate) fn dead_letter_url(&self) -> &str {
        &self.dead_letter_url
    }

    /// Deletes all messages.
    pub(crate) async fn purge(&self) -> Result<(), BoxError> {
        self.sends.purge().await?;
        self.paced.purge().await
    }
}

impl Queue {
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Receives at most one message, after [`WAIT_TIME_SECONDS`] at the latest.
    pub(crate) async fn receive(&self) -> Result<Option<Message>, BoxError> {
        let request = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(1)
            .message_system_attribute_names(SystemAttribute::ApproximateReceiveCount)
            .wait_time_seconds(WAIT_TIME_SECONDS);
        let response = Box::pin(request.send()).await?;
        Ok(response.messages.unwrap_or_default().pop())
    }

    /// Deletes a message that was handled.
    pub(crate) async fn delete(&self, message: &Message) -> Result<(), BoxError> {
        let request = self
            .client
            .delete_message()
            .queue_url(&self.url)
            .receipt_handle(receipt_handle(message));
        Box::pin(request.send()).await?;
        Ok(())
    }

    /// Makes a received message visible again at once.
    pub(crate) async fn release(&self, message: &Message) -> Result<(), BoxError> {
        let request = self
            .client
            .change_message_visibility()
            .queue_url(&self.url)
            .receipt_handle(receipt_handle(message))
            .visibility_timeout(0);
        Box::pin(request.send()).await?;
        Ok(())
    }

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

    async fn purge(&self) -> Result<(), BoxError> {
        let request = self.client.purge_queue().queue_url(&self.url);
        Box::pin(request.send()).await?;
        Ok(())
    }

    /// The event that Lambda makes of a message.
    pub(crate) fn event_of(&self, message: &Message) -> SqsEvent {
        let mut record = SqsMessage::default();
        record.message_id.clone_from(&message.message_id);
        record.receipt_handle.clone_from(&message.receipt_handle);
        record.body.clone_from(&message.body);
        record.event_source = Some("aws:sqs".to_owned());
        record.event_source_arn = Some(self.arn.clone());
        let attributes = message.attributes.iter().flatten();
        record.attributes =
            attributes.map(|(name, value)| (name.as_str().to_owned(), value.clone())).collect();
        let mut event = SqsEvent::default();
        event.records.push(record);
        event
    }
}

fn receipt_handle(message: &Message) -> &str {
    message.receipt_handle.as_deref().unwrap_or_default()
}

async fn create(client: &Client, name: &str, redrive: Option<&str>) -> Result<String, BoxError> {
    let request = client
        .create_queue()
        .queue_name(name)
        .attributes(Attribute::FifoQueue, "true")
        .attributes(Attribute::VisibilityTimeout, VISIBILITY_TIMEOUT.as_secs().to_string());
    let request = match redrive {
        Some(redrive) => request.attributes(Attribute::RedrivePolicy, redrive),
        None => request,
    };
    let response = Box::pin(request.send()).await?;
    response.queue_url.ok_or_else(|| "SQS returned a queue without a URL".into())
}

async fn arn(client: &Client, url: &str) -> Result<String, BoxError> {
    let request = client.get_queue_attributes().queue_url(url).attribute_names(Attribute::QueueArn);
    let response = Box::pin(request.send()).await?;
    let mut attributes = response.attributes.unwrap_or_default();
    attributes
        .remove(&Attribute::QueueArn)
        .ok_or_else(|| "SQS returned a queue without an ARN".into())
}
