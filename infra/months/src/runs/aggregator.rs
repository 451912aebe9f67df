use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lambda_events::event::dynamodb::Event;
use lambda_runtime::{Context, LambdaEvent};

use super::launcher::RunLauncher;
use crate::fixture::Fixture;

/// Delivers records of the table's stream to the aggregator.
#[derive(Default)]
pub(crate) struct AggregatorTrigger {
    /// How many stream records the aggregator has processed.
    position: Arc<AtomicUsize>,
    /// Each run in progress holds a clone.
    in_progress: Arc<()>,
}

impl AggregatorTrigger {
    /// How many stream records the aggregator has processed.
    pub(crate) fn position(&self) -> usize {
        self.position.load(Ordering::Relaxed)
    }

    /// Delivers the next records, at times with some of the last ones again, and
    /// rarely while another run is in progress.
    pub(crate) fn deliver(&mut self, launcher: &mut RunLauncher, fixture: &Fixture) {
        let rng = &fixture.rng;
        let is_running = Arc::strong_count(&self.in_progress) > 1;
        if !rng.chance(600) || (is_running && rng.chance(950)) {
            return;
        }
        let repeated = if rng.chance(200) { rng.between(1, 30) as usize } else { 0 };
        let first = self.position().saturating_sub(repeated);
        let records = {
            let state = fixture.monitor.state();
            let end = (self.position() + rng.between(5, 120) as usize).min(state.records.len());
            state.records[first..end].to_vec()
        };
        if records.is_empty() {
            return;
        }
        let reached = first + records.len();
        let (aggregator, position) = (fixture.aggregator.clone(), self.position.clone());
        let in_progress = self.in_progress.clone();
        launcher.launch(async move {
            let mut event = Event::default();
            event.records = records;
            let event = LambdaEvent::new(event, Context::default());
            if aggregator.handle(event).await.is_ok() {
                position.fetch_max(reached, Ordering::Relaxed);
            }
            drop(in_progress);
        });
    }
}
