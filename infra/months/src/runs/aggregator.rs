use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lambda_events::event::dynamodb::{Event, EventRecord};
use lambda_runtime::{Context, LambdaEvent};
use serde_dynamo::AttributeValue;

use super::launcher::RunLauncher;
use crate::fixture::Fixture;

/// Delivers records of the table's stream to the aggregator: each shard's in order, and the
/// shards in any order among each other.
pub(crate) struct AggregatorTrigger {
    shards: Vec<Shard>,
    /// How many records the shards have together.
    distributed: usize,
}

/// A shard of the stream. The records of one partition key are in one shard.
#[derive(Default)]
struct Shard {
    /// Its records, as positions in the stream.
    records: Vec<usize>,
    /// How many of them the aggregator has processed.
    position: Arc<AtomicUsize>,
    /// Each run in progress holds a clone.
    in_progress: Arc<()>,
}

impl AggregatorTrigger {
    pub(crate) fn new(shards: usize) -> Self {
        let shards = (0..shards).map(|_| Shard::default()).collect();
        Self { shards, distributed: 0 }
    }

    /// Whether the aggregator has processed the first `count` records of the stream.
    pub(crate) fn has_processed(&self, count: usize) -> bool {
        self.distributed >= count && self.shards.iter().all(Shard::is_processed)
    }

    /// Delivers the next records of each shard, at times with some of the last ones again, and
    /// rarely while another run is in progress.
    pub(crate) fn deliver(&mut self, launcher: &mut RunLauncher, fixture: &Fixture) {
        self.distribute(&fixture.monitor.state().records);
        for shard in &self.shards {
            shard.deliver(launcher, fixture);
        }
    }

    fn distribute(&mut self, records: &[EventRecord]) {
        let count = self.shards.len() as u64;
        for (position, record) in records.iter().enumerate().skip(self.distributed) {
            let mut hasher = DefaultHasher::new();
            if let Some(AttributeValue::S(pk)) = record.change.keys.get("pk") {
                pk.hash(&mut hasher);
            }
            self.shards[(hasher.finish() % count) as usize].records.push(position);
        }
        self.distributed = records.len();
    }
}

impl Shard {
    fn is_processed(&self) -> bool {
        self.position.load(Ordering::Relaxed) == self.records.len()
    }

    fn deliver(&self, launcher: &mut RunLauncher, fixture: &Fixture) {
        let rng = &fixture.rng;
        let is_running = Arc::strong_count(&self.in_progress) > 1;
        if self.records.is_empty() || !rng.chance(600) || (is_running && rng.chance(950)) {
            return;
        }
        let position = self.position.load(Ordering::Relaxed);
        let repeated = if rng.chance(200) { rng.between(1, 30) as usize } else { 0 };
        let first = position.saturating_sub(repeated);
        let end = (position + rng.between(5, 120) as usize).min(self.records.len());
        let records: Vec<EventRecord> = {
            let state = fixture.monitor.state();
            self.records[first..end].iter().map(|index| state.records[*index].clone()).collect()
        };
        if records.is_empty() {
            return;
        }
        let (aggregator, position) = (fixture.aggregator.clone(), self.position.clone());
        let in_progress = self.in_progress.clone();
        launcher.launch(async move {
            let mut event = Event::default();
            event.records = records;
            let event = LambdaEvent::new(event, Context::default());
            if aggregator.handle(event).await.is_ok() {
                position.fetch_max(end, Ordering::Relaxed);
            }
            drop(in_progress);
        });
    }
}
