//! The DynamoDB engine through the official AWS SDK.

use std::error::Error;
use std::time::{Duration, SystemTime};

use aws_lambda_events::event::dynamodb::EventRecord;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{Put, TimeToLiveSpecification, TransactWriteItem};
use carillon_engines::{EngineError, Engines, Storage};
use serde_json::Value;

use crate::support::{TABLE, TestResult, create_table, dynamodb, n, put, s};

#[tokio::test]
async fn only_one_conditional_put_succeeds() -> TestResult {
    let engines = Engines::start(Storage::Temporary)?;
    let client = dynamodb(&engines);
    create_table(&client).await?;
    let put_if_absent = || {
        client
            .put_item()
            .table_name(TABLE)
            .item("pk", s("P"))
            .item("sk", s("TO#1"))
            .condition_expression("attribute_not_exists(pk)")
            .send()
    };

    put_if_absent().await?;
    let second = put_if_absent().await.expect_err("the item exists");

    assert!(second.into_service_error().is_conditional_check_failed_exception());
    Ok(())
}

#[tokio::test]
async fn a_transaction_is_atomic() -> TestResult {
    let engines = Engines::start(Storage::Temporary)?;
    let client = dynamodb(&engines);
    create_table(&client).await?;
    put(&client, 1).await?;
    let put_if_absent = |number: u32| -> Result<TransactWriteItem, Box<dyn Error>> {
        let put = Put::builder()
            .table_name(TABLE)
            .item("pk", s("P"))
            .item("sk", s(format!("TO#{number}")))
            .condition_expression("attribute_not_exists(pk)")
            .build()?;
        Ok(TransactWriteItem::builder().put(put).build())
    };

    let refused = client
        .transact_write_items()
        .transact_items(put_if_absent(2)?)
        .transact_items(put_if_absent(1)?)
        .send()
        .await
        .expect_err("item 1 exists")
        .into_service_error();

    assert_eq!(cancellation_reasons(&refused), ["None", "ConditionalCheckFailed"]);
    assert_eq!(count(&client).await?, 1);
    Ok(())
}

fn cancellation_reasons(error: &TransactWriteItemsError) -> Vec<&str> {
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = error else {
        return Vec::new();
    };
    let reasons = cancelled.cancellation_reasons().iter();
    reasons.filter_map(|reason| reason.code()).collect()
}

async fn count(client: &aws_sdk_dynamodb::Client) -> Result<i32, Box<dyn Error>> {
    Ok(client.scan().table_name(TABLE).send().await?.count())
}

#[tokio::test]
async fn stream_records_deserialize_as_lambda_events() -> TestResult {
    let engines = Engines::start(Storage::Temporary)?;
    let client = dynamodb(&engines);
    create_table(&client).await?;
    put(&client, 1).await?;
    client
        .update_item()
        .table_name(TABLE)
        .key("pk", s("P"))
        .key("sk", s("TO#1"))
        .update_expression("SET revision = :two")
        .expression_attribute_values(":two", n(2))
        .send()
        .await?;
    client.delete_item().table_name(TABLE).key("pk", s("P")).key("sk", s("TO#1")).send().await?;

    let records = events(&engines.read_stream(TABLE, None, 10)?)?;

    let changes: Vec<_> =
        records.iter().map(|record| (record.event_name.as_str(), revisions(record))).collect();
    assert_eq!(
        changes,
        [
            ("INSERT", (None, Some("1".to_owned()))),
            ("MODIFY", (Some("1".to_owned()), Some("2".to_owned()))),
            ("REMOVE", (Some("2".to_owned()), None)),
        ]
    );
    let first = &records[0];
    assert_eq!(first.event_source.as_deref(), Some("aws:dynamodb"));
    assert!(
        first.event_source_arn.as_ref().is_some_and(|arn| arn.contains("table/carillon/stream/"))
    );
    assert_eq!(first.change.keys.len(), 2);
    let age =
        SystemTime::now().duration_since(first.change.approximate_creation_date_time.into())?;
    assert!(age < Duration::from_mins(1));
    Ok(())
}

/// The `revision` attribute of the old and the new image.
fn revisions(record: &EventRecord) -> (Option<String>, Option<String>) {
    let number = |image: &serde_json::Value| image["revision"]["N"].as_str().map(str::to_owned);
    let image = |image| number(&serde_json::to_value(image).expect("an image is JSON"));
    (image(&record.change.old_image), image(&record.change.new_image))
}

fn events(records: &[Value]) -> Result<Vec<EventRecord>, serde_json::Error> {
    records.iter().map(|record| serde_json::from_value(record.clone())).collect()
}

#[tokio::test]
async fn the_stream_can_be_read_in_pages() -> TestResult {
    let engines = Engines::start(Storage::Temporary)?;
    let client = dynamodb(&engines);
    create_table(&client).await?;
    for number in 0..25 {
        put(&client, number).await?;
    }

    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = engines.read_stream(TABLE, after.as_deref(), 10)?;
        let Some(last) = page.last() else { break };
        after = Some(sequence(last));
        seen.extend(page.iter().map(sort_key));
    }

    let written: Vec<_> = (0..25).map(|number| format!("TO#{number}")).collect();
    assert_eq!(seen, written);
    Ok(())
}

