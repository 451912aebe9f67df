//! The SQS engine through the official AWS SDK.

use std::time::{Duration, Instant};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{Message, QueueAttributeName};
use carillon_engines::{Engines, Storage};

use crate::support::{TestResult, sqs};

async fn create_fifo_queue(client: &Client) -> Result<String, Box<dyn std::error::Error>> {
    let queue = client
        .create_queue()
        .queue_name("sends.fifo")
        .attributes(QueueAttributeName::FifoQueue, "true")
        .attributes(QueueAttributeName::VisibilityTimeout, "30")
        .send()
        .await?;
    Ok(queue.queue_url.unwrap_or_default())
}

async fn send(client: &Client, queue: &str, group: &str, body: &str) -> TestResult {
    client
        .send_message()
        .queue_url(queue)
        .message_body(body)
        .message_group_id(group)
        .message_deduplication_id(body)
        .send()
        .await?;
    Ok(())
}

async fn receive(client: &Client, queue: &str) -> Result<Vec<Message>, Box<dyn std::error::Error>> {
    let response =
        client.receive_message().queue_url(queue).max_number_of_messages(10).send().await?;
    Ok(response.messages.unwrap_or_default())
}

#[tokio::test]
async fn a_message_group_is_blocked_while_a_message_is_in_flight() -> TestResult {
    let engines = Engines::start(Storage::Temporary)?;
    let client = sqs(&engines);
    let queue = create_fifo_queue(&client).await?;
    assert!(queue.starts_with(&engines.sqs_url()), "{queue}");
    send(&client, &queue, "group-a", "a1").await?;
    let first = receive(&client, &queue).await?;
    send(&client, &queue, "group-a", "a2").await?;
    send(&client, &queue, "group-b", "b1").await?;

    let while_in_flight = receive(&client, &queue).await?;
    let handle = first[0].receipt_handle().unwrap_or_default();
    client.delete_message().queue_url(&queue).receipt_handle(handle).send().await?;
    let after_delete = receive(&client, &queue).await?;

    assert_eq!(bodies(&first), ["a1"]);
    assert_eq!(bodies(&while_in_flight), ["b1"]);
    assert_eq!(bodies(&after_delete), ["a2"]);
    Ok(())
}

fn bodies(messages: &[Message]) -> Vec<&str> {
    messages.iter().filter_map(Message::body).collect()
}

#[tokio::test]
async fn a_repeated_deduplication_id_is_dropped() -> TestResult {
    let engines = Engines::start(Storage::Temporary)?;
    let client = sqs(&engines);
    let queue = create_fifo_queue(&client).await?;
    send(&client, &queue, "group-a", "a1").await?;
    send(&client, &queue, "group-a", "a1").await?;

    assert_eq!(receive(&client, &queue).await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn stopping_ends_a_pending_long_poll() -> TestResult {
    let engines = Engines::start(Storage::Temporary)?;
    let client = sqs(&engines);
    let queue = create_fifo_queue(&client).await?;
    let poll = client.receive_message().queue_url(&queue).wait_time_seconds(20);
    let polling = tokio::spawn(poll.send());
    tokio::time::sleep(Duration::from_millis(200)).await;

    let started = Instant::now();
    tokio::task::spawn_blocking(move || engines.stop()).await?;

    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    polling.abort();
    Ok(())
}
