use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use carillon::time::Clock;
use tower::BoxError;

use super::state::StreamState;
use crate::aws::LaggingIndexes;

/// Reads the table's stream and keeps the first violation of an invariant.
#[derive(Debug)]
pub(crate) struct InvariantMonitor {
    table: Arc<LaggingIndexes>,
    clock: Clock,
    state: Mutex<StreamState>,
}

impl InvariantMonitor {
    pub(crate) fn new(table: Arc<LaggingIndexes>, clock: Clock) -> Self {
        Self { table, clock, state: Mutex::default() }
    }

    /// Applies and checks the stream records since the last call.
    pub(crate) fn read_stream(&self) -> Result<(), BoxError> {
        let records = self.table.new_stream_records()?;
        let now = self.clock.now();
        let mut state = self.state();
        records.into_iter().try_for_each(|record| state.apply(record, now))
    }

    /// Records a violation found elsewhere.
    pub(crate) fn report_violation(&self, violation: String) {
        self.state().report_violation(violation);
    }

    pub(crate) fn first_violation(&self) -> Option<String> {
        self.state().first_violation().map(str::to_owned)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, StreamState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
