use carillon::time::Timestamp;
use jiff::SignedDuration;

use super::launcher::RunLauncher;
use crate::fixture::Fixture;

/// How often the scheduler runs at least while somebody is due, as in `template.yaml`.
const EVERY: SignedDuration = SignedDuration::from_mins(1);

/// Starts the scheduler.
#[derive(Default)]
pub(crate) struct SchedulerTrigger {
    triggered_at: Option<Timestamp>,
}

impl SchedulerTrigger {
    /// Starts the scheduler, at times twice at once, and less often while other work is in
    /// progress; but at least every minute while somebody is due.
    pub(crate) fn trigger(
        &mut self,
        launcher: &mut RunLauncher,
        fixture: &Fixture,
        is_busy: bool,
        is_somebody_due: bool,
    ) {
        let now = fixture.clock.now();
        let is_overdue = is_somebody_due && self.triggered_at.is_none_or(|at| at + EVERY <= now);
        let runs = match (is_busy && !is_overdue, fixture.rng.below(100)) {
            (true, 15..) => 0,
            (_, 0..8) => 2,
            (_, _) => 1,
        };
        for _ in 0..runs {
            self.triggered_at = Some(now);
            let [one, other] = &fixture.schedulers;
            let scheduler = if fixture.rng.chance(500) { one.clone() } else { other.clone() };
            launcher.launch(async move {
                // The next run repeats what failed.
                let _ = scheduler.run(scheduler.clock.now()).await;
            });
        }
    }
}
