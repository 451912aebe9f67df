use super::Status;

/// The attempt and the status of a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The attempt, from 1.
    pub attempt: u32,
    /// The status.
    pub status: Status,
}

/// A status of an attempt that a webhook or a person reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeliveryStatus {
    /// The provider accepted the message.
    Sent,
    /// The message failed after it was accepted.
    Failed,
    /// The message arrived on the contact's device.
    Delivered,
    /// The contact read the message.
    Read,
    /// The contact replied.
    Replied,
    /// A person closed the lead.
    Closed,
}

impl DeliveryStatus {
    /// The status that it gives the recipient.
    pub const fn status(self) -> Status {
        match self {
            Self::Sent => Status::Sent,
            Self::Failed => Status::Failed,
            Self::Delivered => Status::Delivered,
            Self::Read => Status::Read,
            Self::Replied => Status::Replied,
            Self::Closed => Status::Closed,
        }
    }

    /// The attribute with the time at which it was reached.
    pub const fn time_attribute(self) -> &'static str {
        match self {
            Self::Sent => "sent_at",
            Self::Failed => "failed_at",
            Self::Delivered => "delivered_at",
            Self::Read => "read_at",
            Self::Replied => "replied_at",
            Self::Closed => "closed_at",
        }
    }
}

/// A report of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// The attempt.
    pub attempt: u32,
    /// The status.
    pub status: DeliveryStatus,
}

/// What an event changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// The recipient advances to the status.
    Advance,
    /// The status stays; the time of the reported status is kept.
    KeepTime,
    /// The event shows that an older attempt arrived: the retry, which was not claimed
    /// yet, is dropped, and the recipient takes the status of the older attempt.
    DropRetry,
    /// The event shows that an attempt was sent which the table does not know of, because it
    /// was restored from a backup: the recipient takes its status, and is not sent to again.
    Restore,
    /// Nothing: the event concerns an older attempt, or one that was never sent.
    Ignore,
}

/// What an event changes for a recipient.
///
/// Within an attempt a status only advances, so that the same events in any order and
/// any number lead to the same status.
pub fn transition(position: Position, event: Event) -> Transition {
    let sent = position.status.rank() >= Status::Sending.rank();
    let never_sent = matches!(position.status, Status::Skipped | Status::Cancelled);
    if event.attempt < position.attempt {
        let arrived = event.status >= DeliveryStatus::Delivered;
        let unclaimed = position.status == Status::Pending;
        return if arrived && unclaimed { Transition::DropRetry } else { Transition::Ignore };
    }
    let is_unknown = event.attempt > position.attempt || !sent;
    // The retry of a message that had arrived all the same: that it was sent tells nothing more.
    let has_arrived = position.status.rank() >= Status::Delivered.rank();
    let goes_down = has_arrived && event.status.status().rank() <= position.status.rank();
    if is_unknown && !never_sent && !goes_down && event.status != DeliveryStatus::Failed {
        return Transition::Restore;
    }
    if is_unknown || never_sent {
        return Transition::Ignore;
    }
    if position.status.rank() < event.status.status().rank() {
        Transition::Advance
    } else {
        Transition::KeepTime
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STATUSES: [DeliveryStatus; 6] = [
        DeliveryStatus::Sent,
        DeliveryStatus::Failed,
        DeliveryStatus::Delivered,
        DeliveryStatus::Read,
        DeliveryStatus::Replied,
        DeliveryStatus::Closed,
    ];

    fn after(mut position: Position, events: &[Event]) -> Position {
        for event in events {
            match transition(position, *event) {
                Transition::Advance => position.status = event.status.status(),
                Transition::DropRetry | Transition::Restore => {
                    position = Position { attempt: event.attempt, status: event.status.status() };
                }
                Transition::KeepTime | Transition::Ignore => {}
            }
        }
        position
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let event = (1u32..=1, prop::sample::select(STATUSES.to_vec()))
            .prop_map(|(attempt, status)| Event { attempt, status });
        prop::collection::vec(event, 1..12)
    }

    fn events_of_any_attempt() -> impl Strategy<Value = Vec<Event>> {
        let event = (1u32..=3, prop::sample::select(STATUSES.to_vec()))
            .prop_map(|(attempt, status)| Event { attempt, status });
        prop::collection::vec(event, 1..12)
    }

    proptest! {
        #[test]
        fn any_order_and_repetition_ends_in_the_same_status(
            (sent, mixed) in events().prop_flat_map(|events| {
                let mut twice = events.clone();
                twice.extend(events.clone());
                (Just(events), Just(twice).prop_shuffle())
            })
        ) {
            let start = Position { attempt: 1, status: Status::Sending };
            prop_assert_eq!(after(start, &sent), after(start, &mixed));
        }

        #[test]
        fn a_status_never_goes_down(
            status in prop::sample::select(Status::ALL.to_vec()), sent in events()
        ) {
            let mut position = Position { attempt: 1, status };
            for event in sent {
                let next = after(position, &[event]);
                prop_assert!(next.status.rank() >= position.status.rank());
                position = next;
            }
        }

        #[test]
        fn no_event_of_any_attempt_takes_an_arrival_down(
            attempt in 1u32..=3,
            arrived in prop::sample::select(vec![Status::Delivered, Status::Read, Status::Replied]),
            sent in events_of_any_attempt(),
        ) {
            let mut position = Position { attempt, status: arrived };
            for event in sent {
                let next = after(position, &[event]);
                prop_assert!(next.status.rank() >= position.status.rank(), "{:?}", event);
                position = next;
            }
        }

        #[test]
        fn an_older_attempt_never_moves_a_newer_one_that_was_claimed(
            status in prop::sample::select(Status::ALL.to_vec()), sent in events()
        ) {
            let position = Position { attempt: 2, status };
            prop_assume!(status != Status::Pending);
            prop_assert_eq!(after(position, &sent), position);
        }
    }

    #[test]
    fn a_late_delivery_of_an_older_attempt_drops_the_retry() {
        let retry = Position { attempt: 2, status: Status::Pending };
        let late = Event { attempt: 1, status: DeliveryStatus::Delivered };
        assert_eq!(transition(retry, late), Transition::DropRetry);
        let not_enough = Event { attempt: 1, status: DeliveryStatus::Sent };
        assert_eq!(transition(retry, not_enough), Transition::Ignore);
    }

    #[test]
    fn events_of_an_attempt_that_was_never_sent_are_ignored() {
        for status in [Status::Skipped, Status::Cancelled] {
            for attempt in [1, 2] {
                let event = Event { attempt, status: DeliveryStatus::Read };
                let position = Position { attempt: 1, status };
                assert_eq!(transition(position, event), Transition::Ignore);
            }
        }
    }

    #[test]
    fn an_event_of_an_attempt_that_the_table_has_lost_stops_another_one() {
        for (status, attempt) in [(Status::Pending, 1), (Status::Pending, 2), (Status::Sent, 2)] {
            let lost = |status| Event { attempt, status };
            let position = Position { attempt: 1, status };
            assert_eq!(transition(position, lost(DeliveryStatus::Sent)), Transition::Restore);
            // A failed message may be sent again.
            assert_eq!(transition(position, lost(DeliveryStatus::Failed)), Transition::Ignore);
        }
    }
}
