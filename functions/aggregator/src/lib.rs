//! The aggregator: reads the table's stream and keeps the counters.

use std::collections::{BTreeMap, HashMap};

use aws_lambda_events::event::dynamodb::{Event, EventRecord};
use aws_lambda_events::event::streams::DynamoDbEventResponse;
use carillon::analytics::audit::Mark;
use carillon::analytics::{self, Change};
use carillon::campaign;
use carillon::ids::CampaignId;
use carillon::table::{Key, StoreError, Table};
use carillon::time::TimeZone;
use lambda_runtime::{Error, LambdaEvent};
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

/// Counts what the stream tells.
#[derive(Debug)]
pub struct Aggregator {
    table: Table,
    /// A campaign's time zone never changes once it was started.
    zones: Mutex<HashMap<CampaignId, TimeZone>>,
}

/// What the stream tells of one shard.
#[derive(Debug, Default)]
struct News {
    /// The changes of its recipients, in stream order.
    changes: Vec<Change>,
    /// The last mark among them.
    mark: Option<String>,
}

type Shards = BTreeMap<(CampaignId, u16), News>;

impl Aggregator {
    /// An aggregator over `table`.
    pub fn new(table: Table) -> Self {
        Self { table, zones: Mutex::default() }
    }

    /// Handles a batch of stream records. Each shard's counters move in one
    /// conditional write that remembers how far they reach, so a batch that
    /// comes again counts nothing twice.
    pub async fn handle(&self, event: LambdaEvent<Event>) -> Result<DynamoDbEventResponse, Error> {
        for ((campaign, shard), news) in shards(event.payload.records) {
            let zone = self.zone(campaign).await?;
            analytics::store::count(&self.table, campaign, shard, &news.changes, &zone).await?;
            // Only now: a mark says that everything before it is counted.
            if let Some(mark) = news.mark {
                let counters = Key::Counters { campaign, shard };
                analytics::audit::seen(&self.table, &counters, &mark).await?;
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
        // A draft's may still be changed.
        if campaign.is_some_and(|campaign| campaign.status != campaign::Status::Draft) {
            zones.insert(id, zone.clone());
        }
        Ok(zone)
    }
}

fn shards(records: Vec<EventRecord>) -> Shards {
    let mut shards = Shards::new();
    for record in records {
        take(record, &mut shards);
    }
    shards
}

/// Takes in the change of a recipient, or a mark; other items are not counted.
fn take(record: EventRecord, shards: &mut Shards) {
    #[derive(serde::Deserialize)]
    struct Keys {
        pk: String,
        sk: String,
    }
    let stored = record.change;
    let Ok(Keys { pk, sk }) = serde_dynamo::from_item(stored.keys) else { return };
    match Key::parse(&pk, &sk) {
        Some(Key::Recipient { campaign, shard, .. }) => {
            let change = Change {
                sequence: stored.sequence_number.unwrap_or_default(),
                old: image(stored.old_image),
                new: image(stored.new_image),
            };
            shards.entry((campaign, shard)).or_default().changes.push(change);
        }
        Some(Key::Mark { campaign, shard }) => {
            let mark = image::<Mark>(stored.new_image).map(|mark| mark.mark);
            let news = shards.entry((campaign, shard)).or_default();
            news.mark = mark.or(news.mark.take());
        }
        Some(_) | None => {}
    }
}

fn image<T: DeserializeOwned>(item: serde_dynamo::Item) -> Option<T> {
    if item.is_empty() {
        return None;
    }
    serde_dynamo::from_item(item)
        .inspect_err(|_| tracing::error!("an item in the stream can't be read"))
        .ok()
}
