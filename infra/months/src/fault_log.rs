use std::sync::{Mutex, PoisonError};

use carillon::time::Timestamp;

/// When the world was at fault last: until then nothing is promised in time.
#[derive(Debug)]
pub(crate) struct FaultLog(Mutex<Timestamp>);

impl FaultLog {
    pub(crate) fn new(start: Timestamp) -> Self {
        Self(Mutex::new(start))
    }

    /// There is a fault at `at`, or one has ended then.
    pub(crate) fn note(&self, at: Timestamp) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = at.max(*last);
    }

    /// When the last fault was, or the start of the month.
    pub(crate) fn last(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
