//! What is checked at each step, whoever makes it.

use carillon_nouns::recipient::Status;

use crate::state::{Index, Message, Outcome, RECIPIENTS, Recipient, State, Violation};

impl State {
    /// Compares the recipients with those before a step.
    pub fn check_step(&mut self, before: &Self) {
        for who in 0..RECIPIENTS {
            let (old, new) = (before.recipients[who], self.recipients[who]);
            if old.seen() == new.seen() {
                continue;
            }
            if !is_allowed(old, new) {
                self.violate(Violation::WentDown);
            }
            if !self.is_true(who) {
                self.violate(Violation::FalseReport);
            }
            if self.is_denied(who) {
                self.violate(Violation::SentButSkipped);
            }
        }
    }

    /// Whether a recipient's status is what became of its message.
    fn is_true(&self, who: Index) -> bool {
        let Recipient { attempt, status, .. } = self.recipients[who];
        let mut messages = self.messages().filter(|one| one.who == who && one.attempt == attempt);
        match status {
            Status::Sent => {
                messages.any(|one| !matches!(one.outcome, Outcome::Refused | Outcome::Unknown))
            }
            Status::Delivered => messages.any(|one| one.outcome == Outcome::Delivered),
            _ => true,
        }
    }

    /// Whether a message may have arrived whose recipient is reported as not sent to.
    fn is_denied(&self, who: Index) -> bool {
        let Recipient { attempt, status, .. } = self.recipients[who];
        let is_current = |message: &&Message| {
            message.who == who && message.attempt == attempt && !message.is_known_to_have_failed()
        };
        let denies = matches!(status, Status::Skipped | Status::Cancelled);
        denies && self.messages().any(|message| is_current(&message))
    }
}

/// Whether a recipient may change so: within an attempt its status only advances, the next
/// attempt follows one that may be repeated, and an older one is taken up only once it arrived.
fn is_allowed(old: Recipient, new: Recipient) -> bool {
    let repeats = matches!(old.status, Status::Sending | Status::Unconfirmed | Status::Sent);
    match new.attempt.cmp(&old.attempt) {
        std::cmp::Ordering::Equal => old.status.rank() < new.status.rank(),
        std::cmp::Ordering::Greater => {
            repeats && new.attempt == old.attempt + 1 && new.status == Status::Pending
        }
        std::cmp::Ordering::Less => {
            old.status == Status::Pending && new.status.rank() >= Status::Delivered.rank()
        }
    }
}
