//! What DynamoDB refuses for good, the engine refuses too: the product tells such a refusal from
//! a table that is not available. Source: AWS, "Constraints in Amazon DynamoDB".

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};
use carillon_engines::{Engines, Storage};

use crate::support::{TABLE, TestResult, create_table, dynamodb, s};

type Item = HashMap<String, AttributeValue>;

/// The error code of an operation; none where it succeeded.
fn code<T, E: ProvideErrorMetadata, R>(outcome: Result<T, SdkError<E, R>>) -> Option<String> {
    outcome.err().map(|error| error.code().unwrap_or("none").to_owned())
}

/// How a transaction was refused: the code of the reason, or of the whole request.
fn reason<T, R>(outcome: Result<T, SdkError<TransactWriteItemsError, R>>) -> Option<String> {
    let error = outcome.err()?;
    if let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
        error.as_service_error()
    {
        let codes = cancelled.cancellation_reasons().iter().filter_map(|reason| reason.code());
        return codes.into_iter().find(|code| *code != "None").map(str::to_owned);
    }
    error.code().map(str::to_owned)
}

fn item(pk: &str, sk: &str, value: AttributeValue) -> Item {
    HashMap::from([("pk", s(pk)), ("sk", s(sk)), ("value", value)].map(|(k, v)| (k.to_owned(), v)))
}

fn key(pk: &str, sk: &str) -> Item {
    HashMap::from([("pk", s(pk)), ("sk", s(sk))].map(|(k, v)| (k.to_owned(), v)))
}

async fn put(client: &Client, item: Item) -> Option<String> {
    code(client.put_item().table_name(TABLE).set_item(Some(item)).send().await)
}

async fn update(client: &Client, key: Item, value: AttributeValue) -> Option<String> {
    let request = client.update_item().table_name(TABLE).set_key(Some(key));
    let request = request.update_expression("SET more = :value");
    code(request.expression_attribute_values(":value", value).send().await)
}

async fn transact_put(client: &Client, item: Item) -> Option<String> {
    let put = Put::builder().table_name(TABLE).set_item(Some(item)).build().expect("a put");
    let write = TransactWriteItem::builder().put(put).build();
    reason(client.transact_write_items().transact_items(write).send().await)
}

async fn transact_update(client: &Client, key: Item, value: AttributeValue) -> Option<String> {
    let update = Update::builder()
        .table_name(TABLE)
        .set_key(Some(key))
        .update_expression("SET more = :value")
        .expression_attribute_values(":value", value)
        .build()
        .expect("an update");
    let write = TransactWriteItem::builder().update(update).build();
    reason(client.transact_write_items().transact_items(write).send().await)
}

async fn get(client: &Client, key: Item) -> Option<String> {
    code(client.get_item().table_name(TABLE).set_key(Some(key)).send().await)
}

async fn client() -> Result<(Engines, Client), Box<dyn std::error::Error>> {
    let engines = Engines::start(Storage::Temporary)?;
    let client = dynamodb(&engines);
    create_table(&client).await?;
    Ok((engines, client))
}

fn is_refused(code: Option<&str>) -> bool {
    matches!(code, Some("ValidationException" | "ValidationError"))
}

#[tokio::test]
async fn keys_have_a_maximum_length_and_are_not_empty() -> TestResult {
    let (_engines, client) = client().await?;
    let (longest_pk, longest_sk) = ("p".repeat(2_048), "s".repeat(1_024));
    assert_eq!(put(&client, item(&longest_pk, &longest_sk, s("x"))).await, None);
    assert_eq!(transact_put(&client, item(&longest_pk, &longest_sk, s("x"))).await, None);
    assert_eq!(put(&client, item("\u{0}", "\u{0}", s("\u{0}"))).await, None);
    // The length is in bytes.
    let (long_pk, long_sk) = ("€".repeat(683), "€".repeat(342));
    for (pk, sk) in [(long_pk.as_str(), "sk"), ("pk", long_sk.as_str()), ("", "sk"), ("pk", "")] {
        let found = [
            put(&client, item(pk, sk, s("x"))).await,
            update(&client, key(pk, sk), s("x")).await,
            get(&client, key(pk, sk)).await,
            transact_put(&client, item(pk, sk, s("x"))).await,
            transact_update(&client, key(pk, sk), s("x")).await,
        ];
        assert!(found.iter().all(|code| is_refused(code.as_deref())), "{found:?}");
    }
    Ok(())
}

#[tokio::test]
async fn an_item_has_a_maximum_size() -> TestResult {
    let (_engines, client) = client().await?;
    let text = |length: usize| s("x".repeat(length));
    assert_eq!(put(&client, item("P", "S", text(400_000))).await, None);
    let found = [
        put(&client, item("P", "S", text(410_000))).await,
        transact_put(&client, item("P", "S", text(410_000))).await,
        // Together with what the item has.
        update(&client, key("P", "S"), text(10_000)).await,
        transact_update(&client, key("P", "S"), text(10_000)).await,
    ];
    assert!(found.iter().all(|code| is_refused(code.as_deref())), "{found:?}");
    assert_eq!(update(&client, key("P", "S"), text(1_000)).await, None);
    Ok(())
}

#[tokio::test]
async fn numbers_have_a_range_and_values_a_depth() -> TestResult {
    let (_engines, client) = client().await?;
    let number = |text: &str| AttributeValue::N(text.to_owned());
    let nested =
        |levels: usize| (0..levels).fold(s("x"), |inner, _| AttributeValue::L(vec![inner]));
    assert_eq!(put(&client, item("P", "S", number("9.9e125"))).await, None);
    assert_eq!(put(&client, item("P", "S", nested(31))).await, None);
    for value in [number("1e126"), number("1e-131"), number("many"), number(""), nested(33)] {
        let found = [
            put(&client, item("P", "S", value.clone())).await,
            update(&client, key("P", "S"), value.clone()).await,
            transact_put(&client, item("P", "S", value.clone())).await,
        ];
        assert!(found.iter().all(|code| is_refused(code.as_deref())), "{value:?}: {found:?}");
    }
    Ok(())
}
