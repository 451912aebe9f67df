//! The table engine through the official SDK.

use std::error::Error;
use std::time::{Duration, SystemTime};

use crate::support::{Outcome, TABLE, create_table, dynamodb, n, put, s};
use aws_lambda_events::event::dynamodb::EventRecord;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{Put, TimeToLiveSpecification, TransactWriteItem};
use carillon_engines::{EngineError, Engines, Place};
use serde_json::Value;

#[tokio::test]
async fn a_conditional_write_is_won_once() -> Outcome {
    let engines = Engines::start(Place::Memory)?;
    let client = dynamodb(&engines);
    create_table(&client).await?;
    let claim = || {
        client
            .put_item()
            .table_name(TABLE)
            .item("pk", s("P"))
            .item("sk", s("TO#1"))
            .condition_expression("attribute_not_exists(pk)")
            .send()
    };

    claim().await?;
    let second = claim().await.expect_err("the item is there");

    assert!(second.into_service_error().is_conditional_check_failed_exception());
    Ok(())
}

#[tokio::test]
async fn a_transaction_is_all_or_nothing() -> Outcome {
    let engines = Engines::start(Place::Memory)?;
    let client = dynamodb(&engines);
    create_table(&client).await?;
    put(&client, 1).await?;
    let new = |number: u32| -> Result<TransactWriteItem, Box<dyn Error>> {
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
        .transact_items(new(2)?)
        .transact_items(new(1)?)
        .send()
        .await
        .expect_err("number 1 is there")
        .into_service_error();

    assert_eq!(reasons(&refused), ["None", "ConditionalCheckFailed"]);
    assert_eq!(count(&client).await?, 1);
    Ok(())
}

fn reasons(error: &TransactWriteItemsError) -> Vec<&str> {
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
async fn the_stream_reads_as_lambda_reads_it() -> Outcome {
    let engines = Engines::start(Place::Memory)?;
    let client = dynamodb(&engines);
    create_table(&client).await?;
    put(&client, 1).await?;
    client
        .update_item()
        .table_name(TABLE)
        .key("pk", s("P"))
        .key("sk", s("TO#1"))
        .update_expression("SET turn = :two")
        .expression_attribute_values(":two", n(2))
        .send()
        .await?;
    client.delete_item().table_name(TABLE).key("pk", s("P")).key("sk", s("TO#1")).send().await?;

    let records = events(&engines.read_stream(TABLE, None, 10)?)?;

    let shown: Vec<_> =
        records.iter().map(|record| (record.event_name.as_str(), turns(record))).collect();
    assert_eq!(
        shown,
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

/// The `turn` attribute in the old and the new image.
fn turns(record: &EventRecord) -> (Option<String>, Option<String>) {
    let number = |image: &serde_json::Value| image["turn"]["N"].as_str().map(str::to_owned);
    let image = |image| number(&serde_json::to_value(image).expect("an image is JSON"));
    (image(&record.change.old_image), image(&record.change.new_image))
}

fn events(records: &[Value]) -> Result<Vec<EventRecord>, serde_json::Error> {
    records.iter().map(|record| serde_json::from_value(record.clone())).collect()
}

#[tokio::test]
async fn the_stream_is_read_in_pages() -> Outcome {
    let engines = Engines::start(Place::Memory)?;
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
    value.as_str().expect("text").to_owned()
}

#[tokio::test]
async fn trimming_forgets_what_was_read_and_nothing_else() -> Outcome {
    let engines = Engines::start(Place::Memory)?;
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
async fn numbers_go_on_after_trimming_and_a_restart() -> Outcome {
    let folder = tempfile::tempdir()?;
    let place = Place::Folder(folder.path().to_owned());
    let engines = Engines::start(place.clone())?;
    let client = dynamodb(&engines);
    create_table(&client).await?;
    for number in 0..3 {
        put(&client, number).await?;
    }
    let last = sequence(&engines.read_stream(TABLE, None, 10)?[2]);
    assert_eq!(engines.trim_stream(&last)?, 2, "the newest record stays");
    engines.stop();

    let engines = Engines::start(place)?;
    put(&dynamodb(&engines), 3).await?;

    let news = engines.read_stream(TABLE, Some(&last), 10)?;
    assert_eq!(news.iter().map(sort_key).collect::<Vec<_>>(), ["TO#3"]);
    assert!(sequence(&news[0]) > last);
    Ok(())
}

#[tokio::test]
async fn trimming_goes_on_beside_writes() -> Outcome {
    let engines = Engines::start(Place::Memory)?;
    let client = dynamodb(&engines);
    create_table(&client).await?;
    let writing = async {
        for number in 0..2000 {
            put(&client, number).await?;
        }
        Outcome::Ok(())
    };

    let reader = tokio::task::spawn_blocking(move || consume(&engines, 2000));
    writing.await?;

    let seen = reader.await??;
    let written: Vec<_> = (0..2000).map(|number| format!("TO#{number}")).collect();
    assert_eq!(seen, written, "no record is lost or read twice");
    Ok(())
}

/// Reads from the oldest record kept and trims, until `total` were seen.
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
async fn what_has_expired_is_swept() -> Outcome {
    let engines = Engines::start(Place::Memory)?;
    let client = dynamodb(&engines);
    create_table(&client).await?;
    let setting =
        TimeToLiveSpecification::builder().enabled(true).attribute_name("expires_at").build()?;
    client
        .update_time_to_live()
        .table_name(TABLE)
        .time_to_live_specification(setting)
        .send()
        .await?;
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
    let removal = stream.last().expect("the removal is on the stream");
    assert_eq!(sort_key(removal), "old");
    assert_eq!(removal["userIdentity"]["principalId"], "dynamodb.amazonaws.com");
    assert_eq!(events(&stream)?.len(), 3);
    Ok(())
}

#[tokio::test]
async fn wrong_questions_are_named() -> Outcome {
    let engines = Engines::start(Place::Memory)?;

    let missing = engines.read_stream("nothing", None, 10);
    let number = engines.trim_stream("12");

    assert!(matches!(missing, Err(EngineError::NoStream { table }) if table == "nothing"));
    assert!(matches!(number, Err(EngineError::SequenceNumber { .. })));
    Ok(())
}
