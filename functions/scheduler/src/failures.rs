//! What failed in a run: it does not end the run, and is reported at its end.

use std::error::Error;
use std::fmt::Display;

use carillon::campaign::store::ChangeError;
use carillon::delivery::DeliveryError;
use carillon::jobs::LaunchError;
use carillon::table::{StoreError, Unreadable};

/// Parts of a run failed; the others are done.
#[derive(Debug, thiserror::Error)]
#[error("{count} parts of the run failed; the first one: {first}")]
pub struct RunError {
    /// How many.
    pub count: u64,
    /// Why the first one failed.
    #[source]
    pub first: WorkError,
}

/// Why a part of a run failed.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// An item does not have the attributes of its type.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The table failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The table or the queue failed.
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    /// A campaign's status could not be changed.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// A job was not launched.
    #[error(transparent)]
    Launch(#[from] LaunchError),
}

/// The failures of a run so far.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    count: u64,
    first: Option<WorkError>,
}

impl Failures {
    /// Logs and counts a failure.
    pub(crate) fn note(&mut self, part: &str, subject: impl Display, error: impl Into<WorkError>) {
        let error = error.into();
        let source = &error as &dyn Error;
        tracing::error!(part, %subject, error = source, "a part of the scheduler's run failed");
        self.count += 1;
        self.first.get_or_insert(error);
    }

    /// The value of an outcome; a failure is noted.
    pub(crate) fn keep<T>(
        &mut self,
        part: &str,
        subject: impl Display,
        outcome: Result<T, impl Into<WorkError>>,
    ) -> Option<T> {
        outcome.map_err(|error| self.note(part, subject, error)).ok()
    }

    /// The items of a list that can be read; the others are noted.
    pub(crate) fn keep_each<T>(
        &mut self,
        part: &str,
        list: Result<Vec<Result<T, Unreadable>>, StoreError>,
    ) -> Vec<T> {
        let list = self.keep(part, "list", list).unwrap_or_default();
        list.into_iter().filter_map(|item| self.keep(part, "item", item)).collect()
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The result of the run.
    pub(crate) fn outcome<T>(self, value: T) -> Result<T, RunError> {
        match self.first {
            None => Ok(value),
            Some(first) => Err(RunError { count: self.count, first }),
        }
    }
}
