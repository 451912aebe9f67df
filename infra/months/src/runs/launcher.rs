use std::time::Duration;

use carillon::time::Clock;

use crate::executor::Executor;
use crate::fault_plan::{FaultPlan, FaultRates};
use crate::rng::SeededRng;

/// A run that takes longer, freezes included, counts as crashed.
const RUN_TIMEOUT: Duration = Duration::from_hours(2);

/// Starts runs, each with a fault plan of its own.
pub(crate) struct RunLauncher {
    pub(crate) executor: Executor,
    pub(crate) fault_rates: FaultRates,
    rng: SeededRng,
}

impl RunLauncher {
    pub(crate) fn new(clock: Clock, rng: SeededRng, fault_rates: FaultRates) -> Self {
        Self { executor: Executor::new(clock), fault_rates, rng }
    }

    pub(super) fn launch(&mut self, run: impl Future<Output = ()> + Send + 'static) {
        self.launch_with_risk(1, run);
    }

    /// Starts a run that crashes or freezes `risk` times as often as others.
    pub(super) fn launch_with_risk(
        &mut self,
        risk: u64,
        run: impl Future<Output = ()> + Send + 'static,
    ) {
        let crashes = self.fault_rates.crashes * risk;
        let fault_plan = FaultPlan::draw(&self.rng, FaultRates { crashes, ..self.fault_rates });
        self.executor.spawn(fault_plan, RUN_TIMEOUT, run);
    }
}
