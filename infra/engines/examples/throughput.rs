//! Measures the conditional updates a second of the DynamoDB engine, on a file and
//! with a stream: first without a consumer, then while one reads and trims the
//! stream.
//!
//! `cargo run --release -p carillon-engines --example throughput`
#![expect(clippy::disallowed_methods, reason = "the example measures real time")]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
    ScalarAttributeType, StreamSpecification, StreamViewType,
};
use carillon_engines::{EngineError, Engines, Storage};

const TABLE: &str = "throughput";
const ITEMS: u32 = 1_000;
const UPDATES: u32 = 20_000;

type ExampleResult<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> ExampleResult {
    for clients in [1, 4, 16] {
        let folder = tempfile::tempdir()?;
        let started = Instant::now();
        let engines = Engines::start(Storage::Folder(folder.path().to_owned()))?;
        let startup = started.elapsed();
        let client = connect(&engines);
        create_table(&client).await?;
        for item in 0..ITEMS {
            put(&client, item).await?;
        }
        let engines = Arc::new(engines);
        let without_consumer = update_all(&client, clients).await?;
        let writes_done = Arc::new(AtomicBool::new(false));
        let reader = consume(Arc::clone(&engines), Arc::clone(&writes_done));
        let with_consumer = update_all(&client, clients).await?;
        writes_done.store(true, Ordering::Relaxed);
        let lag = reader.await??;
        println!(
            "{clients:>3} clients: started in {startup:?}, {without_consumer:.0} updates a second, \
             {with_consumer:.0} with a consumer (which finished {lag:?} later)"
        );
    }
    Ok(())
}

/// The updates a second of `clients` concurrent clients.
async fn update_all(client: &Client, clients: u32) -> ExampleResult<f64> {
    let started = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..clients {
        tasks.spawn(update_some(client.clone(), task, clients));
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(f64::from(UPDATES) / started.elapsed().as_secs_f64())
}

async fn update_some(client: Client, task: u32, clients: u32) -> ExampleResult {
    for number in (task..UPDATES).step_by(clients as usize) {
        client
            .update_item()
            .table_name(TABLE)
            .key("pk", AttributeValue::S(format!("P#{}", number % ITEMS)))
            .key("sk", AttributeValue::S("TO".to_owned()))
            .condition_expression("attribute_exists(pk)")
            .update_expression("SET revision = revision + :one")
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .send()
            .await?;
    }
    Ok(())
}

/// Reads and trims the stream until all writes are done and consumed. Returns how
/// long that took after the last write.
fn consume(
    engines: Arc<Engines>,
    writes_done: Arc<AtomicBool>,
) -> tokio::task::JoinHandle<Result<Duration, EngineError>> {
    tokio::task::spawn_blocking(move || {
        let mut after: Option<String> = None;
        let mut writes_ended: Option<Instant> = None;
        loop {
            if writes_done.load(Ordering::Relaxed) {
                writes_ended.get_or_insert_with(Instant::now);
            }
            let page = engines.read_stream(TABLE, after.as_deref(), 500)?;
            let last = page.last().and_then(|record| record["dynamodb"]["SequenceNumber"].as_str());
            match (last, writes_ended) {
                (Some(last), _) => {
                    engines.trim_stream(last)?;
                    after = Some(last.to_owned());
                }
                (None, Some(writes_ended)) => return Ok(writes_ended.elapsed()),
                (None, None) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    })
}

async fn put(client: &Client, item: u32) -> ExampleResult {
    client
        .put_item()
        .table_name(TABLE)
        .item("pk", AttributeValue::S(format!("P#{item}")))
        .item("sk", AttributeValue::S("TO".to_owned()))
        .item("revision", AttributeValue::N("0".to_owned()))
        .item("text", AttributeValue::S("x".repeat(300)))
        .send()
        .await?;
    Ok(())
}

fn connect(engines: &Engines) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "example"))
        .endpoint_url(engines.dynamodb_url())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

async fn create_table(client: &Client) -> ExampleResult {
    let stream = StreamSpecification::builder()
        .stream_enabled(true)
        .stream_view_type(StreamViewType::NewAndOldImages)
        .build()?;
    let mut table = client
        .create_table()
        .table_name(TABLE)
        .billing_mode(BillingMode::PayPerRequest)
        .stream_specification(stream);
    for (name, kind) in [("pk", KeyType::Hash), ("sk", KeyType::Range)] {
        let attribute = AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(ScalarAttributeType::S);
        let key = KeySchemaElement::builder().attribute_name(name).key_type(kind);
        table = table.attribute_definitions(attribute.build()?).key_schema(key.build()?);
    }
    table.send().await?;
    Ok(())
}
