//! A table's stream read over the DynamoDB Streams API, for external engines.

use std::collections::HashMap;

use aws_sdk_dynamodbstreams::Client;
use aws_sdk_dynamodbstreams::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_dynamodbstreams::primitives::DateTime;
use aws_sdk_dynamodbstreams::types::{AttributeValue, Record, ShardIteratorType, StreamRecord};
use carillon_host::{StreamError, StreamReader};
use futures::future::BoxFuture;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;

/// The stream of one table.
#[derive(Debug)]
pub(crate) struct DynamoDbStream {
    client: Client,
    table: String,
    /// The iterator of each shard, by the shard's id.
    iterators: Mutex<HashMap<String, String>>,
}

impl DynamoDbStream {
    /// The stream of a table of the DynamoDB at `url`. The table may be created later.
    pub(crate) fn new(url: &str, table: &str) -> Self {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("local", "local", None, None, "local"))
            .endpoint_url(url)
            .http_client(carillon::aws::sdk_http_client())
            .build();
        let client = Client::from_conf(config);
        Self { client, table: table.to_owned(), iterators: Mutex::default() }
    }

    async fn records(&self, limit: usize) -> Result<Vec<Value>, StreamError> {
        let mut iterators = self.iterators.lock().await;
        if iterators.is_empty() {
            *iterators = self.shards().await?;
        }
        let mut found = Vec::new();
        for iterator in iterators.values_mut() {
            let limit = i32::try_from(limit)?;
            let request = self.client.get_records().shard_iterator(&*iterator).limit(limit);
            let page = request.send().await?;
            found.extend(page.records().iter().map(record));
            if let Some(next) = page.next_shard_iterator {
                *iterator = next;
            }
        }
        Ok(found)
    }

    async fn shards(&self) -> Result<HashMap<String, String>, StreamError> {
        let streams = self.client.list_streams().table_name(&self.table).send().await?;
        let arn = streams.streams().first().and_then(|stream| stream.stream_arn());
        let arn = arn.ok_or("the table has no stream")?;
        let described = self.client.describe_stream().stream_arn(arn).send().await?;
        let shards = described.stream_description.and_then(|stream| stream.shards);
        let mut iterators = HashMap::new();
        for id in shards.unwrap_or_default().into_iter().filter_map(|shard| shard.shard_id) {
            let request = self
                .client
                .get_shard_iterator()
                .stream_arn(arn)
                .shard_id(&id)
                .shard_iterator_type(ShardIteratorType::TrimHorizon);
            let iterator = request.send().await?.shard_iterator;
            iterators.insert(id, iterator.ok_or("a shard without an iterator")?);
        }
        Ok(iterators)
    }
}

impl StreamReader for DynamoDbStream {
    fn read(
        &self,
        _after: Option<String>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Value>, StreamError>> {
        Box::pin(self.records(limit))
    }

    fn trim(&self, _upto: String) -> BoxFuture<'_, Result<(), StreamError>> {
        Box::pin(async { Ok(()) })
    }
}

/// A record as Lambda delivers it.
fn record(record: &Record) -> Value {
    let change = record.dynamodb();
    let image = |image: Option<&HashMap<String, AttributeValue>>| image.map(item);
    let at = change.and_then(|change| change.approximate_creation_date_time());
    let mut body = json!({
        "ApproximateCreationDateTime": at.map_or(0, DateTime::secs),
        "SizeBytes": change.and_then(StreamRecord::size_bytes).unwrap_or_default(),
        "StreamViewType": "NEW_AND_OLD_IMAGES",
        "Keys": image(change.and_then(|change| change.keys())),
        "SequenceNumber": change.and_then(|change| change.sequence_number()),
    });
    for (name, found) in [
        ("NewImage", image(change.and_then(|change| change.new_image()))),
        ("OldImage", image(change.and_then(|change| change.old_image()))),
    ] {
        if let Some(found) = found {
            body[name] = found;
        }
    }
    let name = record.event_name().map(|name| name.as_str().to_owned());
    json!({
        "eventID": record.event_id(), "eventName": name, "eventVersion": "1.1",
        "eventSource": "aws:dynamodb", "awsRegion": "us-east-1", "dynamodb": body,
    })
}

fn item(item: &HashMap<String, AttributeValue>) -> Value {
    Value::Object(item.iter().map(|(name, one)| (name.clone(), value(one))).collect())
}

fn value(attribute: &AttributeValue) -> Value {
    match attribute {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::Bool(is) => json!({ "BOOL": is }),
        AttributeValue::Null(is) => json!({ "NULL": is }),
        AttributeValue::Ss(texts) => json!({ "SS": texts }),
        AttributeValue::Ns(numbers) => json!({ "NS": numbers }),
        AttributeValue::L(list) => json!({ "L": list.iter().map(value).collect::<Vec<_>>() }),
        AttributeValue::M(map) => json!({ "M": item(map) }),
        // Carillon stores no bytes.
        _ => Value::Object(Map::new()),
    }
}
