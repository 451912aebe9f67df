//! How many conditional updates a second the table engine takes with a stream
//! on, in a file, while a consumer reads and trims that stream.
//!
//! `cargo run --release -p carillon-engines --example throughput`
#![expect(clippy::disallowed_methods, reason = "it measures real time")]

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
use carillon_engines::{EngineError, Engines, Place};

const TABLE: &str = "throughput";
const ITEMS: u32 = 1_000;
const UPDATES: u32 = 20_000;

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Outcome {
    for clients in [1, 4, 16] {
        let folder = tempfile::tempdir()?;
        let began = Instant::now();
        let engines = Engines::start(Place::Folder(folder.path().to_owned()))?;
        let ready = began.elapsed();
        let client = connect(&engines);
        create_table(&client).await?;
        for item in 0..ITEMS {
            put(&client, item).await?;
        }
        let engines = Arc::new(engines);
        let quiet = update_all(&client, clients).await?;
        let over = Arc::new(AtomicBool::new(false));
        let reader = consume(Arc::clone(&engines), Arc::clone(&over));
        let busy = update_all(&client, clients).await?;
        over.store(true, Ordering::Relaxed);
        let lag = reader.await??;
        println!(
            "{clients:>3} clients: ready in {ready:?}, {quiet:.0} updates a second, \
             {busy:.0} while the stream is read and trimmed (drained {lag:?} after)"
        );
    }
    Ok(())
}

/// Updates a second over `clients` concurrent callers.
async fn update_all(client: &Client, clients: u32) -> Outcome<f64> {
    let began = Instant::now();
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..clients {
        callers.spawn(update_some(client.clone(), caller, clients));
    }
    while let Some(done) = callers.join_next().await {
        done??;
    }
    Ok(f64::from(UPDATES) / began.elapsed().as_secs_f64())
}

async fn update_some(client: Client, caller: u32, clients: u32) -> Outcome {
    for number in (caller..UPDATES).step_by(clients as usize) {
        client
            .update_item()
            .table_name(TABLE)
            .key("pk", AttributeValue::S(format!("P#{}", number % ITEMS)))
            .key("sk", AttributeValue::S("TO".to_owned()))
            .condition_expression("attribute_exists(pk)")
            .update_expression("SET turn = turn + :one")
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .send()
            .await?;
    }
    Ok(())
}

/// Reads and trims until told that no more is written; says how long the rest
/// took from then on.
fn consume(
    engines: Arc<Engines>,
    over: Arc<AtomicBool>,
) -> tokio::task::JoinHandle<Result<Duration, EngineError>> {
    tokio::task::spawn_blocking(move || {
        let mut after: Option<String> = None;
        let mut ended: Option<Instant> = None;
        loop {
            if over.load(Ordering::Relaxed) {
                ended.get_or_insert_with(Instant::now);
            }
            let page = engines.read_stream(TABLE, after.as_deref(), 500)?;
            let last = page.last().and_then(|record| record["dynamodb"]["SequenceNumber"].as_str());
            match (last, ended) {
                (Some(last), _) => {
                    engines.trim_stream(last)?;
                    after = Some(last.to_owned());
                }
                (None, Some(ended)) => return Ok(ended.elapsed()),
                (None, None) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    })
}

async fn put(client: &Client, item: u32) -> Outcome {
    client
        .put_item()
        .table_name(TABLE)
        .item("pk", AttributeValue::S(format!("P#{item}")))
        .item("sk", AttributeValue::S("TO".to_owned()))
        .item("turn", AttributeValue::N("0".to_owned()))
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
        .build();
    Client::from_conf(config)
}

async fn create_table(client: &Client) -> Outcome {
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
