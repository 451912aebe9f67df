//! The event source mapping of the table's stream: reads records and invokes the
//! aggregator.

use std::error::Error;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::event::dynamodb::Event;
use carillon::time::Clock;
use carillon_aggregator::Aggregator;
use futures::future::join_all;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::StreamDelivery;
use crate::invocation::{RETRY_PAUSE, invocation};
use crate::stream::StreamReader;

/// Records read at a time.
const READ_LIMIT: usize = 500;
/// Pause after a read that returned no records.
const EMPTY_READ_PAUSE: Duration = Duration::from_millis(20);
const AGGREGATOR_TIMEOUT: Duration = Duration::from_mins(1);

/// Hands a table's stream to the aggregator and trims what is counted.
pub(crate) struct StreamConsumer {
    pub(crate) stream: Arc<dyn StreamReader>,
    pub(crate) aggregator: Aggregator,
    pub(crate) clock: Clock,
    pub(crate) delivery: StreamDelivery,
    /// Receives the number of reads so far, each time a read returns no records:
    /// everything written before that read is counted.
    pub(crate) ends: watch::Sender<u64>,
}

impl StreamConsumer {
    /// Runs until `closing` is cancelled and the stream is read to its end.
    pub(crate) async fn run(self, closing: CancellationToken) {
        let mut after: Option<String> = None;
        let mut reads = 0;
        loop {
            reads += 1;
            let pause = match self.stream.read(after.clone(), READ_LIMIT).await {
                Ok(records) if records.is_empty() => {
                    let _ = self.ends.send(reads);
                    EMPTY_READ_PAUSE
                }
                Ok(records) => {
                    after = self.deliver(records).await.or(after);
                    self.trim(after.clone()).await;
                    continue;
                }
                Err(error) => {
                    tracing::warn!(error = &*error, "reading the stream failed");
                    RETRY_PAUSE
                }
            };
            if closing.is_cancelled() {
                return;
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Returns the last record's sequence number.
    async fn deliver(&self, records: Vec<Value>) -> Option<String> {
        let StreamDelivery::TwiceInShards(shards) = self.delivery else {
            return self.aggregate(records).await;
        };
        let last = sequence(records.last()?)?;
        let twice = in_shards(records, shards).into_iter().map(async |records| {
            self.aggregate(records.clone()).await;
            self.aggregate(records).await;
        });
        join_all(twice).await;
        Some(last)
    }

    /// Invokes the aggregator until it succeeds, as Lambda does for a stream. Returns
    /// the last record's sequence number.
    async fn aggregate(&self, records: Vec<Value>) -> Option<String> {
        let last = sequence(records.last()?)?;
        let event: Event = serde_json::from_value(json!({ "Records": records }))
            .inspect_err(|error| {
                tracing::error!(error = error as &dyn Error, "a stream record is not readable");
            })
            .ok()?;
        loop {
            let invocation = invocation(event.clone(), &self.clock, AGGREGATOR_TIMEOUT);
            match self.aggregator.handle(invocation).await {
                Ok(_) => return Some(last),
                Err(error) => {
                    tracing::warn!(error = &*error, "the aggregator failed");
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
            }
        }
    }

    async fn trim(&self, upto: Option<String>) {
        let Some(upto) = upto else { return };
        if let Err(error) = self.stream.trim(upto).await {
            tracing::warn!(error = &*error, "trimming the stream failed");
        }
    }
}

fn sequence(record: &Value) -> Option<String> {
    record["dynamodb"]["SequenceNumber"].as_str().map(str::to_owned)
}

/// The records by stream shard: all of one partition key are in one, in their order.
fn in_shards(records: Vec<Value>, shards: NonZeroU16) -> Vec<Vec<Value>> {
    let mut by_shard = vec![Vec::new(); usize::from(shards.get())];
    for record in records {
        let mut hasher = DefaultHasher::new();
        record["dynamodb"]["Keys"]["pk"].to_string().hash(&mut hasher);
        let shard = hasher.finish() % u64::from(shards.get());
        by_shard[shard as usize].push(record);
    }
    by_shard
}
