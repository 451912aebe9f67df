//! AWS SDK clients of the engines, and a table like the product's.

use std::error::Error;

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
    ScalarAttributeType, StreamSpecification, StreamViewType,
};
use aws_smithy_http_client::Builder;
use carillon_engines::Engines;

pub(crate) const TABLE: &str = "carillon";

pub(crate) type TestResult = Result<(), Box<dyn Error>>;

pub(crate) fn dynamodb(engines: &Engines) -> aws_sdk_dynamodb::Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "test"))
        .endpoint_url(engines.dynamodb_url())
        .http_client(Builder::new().build_http())
        .build();
    aws_sdk_dynamodb::Client::from_conf(config)
}

pub(crate) fn sqs(engines: &Engines) -> aws_sdk_sqs::Client {
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "test"))
        .endpoint_url(engines.sqs_url())
        .http_client(Builder::new().build_http())
        .build();
    aws_sdk_sqs::Client::from_conf(config)
}

pub(crate) fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(crate) fn n(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// Creates a table with the product's keys and stream.
pub(crate) async fn create_table(client: &aws_sdk_dynamodb::Client) -> TestResult {
    client
        .create_table()
        .table_name(TABLE)
        .billing_mode(BillingMode::PayPerRequest)
        .set_attribute_definitions(Some(vec![string_attribute("pk")?, string_attribute("sk")?]))
        .set_key_schema(Some(vec![key("pk", KeyType::Hash)?, key("sk", KeyType::Range)?]))
        .stream_specification(
            StreamSpecification::builder()
                .stream_enabled(true)
                .stream_view_type(StreamViewType::NewAndOldImages)
                .build()?,
        )
        .send()
        .await?;
    Ok(())
}

/// Puts the item with `pk = P`, `sk = TO#<number>` and `revision = <number>`.
pub(crate) async fn put(client: &aws_sdk_dynamodb::Client, number: u32) -> TestResult {
    client
        .put_item()
        .table_name(TABLE)
        .item("pk", s("P"))
        .item("sk", s(format!("TO#{number}")))
        .item("revision", n(number.into()))
        .send()
        .await?;
    Ok(())
}

fn string_attribute(name: &str) -> Result<AttributeDefinition, Box<dyn Error>> {
    Ok(AttributeDefinition::builder()
        .attribute_name(name)
        .attribute_type(ScalarAttributeType::S)
        .build()?)
}

fn key(name: &str, kind: KeyType) -> Result<KeySchemaElement, Box<dyn Error>> {
    Ok(KeySchemaElement::builder().attribute_name(name).key_type(kind).build()?)
}
