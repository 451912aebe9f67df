use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use carillon::recipient::Callback;
use carillon::time::Clock;

use super::event_plan::draw_events;
use super::message_log::MessageLog;
use super::webhook_events::{EventKind, PendingEvents, WebhookEvent};
use crate::fault_plan::FaultRates;
use crate::invariants::InvariantMonitor;
use crate::rng::SeededRng;

/// What the numbers of the portfolio share.
#[derive(Debug)]
pub(crate) struct WhatsApp {
    pub(crate) clock: Clock,
    pub(crate) rng: SeededRng,
    pub(crate) monitor: Arc<InvariantMonitor>,
    pub(crate) pending_events: PendingEvents,
    log: Mutex<MessageLog>,
    fault_rates: Mutex<FaultRates>,
}

impl WhatsApp {
    pub(crate) fn new(
        clock: Clock,
        rng: SeededRng,
        monitor: Arc<InvariantMonitor>,
        fault_rates: FaultRates,
    ) -> Self {
        let (pending_events, log) = (PendingEvents::default(), Mutex::default());
        Self { clock, rng, monitor, pending_events, log, fault_rates: Mutex::new(fault_rates) }
    }

    pub(crate) fn log(&self) -> MutexGuard<'_, MessageLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on every message is accepted and every response arrives.
    pub(crate) fn stop_faults(&self) {
        *self.fault_rates.lock().unwrap_or_else(PoisonError::into_inner) = FaultRates::default();
    }

    pub(super) fn fault_rates(&self) -> FaultRates {
        *self.fault_rates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Schedules the webhook events of an accepted message.
    pub(super) fn schedule_events(&self, message: usize, callback: &Callback, rates: FaultRates) {
        for (kind, after) in draw_events(&self.rng, rates) {
            self.schedule_event(message, callback, kind, after);
        }
    }

    /// Schedules an event: 8 % are sent twice, 6 % up to two hours late.
    fn schedule_event(
        &self,
        message: usize,
        callback: &Callback,
        kind: EventKind,
        after: Duration,
    ) {
        let at = self.clock.now() + after;
        for _ in 0..=u64::from(self.rng.chance(80)) {
            let max_delay = if self.rng.chance(60) { 7_200_000 } else { 8_000 };
            let send_at = at + self.rng.millis(0, max_delay);
            let callback = callback.clone();
            self.pending_events.add(WebhookEvent { message, callback, kind, at, send_at });
        }
    }
}
