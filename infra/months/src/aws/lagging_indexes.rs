//! Global secondary indexes that are late: a query on one sees the table as it was some time
//! ago, and what was written at the same time appears in any order.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use carillon::table::Shape;
use carillon::time::Timestamp;
use serde_json::{Value, json};
use tower::BoxError;

use super::table::{TABLE, TableEngine};
use crate::rng::SeededRng;

/// Writes of which an index learns after at most a tenth of the longest lag, in 1,000.
const SOON: u64 = 900;

/// The table's engine behind indexes that are late.
#[derive(Debug)]
pub(crate) struct LaggingIndexes {
    engine: Arc<TableEngine>,
    /// The table as the indexes see it.
    replica: TableEngine,
    rng: SeededRng,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The longest lag.
    max_lag: Duration,
    /// Changes that the indexes have not seen, by the time when they do.
    pending: BTreeMap<(Timestamp, u64), Change>,
    /// When the indexes see the latest change of each item: changes of one item stay in order.
    seen_at: BTreeMap<String, Timestamp>,
    count: u64,
}

/// A request to the replica: its operation and body.
type Change = (&'static str, Vec<u8>);

impl LaggingIndexes {
    pub(crate) fn new(engine: Arc<TableEngine>, rng: SeededRng) -> Result<Self, BoxError> {
        Ok(Self { engine, replica: TableEngine::open()?, rng, state: Mutex::default() })
    }

    /// Sets the longest time after which an index sees a write.
    pub(crate) fn set_max_lag(&self, max_lag: Duration) {
        self.state().max_lag = max_lag;
    }

    /// Lets the indexes see everything.
    pub(crate) fn catch_up(&self) {
        self.apply_until(Timestamp::MAX);
    }

    /// Responds to a request of the SDK with an HTTP status and a body.
    pub(crate) fn respond(&self, operation: &str, body: &[u8], now: Timestamp) -> (u16, String) {
        match operation {
            "CreateTable" => {
                let response = self.engine.respond(operation, body);
                self.create_replica(body);
                response
            }
            "Query" if is_of_index(body) => {
                self.apply_until(now);
                self.replica.respond(operation, body)
            }
            "PutItem" | "UpdateItem" | "DeleteItem" | "TransactWriteItems" => {
                let response = self.engine.respond(operation, body);
                // A stream that can't be read is reported by its next reader.
                for record in self.engine.capture().unwrap_or_default() {
                    self.note(&record["dynamodb"], now);
                }
                response
            }
            _ => self.engine.respond(operation, body),
        }
    }

    fn create_replica(&self, body: &[u8]) {
        let mut request: Value = serde_json::from_slice(body).unwrap_or_default();
        if let Some(request) = request.as_object_mut() {
            request.remove("StreamSpecification");
        }
        self.replica.respond("CreateTable", request.to_string().as_bytes());
    }

    /// Notes a change for the indexes, if it concerns one.
    fn note(&self, change: &Value, now: Timestamp) {
        let is_listed = |image: &Value| {
            [Shape::LISTED_AS, Shape::SENT_AT].iter().any(|name| image.get(name).is_some())
        };
        let (old, new) = (&change["OldImage"], &change["NewImage"]);
        let (operation, request) = match (is_listed(old), is_listed(new)) {
            (_, true) => ("PutItem", json!({ "TableName": TABLE, "Item": new })),
            (true, false) => ("DeleteItem", json!({ "TableName": TABLE, "Key": change["Keys"] })),
            (false, false) => return,
        };
        let mut state = self.state();
        let at = now + self.draw_lag(state.max_lag);
        let seen_at = state.seen_at.entry(change["Keys"].to_string()).or_insert(at);
        *seen_at = at.max(*seen_at);
        let key = (*seen_at, state.count);
        state.count += 1;
        state.pending.insert(key, (operation, request.to_string().into_bytes()));
    }

    fn draw_lag(&self, max: Duration) -> Duration {
        if max.is_zero() {
            return max;
        }
        let max = max.as_millis() as u64;
        self.rng.millis(0, if self.rng.chance(SOON) { max / 10 } else { max })
    }

    fn apply_until(&self, now: Timestamp) {
        let mut state = self.state();
        while let Some(entry) = state.pending.first_entry().filter(|entry| entry.key().0 <= now) {
            let (operation, body) = entry.remove();
            self.replica.respond(operation, &body);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_of_index(body: &[u8]) -> bool {
    let request: Value = serde_json::from_slice(body).unwrap_or_default();
    [Shape::BY_CONTACT, Shape::BY_STATUS].iter().any(|name| request["IndexName"] == *name)
}
