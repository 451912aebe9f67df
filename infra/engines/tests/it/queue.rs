//! The queue engine through the official SDK.

use std::time::{Duration, Instant};

use crate::support::{Outcome, sqs};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{Message, QueueAttributeName};
use carillon_engines::{Engines, Place};

async fn fifo(client: &Client) -> Result<String, Box<dyn std::error::Error>> {
    let queue = client
        .create_queue()
        .queue_name("sends.fifo")
        .attributes(QueueAttributeName::FifoQueue, "true")
        .attributes(QueueAttributeName::VisibilityTimeout, "30")
        .send()
        .await?;
    Ok(queue.queue_url.unwrap_or_default())
}

async fn send(client: &Client, queue: &str, group: &str, body: &str) -> Outcome {
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
    let answer =
        client.receive_message().queue_url(queue).max_number_of_messages(10).send().await?;
    Ok(answer.messages.unwrap_or_default())
}

#[tokio::test]
async fn a_group_waits_for_its_first_message() -> Outcome {
    let engines = Engines::start(Place::Memory)?;
    let client = sqs(&engines);
    let queue = fifo(&client).await?;
    assert!(queue.starts_with(&engines.sqs_url()), "{queue}");
    send(&client, &queue, "lane-a", "a1").await?;
    let first = receive(&client, &queue).await?;
    send(&client, &queue, "lane-a", "a2").await?;
    send(&client, &queue, "lane-b", "b1").await?;

    let meanwhile = receive(&client, &queue).await?;
    let handle = first[0].receipt_handle().unwrap_or_default();
    client.delete_message().queue_url(&queue).receipt_handle(handle).send().await?;
    let after = receive(&client, &queue).await?;

    assert_eq!(bodies(&first), ["a1"]);
    assert_eq!(bodies(&meanwhile), ["b1"]);
    assert_eq!(bodies(&after), ["a2"]);
    Ok(())
}

fn bodies(messages: &[Message]) -> Vec<&str> {
    messages.iter().filter_map(Message::body).collect()
}

#[tokio::test]
async fn a_repeated_message_is_swallowed() -> Outcome {
    let engines = Engines::start(Place::Memory)?;
    let client = sqs(&engines);
    let queue = fifo(&client).await?;
    send(&client, &queue, "lane-a", "a1").await?;
    send(&client, &queue, "lane-a", "a1").await?;

    assert_eq!(receive(&client, &queue).await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn stopping_ends_a_waiting_poll() -> Outcome {
    let engines = Engines::start(Place::Memory)?;
    let client = sqs(&engines);
    let queue = fifo(&client).await?;
    let poll = client.receive_message().queue_url(&queue).wait_time_seconds(20);
    let polling = tokio::spawn(poll.send());
    tokio::time::sleep(Duration::from_millis(200)).await;

    let began = Instant::now();
    tokio::task::spawn_blocking(move || engines.stop()).await?;

    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    polling.abort();
    Ok(())
}
