use super::launcher::RunLauncher;
use crate::fixture::Fixture;

/// Starts the scheduler: at times twice at once, and less often while other work is
/// in progress.
pub(crate) fn trigger_scheduler(launcher: &mut RunLauncher, fixture: &Fixture, is_busy: bool) {
    let runs = match (is_busy, fixture.rng.below(100)) {
        (true, 15..) => 0,
        (_, 0..8) => 2,
        (_, _) => 1,
    };
    for _ in 0..runs {
        let scheduler = fixture.scheduler.clone();
        launcher.launch(async move {
            // The next run repeats what failed.
            let _ = scheduler.run(scheduler.clock.now()).await;
        });
    }
}
