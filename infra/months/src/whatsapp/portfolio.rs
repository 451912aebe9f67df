use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use carillon::channel::SenderAccess;
use carillon::time::{Clock, Timestamp};
use jiff::SignedDuration;

use super::event_plan::draw_events;
use super::limits::{LimitChange, LimitOf, Limits};
use super::message_log::MessageLog;
use super::people::People;
use super::reports::Reports;
use super::webhook_events::{Event, NumberChange, PendingEvents, SentMessage, WebhookEvent};
use crate::fault_log::FaultLog;
use crate::fault_plan::FaultRates;
use crate::invariants::InvariantMonitor;
use crate::rng::SeededRng;

/// Reports of a number change that are lost, in 1,000.
const LOST_NUMBER_CHANGES: u64 = 100;

/// A business phone number.
#[derive(Debug, Clone)]
pub(crate) struct Number {
    /// The phone number id.
    pub(crate) id: String,
    /// The token that its requests must have.
    pub(crate) access_token: String,
    /// Messages a second, at first.
    pub(crate) throughput: u32,
}

/// The numbers of one portfolio, and what they share.
#[derive(Debug)]
pub(crate) struct WhatsApp {
    pub(crate) clock: Clock,
    pub(crate) rng: SeededRng,
    pub(crate) monitor: Arc<InvariantMonitor>,
    pub(crate) pending_events: PendingEvents,
    pub(crate) faults: Arc<FaultLog>,
    /// How far two clocks of Carillon's machines differ, at most.
    pub(crate) skew: SignedDuration,
    limits: Mutex<Limits>,
    numbers: Mutex<BTreeMap<String, Number>>,
    log: Mutex<MessageLog>,
    people: Mutex<People>,
    reports: Mutex<Reports>,
    fault_rates: Mutex<FaultRates>,
}

impl WhatsApp {
    pub(crate) fn new(
        clock: Clock,
        rng: SeededRng,
        monitor: Arc<InvariantMonitor>,
        fault_rates: FaultRates,
        faults: Arc<FaultLog>,
        skew: SignedDuration,
    ) -> Self {
        Self {
            clock,
            rng,
            monitor,
            pending_events: PendingEvents::default(),
            faults,
            skew,
            limits: Mutex::default(),
            numbers: Mutex::default(),
            log: Mutex::default(),
            people: Mutex::default(),
            reports: Mutex::default(),
            fault_rates: Mutex::new(fault_rates),
        }
    }

    pub(crate) fn add_number(&self, number: Number) {
        let of = LimitOf::Number(number.id.clone());
        self.limits().add(of, number.throughput, self.clock.now());
        self.numbers().insert(number.id.clone(), number);
    }

    /// The number that a request is for. A request without the number's own token
    /// violates an invariant.
    pub(super) fn number(&self, sender: &SenderAccess) -> Option<Number> {
        let credentials = sender.credentials.exposed();
        let token = credentials.get("access_token").copied();
        let number = self.numbers().get(&sender.config.sender_id).cloned();
        let number = number.filter(|number| token == Some(number.access_token.as_str()));
        if number.is_none() {
            self.monitor.report_violation("a request had another number's token".to_owned());
        }
        number
    }

    pub(crate) fn log(&self) -> MutexGuard<'_, MessageLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn people(&self) -> MutexGuard<'_, People> {
        self.people.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn limits(&self) -> MutexGuard<'_, Limits> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What Carillon was informed about people.
    pub(crate) fn reports(&self) -> MutexGuard<'_, Reports> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on every message to a person is accepted and every response arrives.
    pub(crate) fn stop_faults(&self) {
        *self.fault_rates.lock().unwrap_or_else(PoisonError::into_inner) = FaultRates::default();
    }

    pub(super) fn fault_rates(&self) -> FaultRates {
        *self.fault_rates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Schedules the webhook events of an accepted message.
    pub(super) fn schedule_events(&self, number: &str, message: &SentMessage, rates: FaultRates) {
        for (kind, after) in draw_events(&self.rng, rates, message) {
            let at = self.clock.now() + after;
            self.schedule_event(number, &Event::Message(message.clone(), kind), at);
        }
    }

    /// Reports a number change to the numbers that know the person: some reports are lost, and
    /// some come a day and a half late.
    pub(crate) fn report_number_change(&self, change: NumberChange, at: Timestamp) {
        let numbers = self.log().numbers_known_to(change.before.person);
        for number in numbers {
            if self.rng.chance(LOST_NUMBER_CHANGES) {
                continue;
            }
            let max_delay = if self.rng.chance(200) { 130_000_000 } else { 0 };
            let send_at = at + self.rng.millis(0, max_delay);
            let event = Event::NumberChange(change);
            for _ in 0..=u64::from(self.rng.chance(200)) {
                let (number, event) = (number.clone(), event.clone());
                let send_at = send_at + self.rng.millis(0, 8_000);
                self.pending_events.add(WebhookEvent { number, event, at, send_at });
            }
        }
    }

    /// Reports a changed limit, to the webhook that all numbers share.
    pub(crate) fn report_limit_change(&self, change: LimitChange, at: Timestamp) {
        let Some(number) = self.numbers().keys().next().cloned() else { return };
        self.schedule_event(&number, &Event::LimitChange(change), at);
    }

    /// Schedules an event: 8 % are sent twice, 6 % up to two hours late.
    fn schedule_event(&self, number: &str, event: &Event, at: Timestamp) {
        for _ in 0..=u64::from(self.rng.chance(80)) {
            let max_delay = if self.rng.chance(60) { 7_200_000 } else { 8_000 };
            let send_at = at + self.rng.millis(0, max_delay);
            let (number, event) = (number.to_owned(), event.clone());
            self.pending_events.add(WebhookEvent { number, event, at, send_at });
        }
    }

    fn numbers(&self) -> MutexGuard<'_, BTreeMap<String, Number>> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
