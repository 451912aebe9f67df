use super::Status;

/// Where a recipient stands: which attempt, and how high.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The attempt, from 1.
    pub attempt: u32,
    /// The status.
    pub status: Status,
}

/// What a webhook or a person can say of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rung {
    /// The provider took the message.
    Sent,
    /// It failed on the way.
    Failed,
    /// It reached the phone.
    Delivered,
    /// It was read.
    Read,
    /// The contact answered.
    Replied,
    /// The lead is done.
    Closed,
}

impl Rung {
    /// The status it leads to.
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

    /// The attribute that keeps when it was reached.
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

/// One thing said of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// The attempt it speaks of.
    pub attempt: u32,
    /// What it says.
    pub rung: Rung,
}

/// What an event means for a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// Move up to the rung.
    Climb,
    /// Stay, but keep the time of the rung.
    KeepTime,
    /// It speaks of an older attempt, and shows that one arrived after all: drop
    /// the retry that was not claimed yet, and take the older attempt's rung.
    DropRetry,
    /// Nothing to do: of an older attempt, or of one that was never made.
    Ignore,
}

/// Judges an event: the ladder, in one place.
///
/// Within an attempt a status only moves up, so that any order and repetition
/// of the same events ends in the same place.
pub fn judge(position: Position, event: Event) -> Judgement {
    let started = position.status.rank() >= Status::Sending.rank();
    let final_unsent = matches!(position.status, Status::Skipped | Status::Cancelled);
    if event.attempt < position.attempt {
        let arrived = event.rung >= Rung::Delivered;
        let unclaimed = position.status == Status::Pending;
        return if arrived && unclaimed { Judgement::DropRetry } else { Judgement::Ignore };
    }
    if event.attempt > position.attempt || !started || final_unsent {
        return Judgement::Ignore;
    }
    if position.status.rank() < event.rung.status().rank() {
        Judgement::Climb
    } else {
        Judgement::KeepTime
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RUNGS: [Rung; 6] =
        [Rung::Sent, Rung::Failed, Rung::Delivered, Rung::Read, Rung::Replied, Rung::Closed];

    fn after(mut position: Position, events: &[Event]) -> Position {
        for event in events {
            match judge(position, *event) {
                Judgement::Climb => position.status = event.rung.status(),
                Judgement::DropRetry => {
                    position = Position { attempt: event.attempt, status: event.rung.status() };
                }
                Judgement::KeepTime | Judgement::Ignore => {}
            }
        }
        position
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let event = (1u32..=1, prop::sample::select(RUNGS.to_vec()))
            .prop_map(|(attempt, rung)| Event { attempt, rung });
        prop::collection::vec(event, 1..12)
    }

    proptest! {
        #[test]
        fn any_order_and_repetition_ends_in_the_same_place(
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
        let late = Event { attempt: 1, rung: Rung::Delivered };
        assert_eq!(judge(retry, late), Judgement::DropRetry);
        let not_enough = Event { attempt: 1, rung: Rung::Sent };
        assert_eq!(judge(retry, not_enough), Judgement::Ignore);
    }

    #[test]
    fn nothing_is_said_of_what_was_never_sent() {
        for status in [Status::Pending, Status::Skipped, Status::Cancelled] {
            let position = Position { attempt: 1, status };
            assert_eq!(judge(position, Event { attempt: 1, rung: Rung::Read }), Judgement::Ignore);
        }
    }
}
