//! The webhook events that are not acknowledged yet, ordered by due time.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::delivery_plan::Step;

/// An event to report by webhook. All times are milliseconds since 1970.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// When the event happened.
    pub(crate) at: u64,
    pub(crate) retries: u16,
    /// When the first request with the event failed.
    pub(crate) first_failure_at: Option<u64>,
    pub(crate) kind: EventKind,
}

impl Event {
    pub(crate) fn new(at: u64, kind: EventKind) -> Self {
        Self { at, retries: 0, first_failure_at: None, kind }
    }

    fn is_of(&self, message: u32) -> bool {
        matches!(self.kind, EventKind::Step { message: of, .. } if of == message)
    }
}

#[derive(Clone, Debug)]
pub(crate) enum EventKind {
    /// A step of a message. `message` is its index in the log.
    Step { message: u32, step: Step },
    /// Any other change, in the JSON of the webhook.
    Change(Arc<Change>),
}

/// An item of a webhook's `changes`.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) waba_id: String,
    pub(crate) field: String,
    pub(crate) value: Value,
}

#[derive(Default)]
pub(crate) struct EventQueue {
    /// By due time, and by insertion order within the same time.
    events: BTreeMap<(u64, u64), Event>,
    pushed: u64,
    in_flight: usize,
    /// Queued events that failed before.
    retrying: usize,
}

impl EventQueue {
    pub(crate) fn push(&mut self, due: u64, event: Event) {
        if event.retries > 0 {
            self.retrying += 1;
        }
        self.pushed += 1;
        self.events.insert((due, self.pushed), event);
    }

    pub(crate) fn next_due(&self) -> Option<u64> {
        self.events.first_key_value().map(|((due, _), _)| *due)
    }

    /// Takes up to `max` due events. Takes none while the batch is incomplete and
    /// its oldest event is due for less than `flush_ms`.
    pub(crate) fn take(&mut self, now: u64, max: usize, flush_ms: u64) -> Vec<Event> {
        let Some(oldest) = self.next_due().filter(|due| *due <= now) else {
            return Vec::new();
        };
        let max = max.max(1);
        let due = self.events.range(..=(now, u64::MAX)).take(max).count();
        if due < max && now < oldest + flush_ms {
            return Vec::new();
        }
        let taken: Vec<_> =
            (0..due).filter_map(|_| self.events.pop_first()).map(|(_, event)| event).collect();
        self.in_flight += taken.len();
        self.retrying -= taken.iter().filter(|event| event.retries > 0).count();
        taken
    }

    /// Removes the queued steps of a message.
    pub(crate) fn remove_steps(&mut self, message: u32) {
        let retrying = &mut self.retrying;
        self.events.retain(|_, event| {
            let is_removed = event.is_of(message);
            *retrying -= usize::from(is_removed && event.retries > 0);
            !is_removed
        });
    }

    /// Ends the flight of that many taken events.
    pub(crate) fn finish(&mut self, events: usize) {
        self.in_flight -= events;
    }

    pub(crate) fn pending(&self) -> usize {
        self.events.len() + self.in_flight
    }

    /// Whether no event is in flight, waits for a retry or is due.
    pub(crate) fn due_events_acknowledged(&self, now: u64) -> bool {
        self.in_flight == 0 && self.retrying == 0 && self.next_due().is_none_or(|due| due > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(retries: u16) -> Event {
        let kind = EventKind::Step { message: 0, step: Step::Sent };
        Event { retries, ..Event::new(0, kind) }
    }

    #[test]
    fn an_incomplete_batch_waits_for_the_flush_time() {
        let mut queue = EventQueue::default();
        for due in [30, 10, 20] {
            queue.push(due, event(0));
        }
        assert!(queue.take(9, 10, 0).is_empty());
        assert!(queue.take(20, 10, 11).is_empty());
        assert_eq!(queue.take(21, 10, 11).len(), 2);
        assert_eq!((queue.pending(), queue.due_events_acknowledged(21)), (3, false));
        queue.finish(2);
        assert_eq!(queue.pending(), 1);
        assert!(queue.due_events_acknowledged(21) && !queue.due_events_acknowledged(30));
    }

    #[test]
    fn removing_a_message_removes_its_retries() {
        let mut queue = EventQueue::default();
        queue.push(1, event(0));
        queue.push(1, event(1));
        queue.remove_steps(1);
        assert_eq!(queue.pending(), 2);
        queue.remove_steps(0);
        assert_eq!((queue.pending(), queue.due_events_acknowledged(1)), (0, true));
    }

    #[test]
    fn a_full_batch_does_not_wait_and_a_retry_counts_as_due() {
        let mut queue = EventQueue::default();
        (0..5).for_each(|_| queue.push(1, event(0)));
        assert_eq!(queue.take(1, 2, 1000).len(), 2);
        queue.finish(2);
        assert_eq!(queue.take(1, 3, 1000).len(), 3);
        queue.finish(3);
        queue.push(500, event(1));
        assert!(!queue.due_events_acknowledged(1));
    }
}
