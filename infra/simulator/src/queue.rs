//! What is still to be told by webhook, in the order it falls due.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::fate::Step;

/// Something to tell. All times are milliseconds since 1970.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// When it happened.
    pub(crate) at: u64,
    /// How often telling it failed.
    pub(crate) tries: u16,
    pub(crate) news: News,
}

#[derive(Clone, Debug)]
pub(crate) enum News {
    /// A message, by its place in the log, took a step.
    Step { message: u32, step: Step },
    /// Anything else, as it will stand in the webhook.
    Change(Arc<Change>),
}

/// One item of a webhook's `changes`.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) waba_id: String,
    pub(crate) field: String,
    pub(crate) value: Value,
}

/// The waiting events. One is owed from its due time until it is acknowledged.
#[derive(Default)]
pub(crate) struct Queue {
    events: BTreeMap<(u64, u64), Event>,
    count: u64,
    in_flight: usize,
    retrying: usize,
}

impl Queue {
    pub(crate) fn push(&mut self, due: u64, event: Event) {
        if event.tries > 0 {
            self.retrying += 1;
        }
        self.count += 1;
        self.events.insert((due, self.count), event);
    }

    pub(crate) fn next_due(&self) -> Option<u64> {
        self.events.first_key_value().map(|((due, _), _)| *due)
    }

    /// Up to `most` due events; none while a batch may still fill up.
    pub(crate) fn take(&mut self, now: u64, most: usize, flush_ms: u64) -> Vec<Event> {
        let Some(oldest) = self.next_due().filter(|due| *due <= now) else {
            return Vec::new();
        };
        let most = most.max(1);
        let due = self.events.range(..=(now, u64::MAX)).take(most).count();
        if due < most && now < oldest + flush_ms {
            return Vec::new();
        }
        let taken: Vec<_> =
            (0..due).filter_map(|_| self.events.pop_first()).map(|(_, event)| event).collect();
        self.in_flight += taken.len();
        self.retrying -= taken.iter().filter(|event| event.tries > 0).count();
        taken
    }

    /// Events that were taken are told.
    pub(crate) fn done(&mut self, events: usize) {
        self.in_flight -= events;
    }

    pub(crate) fn pending(&self) -> usize {
        self.events.len() + self.in_flight
    }

    /// Whether nothing is owed.
    pub(crate) fn idle(&self, now: u64) -> bool {
        self.in_flight == 0 && self.retrying == 0 && self.next_due().is_none_or(|due| due > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(tries: u16) -> Event {
        Event { at: 0, tries, news: News::Step { message: 0, step: Step::Sent } }
    }

    #[test]
    fn events_come_when_due_and_a_batch_waits_to_fill() {
        let mut queue = Queue::default();
        for due in [30, 10, 20] {
            queue.push(due, event(0));
        }
        assert!(queue.take(9, 10, 0).is_empty());
        assert!(queue.take(20, 10, 11).is_empty());
        assert_eq!(queue.take(21, 10, 11).len(), 2);
        assert_eq!((queue.pending(), queue.idle(21)), (3, false));
        queue.done(2);
        assert_eq!((queue.pending(), queue.idle(21), queue.idle(30)), (1, true, false));
    }

    #[test]
    fn a_full_batch_does_not_wait_and_a_retry_is_owed() {
        let mut queue = Queue::default();
        (0..5).for_each(|_| queue.push(1, event(0)));
        assert_eq!(queue.take(1, 2, 1000).len(), 2);
        queue.done(2);
        assert_eq!(queue.take(1, 3, 1000).len(), 3);
        queue.done(3);
        queue.push(500, event(1));
        assert!(!queue.idle(1));
    }
}
