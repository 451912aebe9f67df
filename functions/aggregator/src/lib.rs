//! The aggregator: reads the table's stream and keeps the counters.

use std::collections::{BTreeMap, HashMap};

use aws_lambda_events::event::dynamodb::{Event, EventRecord};
use aws_lambda_events::event::streams::DynamoDbEventResponse;
use carillon::analytics::audit::Watermark;
use carillon::analytics::{self, Change};
use carillon::campaign;
use carillon::ids::CampaignId;
use carillon::table::{Key, StoreError, Table};
use carillon::time::TimeZone;
use lambda_runtime::{Error, LambdaEvent};
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

/// Counts the records of the stream.
#[derive(Debug)]
pub struct Aggregator {
    table: Table,
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
    /// An aggregator over `table`.
    pub fn new(table: Table) -> Self {
        Self { table, zones: Mutex::default() }
    }

    /// Handles a batch of stream records. One conditional write changes the counters of a
    /// shard and stores how far they reach, so that a redelivered batch counts nothing twice.
    pub async fn handle(&self, event: LambdaEvent<Event>) -> Result<DynamoDbEventResponse, Error> {
        for ((campaign, shard), records) in shards(event.payload.records) {
            let zone = self.zone(campaign).await?;
            analytics::store::count(&self.table, campaign, shard, &records.changes, &zone).await?;
            // After counting: a seen watermark means that everything before it is counted.
            if let Some(watermark) = records.watermark {
                let counters = Key::Counters { campaign, shard };
                analytics::audit::seen(&self.table, &counters, &watermark).await?;
            }
        }
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

/// The changes of recipients and the watermarks by shard; other items are not counted.
fn shards(records: Vec<EventRecord>) -> BTreeMap<(CampaignId, u16), ShardRecords> {
    #[derive(serde::Deserialize)]
    struct Keys {
        pk: String,
        sk: String,
    }
    let mut shards = BTreeMap::<_, ShardRecords>::new();
    for stored in records.into_iter().map(|record| record.change) {
        let Ok(Keys { pk, sk }) = serde_dynamo::from_item(stored.keys) else { continue };
        match Key::parse(&pk, &sk) {
            Some(Key::Recipient { campaign, shard, .. }) => {
                let change = Change {
                    sequence: stored.sequence_number.unwrap_or_default(),
                    old: image(stored.old_image),
                    new: image(stored.new_image),
                };
                shards.entry((campaign, shard)).or_default().changes.push(change);
            }
            Some(Key::Watermark { campaign, shard }) => {
                let watermark = image::<Watermark>(stored.new_image).map(|watermark| watermark.id);
                let records = shards.entry((campaign, shard)).or_default();
                records.watermark = watermark.or(records.watermark.take());
            }
            Some(_) | None => {}
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
