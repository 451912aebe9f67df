//! The aggregator: reads the table's stream and keeps the counters.

use std::collections::{BTreeMap, HashMap};

use aws_lambda_events::event::dynamodb::{Event, EventRecord};
use aws_lambda_events::event::streams::DynamoDbEventResponse;
use carillon::analytics::{self, Change, Image};
use carillon::campaign;
use carillon::ids::CampaignId;
use carillon::table::{Key, StoreError, Table};
use carillon::time::TimeZone;
use lambda_runtime::{Error, LambdaEvent};
use tokio::sync::Mutex;

/// Counts what the stream tells.
#[derive(Debug)]
pub struct Aggregator {
    table: Table,
    /// A campaign's time zone never changes once it was started.
    zones: Mutex<HashMap<CampaignId, TimeZone>>,
}

/// The changes of one shard, in stream order.
type Shards = BTreeMap<(CampaignId, u16), Vec<Change>>;

impl Aggregator {
    /// An aggregator over `table`.
    pub fn new(table: Table) -> Self {
        Self { table, zones: Mutex::default() }
    }

    /// Handles a batch of stream records. Each shard's counters move in one
    /// conditional write that remembers how far they reach, so a batch that
    /// comes again counts nothing twice.
    pub async fn handle(&self, event: LambdaEvent<Event>) -> Result<DynamoDbEventResponse, Error> {
        for ((campaign, shard), changes) in shards(event.payload.records) {
            let zone = self.zone(campaign).await?;
            analytics::store::count(&self.table, campaign, shard, &changes, &zone).await?;
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
        if let Some((shard, change)) = recipient_change(record) {
            shards.entry(shard).or_default().push(change);
        }
    }
    shards
}

/// The change of a recipient that a record tells; other items have none.
fn recipient_change(record: EventRecord) -> Option<((CampaignId, u16), Change)> {
    #[derive(serde::Deserialize)]
    struct Keys {
        pk: String,
        sk: String,
    }
    let stored = record.change;
    let keys: Keys = serde_dynamo::from_item(stored.keys).ok()?;
    let Key::Recipient { campaign, shard, .. } = Key::parse(&keys.pk, &keys.sk)? else {
        return None;
    };
    let change = Change {
        sequence: stored.sequence_number.unwrap_or_default(),
        old: image(stored.old_image),
        new: image(stored.new_image),
    };
    Some(((campaign, shard), change))
}

fn image(item: serde_dynamo::Item) -> Option<Image> {
    if item.is_empty() {
        return None;
    }
    serde_dynamo::from_item(item)
        .inspect_err(|_| tracing::error!("a recipient in the stream can't be read"))
        .ok()
}
