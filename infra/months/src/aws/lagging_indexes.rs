//! Global secondary indexes that are late: a query on one sees the table as it was some time
//! ago, and what was written at the same time appears in any order.

use std::collections::{BTreeMap, HashMap};
use std::mem::take;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lambda_events::event::dynamodb::EventRecord;
use carillon::time::Timestamp;
use tower::BoxError;

use super::comparison::RecordedRequest;
use super::table::{Answer, Change, Indexes, ItemKey, Request, SimulatedTable};
use crate::rng::SeededRng;

/// Writes of which an index learns after at most a tenth of the longest lag, in 1,000.
const SOON: u64 = 900;

/// The table with its stream, and with indexes that are late.
#[derive(Debug)]
pub(crate) struct LaggingIndexes {
    table: SimulatedTable,
    rng: SeededRng,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The indexes as queries see them.
    indexes: Indexes,
    /// The longest lag.
    max_lag: Duration,
    /// Changes that the indexes have not seen, by the time when they do.
    pending: BTreeMap<(Timestamp, u64), Change>,
    /// When the indexes see the latest change of each item: changes of one item stay in order.
    seen_at: HashMap<ItemKey, Timestamp>,
    /// How many changes there were.
    count: u64,
    /// Records of the stream that were not read yet.
    stream: Vec<EventRecord>,
    /// What was asked for first that the table does not know.
    unknown: Option<String>,
    /// The requests so far, where they are recorded.
    requests: Option<Vec<RecordedRequest>>,
}

impl LaggingIndexes {
    pub(crate) fn new(rng: SeededRng, is_recorded: bool) -> Self {
        let requests = is_recorded.then(Vec::new);
        let state = State { requests, ..State::default() };
        Self { table: SimulatedTable::default(), rng, state: Mutex::new(state) }
    }

    /// Sets the longest time after which an index sees a write.
    pub(crate) fn set_max_lag(&self, max_lag: Duration) {
        self.state().max_lag = max_lag;
    }

    /// Lets the indexes see everything.
    pub(crate) fn catch_up(&self) {
        self.state().apply_until(Timestamp::MAX);
    }

    /// The stream's records since the last call, in order.
    ///
    /// # Errors
    /// What was asked for that the table does not know.
    pub(crate) fn new_stream_records(&self) -> Result<Vec<EventRecord>, BoxError> {
        let mut state = self.state();
        match &state.unknown {
            Some(unknown) => Err(unknown.as_str().into()),
            None => Ok(take(&mut state.stream)),
        }
    }

    /// The requests so far, where they are recorded.
    pub(crate) fn take_requests(&self) -> Vec<RecordedRequest> {
        self.state().requests.take().unwrap_or_default()
    }

    /// Responds to a request of the SDK with an HTTP status and a body.
    pub(crate) fn respond(&self, operation: &str, body: &[u8], now: Timestamp) -> (u16, String) {
        let mut state = self.state();
        if let Some(requests) = &mut state.requests {
            requests.push(RecordedRequest { operation: operation.to_owned(), body: body.to_vec() });
        }
        let answer = match Request::read(operation, body) {
            Ok(Request::Query(query)) if query.index.is_some() => {
                state.apply_until(now);
                Answer::of_query(&query, state.indexes.query(&query))
            }
            Ok(request) => self.table.respond(&request),
            Err(reason) => Answer::refused_because(reason),
        };
        state.unknown = state.unknown.take().or(answer.unknown);
        for change in answer.changes {
            self.note(&mut state, change, now);
        }
        (answer.status, answer.body)
    }

    /// Notes a change for the stream and, if it concerns one, for the indexes.
    fn note(&self, state: &mut State, change: Change, now: Timestamp) {
        state.count += 1;
        let count = state.count;
        state.stream.push(change.record(count, now));
        let is_listed =
            [&change.old, &change.new].into_iter().flatten().any(|item| state.indexes.list(item));
        if is_listed {
            let at = now + self.draw_lag(state.max_lag);
            let seen_at = state.seen_at.entry(change.key.clone()).or_insert(at);
            *seen_at = at.max(*seen_at);
            let at = *seen_at;
            state.pending.insert((at, count), change);
        }
    }

    fn draw_lag(&self, max: Duration) -> Duration {
        if max.is_zero() {
            return max;
        }
        let max = max.as_millis() as u64;
        self.rng.millis(0, if self.rng.chance(SOON) { max / 10 } else { max })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn apply_until(&mut self, now: Timestamp) {
        while let Some(entry) = self.pending.first_entry().filter(|entry| entry.key().0 <= now) {
            self.indexes.apply(&entry.remove());
        }
    }
}