fn sequence(record: &Value) -> String {
    text(&record["dynamodb"]["SequenceNumber"])
}

fn sort_key(record: &Value) -> String {
    text(&record["dynamodb"]["Keys"]["sk"]["S"])
}

fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

#[tokio::test]
async fn trimming_deletes_records_up_to_the_sequence_number() -> TestResult {
    let engines = Engines::start(Storage::Temporary)?;
    let client = dynamodb(&engines);
    create_table(&client).await?;
    for number in 0..1200 {
        put(&client, number).await?;
    }
    let read = engines.read_stream(TABLE, None, 1000)?;
    let last = sequence(&read[read.len() - 1]);

    assert_eq!(engines.trim_stream(&last)?, 1000);

    let rest = engines.read_stream(TABLE, None, 1000)?;
    assert_eq!(rest.len(), 200);
    assert_eq!(sort_key(&rest[0]), "TO#1000");
    assert_eq!(engines.read_stream(TABLE, Some(&last), 1000)?, rest);
    assert_eq!(engines.trim_stream(&last)?, 0);
    Ok(())
}

#[tokio::test]
async fn sequence_numbers_continue_after_trimming_and_a_restart() -> TestResult {
    let folder = tempfile::tempdir()?;
    let storage = Storage::Folder(folder.path().to_owned());
    let engines = Engines::start(storage.clone())?;
    let client = dynamodb(&engines);
    create_table(&client).await?;
    for number in 0..3 {
        put(&client, number).await?;
    }
    let last = sequence(&engines.read_stream(TABLE, None, 10)?[2]);
    assert_eq!(engines.trim_stream(&last)?, 2, "the newest record is kept");
    engines.stop();

    let engines = Engines::start(storage)?;
    put(&dynamodb(&engines), 3).await?;

    let new_records = engines.read_stream(TABLE, Some(&last), 10)?;
    assert_eq!(new_records.iter().map(sort_key).collect::<Vec<_>>(), ["TO#3"]);
    assert!(sequence(&new_records[0]) > last);
    Ok(())
}

#[tokio::test]
async fn trimming_runs_concurrently_with_writes() -> TestResult {
    let engines = Engines::start(Storage::Temporary)?;
    let client = dynamodb(&engines);
    create_table(&client).await?;
    let writing = async {
        for number in 0..2000 {
            put(&client, number).await?;
        }
        TestResult::Ok(())
    };

    let reader = tokio::task::spawn_blocking(move || consume(&engines, 2000));
    writing.await?;

    let seen = reader.await??;
    let written: Vec<_> = (0..2000).map(|number| format!("TO#{number}")).collect();
    assert_eq!(seen, written, "each record is read once");
    Ok(())
}

/// Reads and trims the stream until it has seen `total` records.
fn consume(engines: &Engines, total: usize) -> Result<Vec<String>, EngineError> {
    let mut seen: Vec<String> = Vec::new();
    let mut after: Option<String> = None;
    while seen.len() < total {
        let page = engines.read_stream(TABLE, after.as_deref(), 100)?;
        if let Some(last) = page.last().map(sequence) {
            engines.trim_stream(&last)?;
            after = Some(last);
        }
        seen.extend(page.iter().map(sort_key));
    }
    Ok(seen)
}

#[tokio::test]
async fn expired_items_are_deleted() -> TestResult {
    let engines = Engines::start(Storage::Temporary)?;
    let client = dynamodb(&engines);
    create_table(&client).await?;
    let ttl =
        TimeToLiveSpecification::builder().enabled(true).attribute_name("expires_at").build()?;
    client.update_time_to_live().table_name(TABLE).time_to_live_specification(ttl).send().await?;
    for (sk, expires_at) in [("old", 1_700_000_000), ("new", 4_000_000_000)] {
        client
            .put_item()
            .table_name(TABLE)
            .item("pk", s("P"))
            .item("sk", s(sk))
            .item("expires_at", n(expires_at))
            .send()
            .await?;
    }

    assert_eq!(engines.sweep_ttl()?, 1);

    let stream = engines.read_stream(TABLE, None, 10)?;
    let deletion = stream.last().expect("the stream has the deletion");
    assert_eq!(sort_key(deletion), "old");
    assert_eq!(deletion["userIdentity"]["principalId"], "dynamodb.amazonaws.com");
    assert_eq!(events(&stream)?.len(), 3);
    Ok(())
}

#[tokio::test]
async fn invalid_arguments_return_their_errors() -> TestResult {
    let engines = Engines::start(Storage::Temporary)?;

    let missing = engines.read_stream("nothing", None, 10);
    let number = engines.trim_stream("12");

    assert!(matches!(missing, Err(EngineError::NoStream { table }) if table == "nothing"));
    assert!(matches!(number, Err(EngineError::SequenceNumber { .. })));
    Ok(())
}
