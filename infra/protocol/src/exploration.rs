//! The exploration of a world: its states, and what must hold in each.

use carillon_nouns::recipient::Status;
use stateright::{Model, Property};

use crate::state::{Index, Message, RECIPIENTS, Recipient, State, Violation};
use crate::step::Step;
use crate::world::World;

impl Model for World {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![self.first_state()]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        if state.violation.is_none() {
            state.add_steps(&self.setting, steps);
        }
    }

    fn next_state(&self, before: &State, step: Step) -> Option<State> {
        let mut state = *before;
        if !state.make(step, &self.setting) {
            return None;
        }
        state.check_step(before);
        let state = state.canonical();
        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        fn never<const V: u8>(_: &World, state: &State) -> bool {
            state.violation.is_none_or(|violation| violation as u8 != V)
        }
        vec![
            Property::always(
                "1: nobody is handed to the provider again who may have the message",
                never::<{ Violation::SentTwice as u8 }>,
            ),
            Property::always(
                "1: a person gets the message once under all ids that are known to be theirs",
                never::<{ Violation::PersonSentTwice as u8 }>,
            ),
            Property::always(
                "1: the arrival of an older attempt stops the retry",
                never::<{ Violation::ArrivalLost as u8 }>,
            ),
            Property::always(
                "2: a status is not taken back",
                never::<{ Violation::WentDown as u8 }>,
            ),
            Property::always(
                "2: a status says what became of the message",
                never::<{ Violation::FalseReport as u8 }>,
            ),
            Property::always(
                "2: who is reported as not sent to was not sent to",
                never::<{ Violation::SentButSkipped as u8 }>,
            ),
            Property::always(
                "2: of a person's two recipients one is sent to",
                never::<{ Violation::BothSkipped as u8 }>,
            ),
            Property::always(
                "2: a campaign is completed when nobody is left",
                never::<{ Violation::CompletedTooSoon as u8 }>,
            ),
            Property::always(
                "2: nobody is left behind, unless a process was killed",
                never::<{ Violation::LeftBehind as u8 }>,
            ),
            Property::always(
                "2: who is retried by a person is met, unless the request was frozen",
                never::<{ Violation::RetryInVain as u8 }>,
            ),
            Property::always(
                "3: each message has a reservation",
                never::<{ Violation::NoReservation as u8 }>,
            ),
            Property::always(
                "4: an opt-out wins over every later claim",
                never::<{ Violation::SentToOptedOut as u8 }>,
            ),
            Property::always(
                "4: no message goes out long after its claim",
                never::<{ Violation::SentLate as u8 }>,
            ),
            Property::always(
                "4: an opt-out that was answered is stored",
                never::<{ Violation::OptOutLost as u8 }>,
            ),
            Property::always(
                "10: nobody is unconfirmed who was not sent to, unless a process was killed or frozen",
                |world: &Self, state: &State| !world.is_needlessly_unconfirmed(state),
            ),
            Property::always(
                "10: without faults everybody is settled within a few runs",
                |world: &Self, state: &State| state.violation.is_some() || world.ends_well(state),
            ),
        ]
    }
}

impl World {
    fn is_needlessly_unconfirmed(&self, state: &State) -> bool {
        let (budget, left) = (&self.budget, &state.budget);
        let is_calm = budget.crashes == left.crashes && budget.freezes == left.freezes;
        let is_unsent = |who: Index| {
            let Recipient { attempt, status, .. } = state.recipients[who];
            let sent = |one: &Message| one.who == who && one.attempt == attempt;
            status == Status::Unconfirmed && !state.messages().any(sent)
        };
        is_calm && (0..RECIPIENTS).any(is_unsent)
    }

    fn ends_well(&self, state: &State) -> bool {
        self.quiet.ends_well(state, &self.setting)
    }
}
