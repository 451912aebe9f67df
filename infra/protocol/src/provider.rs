//! The provider: what it does with a message that it is handed, and what it reports.

use crate::state::{Answer, At, Index, Kind, Message, Outcome, Refusal, Report, State, Violation};
use carillon_nouns::recipient::Status;

/// What the provider does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// Accepts the message.
    Accepts,
    /// Accepts it, and its answer is lost.
    AcceptsSilently,
    /// Does not get it, or refuses it; there is no answer.
    Vanishes,
    /// Refuses it.
    Refuses(Refusal),
}

impl State {
    /// Hands the message of a run's request over.
    pub fn hand_over(&mut self, slot: usize, who: Index, treatment: Treatment) {
        let Some(mut run) = self.runs[slot] else { return };
        let Some(attempt) = run.due[who] else { return };
        let has_batch = self.batches[run.batch].is_some_and(|batch| batch.is_open);
        // A run that is frozen within the request cannot know.
        if !has_batch && !run.is_late {
            self.violate(Violation::NoReservation);
        }
        // A person took the risk that the attempt goes out.
        let is_waived = attempt <= self.recipients[who].waived;
        if !is_waived {
            self.check_message(who, attempt, run.knew_person);
        }
        let (outcome, answer) = match treatment {
            Treatment::Accepts => (Outcome::Accepted, Answer::Accepted),
            Treatment::AcceptsSilently => (Outcome::Accepted, Answer::Lost),
            Treatment::Vanishes => (Outcome::Unknown, Answer::Lost),
            Treatment::Refuses(refusal) => (Outcome::Refused, Answer::Refused(refusal)),
        };
        run.at = At::Answered { who, answer };
        self.runs[slot] = Some(run);
        let message = Message {
            who,
            attempt,
            outcome,
            knew_person: run.knew_person,
            is_waived,
            reports: [Report::None; 3],
        };
        match self.messages.iter_mut().find(|one| one.is_none()) {
            Some(free) => *free = Some(message),
            None => unreachable!("a world with more messages than the model has room for"),
        }
    }

    /// Invariant 1: nobody is sent to who may have the message.
    fn check_message(&mut self, who: Index, attempt: u8, knew_person: bool) {
        let is_open = |one: &&Message| !one.is_known_to_have_failed();
        let is_own = |one: &Message| one.who == who && (one.attempt == attempt || is_open(&one));
        if self.messages().any(is_own) {
            self.violate(Violation::SentTwice);
        }
        let is_others = |one: &Message| one.who != who && is_open(&one);
        if self.messages().any(|one| is_others(one) && (knew_person || one.knew_person)) {
            self.violate(Violation::PersonSentTwice);
        }
        let recipient = self.recipients[who];
        let is_skipped = matches!(recipient.status, Status::Skipped | Status::Cancelled);
        if recipient.attempt == attempt && is_skipped {
            self.violate(Violation::SentButSkipped);
        }
    }

    /// The provider reports what became of a message. `false` where it cannot.
    pub fn report(&mut self, index: usize, kind: Kind) -> bool {
        let Some(message) = &mut self.messages[index] else { return false };
        let outcome = match (message.outcome, kind) {
            (Outcome::Accepted, Kind::Delivered) => Outcome::Delivered,
            (Outcome::Accepted, Kind::Failed) => Outcome::Failed,
            (Outcome::Failed, Kind::Delivered) if self.budget.contradictions > 0 => {
                self.budget.contradictions -= 1;
                Outcome::Delivered
            }
            (Outcome::Accepted | Outcome::Delivered, Kind::Sent) => message.outcome,
            _ => return false,
        };
        if message.reports[kind as usize] != Report::None {
            return false;
        }
        message.outcome = outcome;
        message.reports[kind as usize] = Report::Owed;
        true
    }
}
