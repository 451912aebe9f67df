use carillon::recipient::{Recipient, Status};

/// Whether a recipient may change from `old` to `new`. Within an attempt the status
/// only moves up. A new attempt follows one that was claimed. An older attempt
/// replaces a pending retry if its message was delivered after all.
pub(super) fn is_valid_transition(old: &Recipient, new: &Recipient) -> bool {
    if new.rank != new.status.rank() {
        return false;
    }
    if new.attempt == old.attempt {
        return new.rank >= old.rank;
    }
    if new.attempt < old.attempt {
        return old.status == Status::Pending && new.rank >= Status::Delivered.rank();
    }
    let was_claimed = (Status::Sending.rank()..=Status::Sent.rank()).contains(&old.rank);
    new.attempt == old.attempt + 1 && new.status == Status::Pending && was_claimed
}

/// Whether the write is a claim. Any write that leads to `sending` counts, also one
/// that leaves the status as it was.
pub(super) fn is_claim(old: &Recipient, new: &Recipient) -> bool {
    new.status == Status::Sending
        && (old.status != Status::Sending || old.batch != new.batch || old.sent_at != new.sent_at)
}

/// A recipient's status and attempt, for a violation's message.
pub(crate) fn describe(recipient: &Recipient) -> String {
    format!("{} in attempt {}", recipient.status, recipient.attempt)
}
