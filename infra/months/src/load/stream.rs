//! The table's stream in several shards, and what Lambda delivers of it.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lambda_events::event::dynamodb::EventRecord;
use carillon::table::Key;
use carillon::time::Timestamp;

use crate::aws::{Change, ItemKey};

/// As many as a table of 40,000 write units has partitions.
const SHARDS: usize = 40;
/// The most records of an invocation, as in `template.yaml`.
const BATCH_SIZE: usize = 500;

/// The shards of the stream. Each has the records of its partition keys, in order.
#[derive(Debug)]
pub(super) struct StreamShards {
    shards: Vec<Mutex<Shard>>,
    /// The sequence number of the last record.
    last: AtomicU64,
}

#[derive(Debug, Default)]
struct Shard {
    records: VecDeque<EventRecord>,
    /// Records that an invocation has, at the front.
    in_progress: usize,
}

impl Default for StreamShards {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, last: AtomicU64::new(0) }
    }
}

impl StreamShards {
    /// Adds the record of a change, if the event source mapping's filter lets it through.
    pub(super) fn push(&self, change: &Change, now: Timestamp) {
        if !is_delivered(&change.key) {
            return;
        }
        let mut hasher = DefaultHasher::new();
        change.key.pk.hash(&mut hasher);
        let mut shard = self.shard((hasher.finish() % SHARDS as u64) as usize);
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        shard.records.push_back(change.record(number, now));
    }

    /// Begins an invocation of each shard that has records and no invocation.
    pub(super) fn begin(&self) -> Vec<usize> {
        let mut begun = Vec::new();
        for number in 0..self.shards.len() {
            let mut shard = self.shard(number);
            if shard.in_progress == 0 && !shard.records.is_empty() {
                shard.in_progress = shard.records.len().min(BATCH_SIZE);
                begun.push(number);
            }
        }
        begun
    }

    /// The records of the invocation of a shard.
    pub(super) fn records(&self, shard: usize) -> Vec<EventRecord> {
        let shard = self.shard(shard);
        shard.records.iter().take(shard.in_progress).cloned().collect()
    }

    /// Ends the invocation of a shard. Its records are delivered again unless they are counted.
    pub(super) fn end(&self, shard: usize, is_counted: bool) {
        let mut shard = self.shard(shard);
        let count = std::mem::take(&mut shard.in_progress);
        if is_counted {
            shard.records.drain(..count);
        }
    }

    /// How many records wait.
    pub(super) fn waiting(&self) -> usize {
        (0..self.shards.len()).map(|shard| self.shard(shard).records.len()).sum()
    }

    fn shard(&self, number: usize) -> MutexGuard<'_, Shard> {
        self.shards[number].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The filter of `template.yaml`.
fn is_delivered(key: &ItemKey) -> bool {
    key.sk.starts_with(Key::RECIPIENTS)
        || key.sk.starts_with(Key::BATCHES)
        || matches!(key.sk.as_str(), "WATERMARK" | "META")
        || matches!(key.pk.as_str(), "CONNECTION" | "JOB")
}
