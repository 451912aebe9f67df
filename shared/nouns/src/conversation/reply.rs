//! Which campaign a message replies to.

use carillon_foundations::address::Address;
use carillon_table::{StoreError, Table};
use jiff::{SignedDuration, Timestamp};

use super::Inbound;
use crate::recipient::{self, Recipient, RecipientKey, Status};

/// How long after a campaign's message a reply without a quote counts for it.
const REPLY_PERIOD: SignedDuration = SignedDuration::from_hours(7 * 24);
/// The tolerance for the difference between two clocks.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// A message of ours that a contact may have replied to.
pub(super) struct Candidate {
    pub(super) key: RecipientKey,
    pub(super) attempt: u32,
    sent_at: Option<Timestamp>,
    is_quoted: bool,
}

/// The message of ours that `message` replies to: the one that it quotes, or else the
/// latest one to any address of the person.
pub(super) async fn replied_to(
    table: &Table,
    addresses: &[Address],
    message: &Inbound,
) -> Result<Option<Candidate>, StoreError> {
    let mut latest: Option<Candidate> = None;
    for address in addresses {
        match latest_to(table, address, message).await? {
            Some(found) if found.is_quoted => return Ok(Some(found)),
            found => latest = latest.into_iter().chain(found).max_by_key(|found| found.sent_at),
        }
    }
    Ok(latest)
}

async fn latest_to(
    table: &Table,
    address: &Address,
    message: &Inbound,
) -> Result<Option<Candidate>, StoreError> {
    let since = message.at.checked_sub(REPLY_PERIOD).unwrap_or(Timestamp::MIN);
    let mut latest = None;
    for key in recipient::store::sent_to(table, address, since).await? {
        let Some(recipient) = recipient::store::get(table, &key).await? else { continue };
        if !was_sent(recipient.status) {
            continue;
        }
        let candidate = Candidate::of(key, &recipient, message);
        if candidate.is_quoted {
            return Ok(Some(candidate));
        }
        if latest.is_none() && candidate.was_sent_before(message.at) {
            latest = Some(candidate);
            if message.quoted.is_none() {
                break;
            }
        }
    }
    Ok(latest)
}

impl Candidate {
    fn of(key: RecipientKey, recipient: &Recipient, message: &Inbound) -> Self {
        let is_quoted = message.quoted.is_some() && message.quoted == recipient.message_id;
        Self { key, attempt: recipient.attempt, sent_at: recipient.sent_at, is_quoted }
    }

    fn was_sent_before(&self, at: Timestamp) -> bool {
        self.sent_at.is_some_and(|sent| sent <= at + CLOCK_TOLERANCE)
    }
}

/// Whether a recipient in that status has a message to reply to.
fn was_sent(status: Status) -> bool {
    match status {
        Status::Sending
        | Status::Unconfirmed
        | Status::Sent
        | Status::Delivered
        | Status::Read
        | Status::Replied
        | Status::Closed => true,
        Status::Pending | Status::Failed | Status::Skipped | Status::Cancelled => false,
    }
}
