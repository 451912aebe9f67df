use std::sync::{Mutex, MutexGuard, PoisonError};

use carillon::address::Address;
use carillon::recipient::{Callback, DeliveryStatus};
use carillon::time::Timestamp;
use jiff::SignedDuration;

use super::limits::LimitChange;
use super::person::Identity;

/// A message that WhatsApp accepted.
#[derive(Debug, Clone)]
pub(crate) struct SentMessage {
    /// Its index in the message log.
    pub(crate) index: usize,
    /// The address that it was sent to.
    pub(crate) address: Address,
    /// The person, with the number that they had then; none if the address reached nobody.
    pub(crate) to: Option<Identity>,
    pub(crate) is_marketing: bool,
    pub(crate) callback: Callback,
}

/// A person who has another number from then on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NumberChange {
    pub(crate) before: Identity,
    pub(crate) after: Identity,
}

/// An event that a webhook reports.
#[derive(Debug, Clone)]
pub(crate) struct WebhookEvent {
    /// The phone number id of the number that it is reported to.
    pub(crate) number: String,
    pub(crate) event: Event,
    /// When it happened.
    pub(crate) at: Timestamp,
    /// When WhatsApp sends it.
    pub(crate) send_at: Timestamp,
}

#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// What became of a message.
    Message(SentMessage, EventKind),
    /// A person changed their number.
    NumberChange(NumberChange),
    /// A limit is another one.
    LimitChange(LimitChange),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// The message reached a status other than `failed`.
    Status(DeliveryStatus),
    /// The message failed with one of Meta's error codes.
    Failed { code: u32 },
    /// The contact replied.
    Reply,
    /// The contact opted out of marketing messages.
    OptOut,
}

/// Events that are not sent yet, and events whose webhook was not answered with 200.
#[derive(Debug, Default)]
pub(crate) struct PendingEvents(Mutex<Vec<WebhookEvent>>);

impl PendingEvents {
    pub(crate) fn add(&self, event: WebhookEvent) {
        self.events().push(event);
    }

    /// Takes at most `max` of the events that are due.
    pub(crate) fn take_due(&self, now: Timestamp, max: usize) -> Vec<WebhookEvent> {
        let mut taken = 0;
        let is_taken = |event: &mut WebhookEvent| {
            let take = event.send_at <= now && taken < max;
            taken += usize::from(take);
            take
        };
        self.events().extract_if(.., is_taken).collect()
    }

    /// Schedules a redelivery.
    pub(crate) fn redeliver(&self, events: Vec<WebhookEvent>, send_at: Timestamp) {
        self.events().extend(events.into_iter().map(|event| WebhookEvent { send_at, ..event }));
    }

    /// Whether an event becomes due within `time`.
    pub(crate) fn is_due_within(&self, time: SignedDuration, now: Timestamp) -> bool {
        self.events().iter().any(|event| event.send_at <= now + time)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.events().is_empty()
    }

    fn events(&self) -> MutexGuard<'_, Vec<WebhookEvent>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
