use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::fault_plan::FaultPlan;

/// The faults of the API's current call. The API works in tasks of its own, so that it cannot
/// have them from the task that polls it.
#[derive(Debug, Default)]
pub(crate) struct CallFaults(Mutex<Option<Arc<FaultPlan>>>);

impl CallFaults {
    /// Sets the faults of the calls from now on; none for calls that meet no fault.
    pub(crate) fn set(&self, plan: Option<Arc<FaultPlan>>) {
        *self.plan() = plan;
    }

    pub(super) fn current(&self) -> Option<Arc<FaultPlan>> {
        self.plan().clone()
    }

    fn plan(&self) -> MutexGuard<'_, Option<Arc<FaultPlan>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
