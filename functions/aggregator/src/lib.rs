//! The aggregator: reads the table's stream, keeps the counters and writes the feed of events.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aws_lambda_events::event::dynamodb::{Event, EventRecord};
use aws_lambda_events::event::streams::DynamoDbEventResponse;
use carillon::analytics::audit::Watermark;
use carillon::analytics::{self, Change};
use carillon::campaign;
use carillon::feed::{self, Detail};
use carillon::ids::CampaignId;
use carillon::table::{Key, StoreError, Table};
use carillon::time::{Clock, TimeZone, Timestamp};
use lambda_runtime::{Error, LambdaEvent};
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

/// How long their writes may take: readers of the feed stay only a little longer behind.
const EVENTS_WITHIN: Duration = Duration::from_secs(4);

/// Counts the records of the stream, and writes the events that they are.
#[derive(Debug)]
pub struct Aggregator {
    table: Table,
    clock: Clock,
    /// Which events are written.
    detail: Detail,
    /// A campaign's time zone never changes once it was started.
    zones: Mutex<HashMap<CampaignId, TimeZone>>,
}

/// The stream records of one shard.
#[derive(Debug, Default)]
struct ShardRecords {
    /// The changes of its recipients, in stream order.
    changes: Vec<Change>,
    /// The last watermark among them.
    watermark: Option<String>,
}

impl Aggregator {
    /// An aggregator over `table` that writes the events which `detail` asks for.
    pub fn new(table: Table, clock: Clock, detail: Detail) -> Self {
        Self { table, clock, detail, zones: Mutex::default() }
    }

    /// Handles a batch of stream records. One conditional write changes the counters of a
    /// shard and stores how far they reach, so that a redelivered batch counts nothing twice.
    pub async fn handle(&self, event: LambdaEvent<Event>) -> Result<DynamoDbEventResponse, Error> {
        let records: Vec<_> = event.payload.records.into_iter().filter_map(read).collect();
        let entries = feed::entries(&records, self.detail);
        for ((campaign, shard), records) in shards(records) {
            let zone = self.zone(campaign).await?;
            analytics::store::count(&self.table, campaign, shard, &records.changes, &zone).await?;
            // After counting: a seen watermark means that everything before it is counted.
            if let Some(watermark) = records.watermark {
                let counters = Key::Counters { campaign, shard };
                analytics::audit::seen(&self.table, &counters, &watermark).await?;
            }
        }
        // The counters come first: what holds the feed up does not hold them up.
        let writes = feed::write(&self.table, entries, self.clock.now());
        tokio::time::timeout(EVENTS_WITHIN, writes).await??;
        Ok(DynamoDbEventResponse::default())
    }

    async fn zone(&self, id: CampaignId) -> Result<TimeZone, StoreError> {
        let mut zones = self.zones.lock().await;
        if let Some(zone) = zones.get(&id) {
            return Ok(zone.clone());
        }
        let campaign = campaign::store::get(&self.table, id).await?;
        let zone = campaign.as_ref().map_or(TimeZone::UTC, campaign::Campaign::zone);
        // The time zone of a draft may change.
        if campaign.is_some_and(|campaign| campaign.status != campaign::Status::Draft) {
            zones.insert(id, zone.clone());
        }
        Ok(zone)
    }
}

/// A record of the stream; none for an item whose key follows no grammar.
fn read(record: EventRecord) -> Option<feed::Record> {
    #[derive(serde::Deserialize)]
    struct Keys {
        pk: String,
        sk: String,
    }
    let stored = record.change;
    let Keys { pk, sk } = serde_dynamo::from_item(stored.keys).ok()?;
    let at = stored.approximate_creation_date_time.timestamp();
    Some(feed::Record {
        key: Key::parse(&pk, &sk)?,
        at: Timestamp::from_second(at).unwrap_or(Timestamp::UNIX_EPOCH),
        sequence: stored.sequence_number.unwrap_or_default(),
        old: stored.old_image,
        new: stored.new_image,
    })
}

/// The changes of recipients and the watermarks by shard; other items are not counted.
fn shards(records: Vec<feed::Record>) -> BTreeMap<(CampaignId, u16), ShardRecords> {
    let mut shards = BTreeMap::<_, ShardRecords>::new();
    for feed::Record { key, sequence, old, new, .. } in records {
        match key {
            Key::Recipient { campaign, shard, .. } => {
                let change = Change { sequence, old: image(old), new: image(new) };
                shards.entry((campaign, shard)).or_default().changes.push(change);
            }
            Key::Watermark { campaign, shard } => {
                let watermark = image::<Watermark>(new).map(|watermark| watermark.id);
                let records = shards.entry((campaign, shard)).or_default();
                records.watermark = watermark.or(records.watermark.take());
            }
            _ => {}
        }
    }
    shards
}

fn image<T: DeserializeOwned>(item: serde_dynamo::Item) -> Option<T> {
    if item.is_empty() {
        return None;
    }
    serde_dynamo::from_item(item)
        .inspect_err(|_| tracing::error!("an item in the stream can't be read"))
        .ok()
}
