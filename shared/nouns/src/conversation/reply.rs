//! Which campaign a message replies to.

use carillon_table::{StoreError, Table};
use jiff::{SignedDuration, Timestamp};

use super::Inbound;
use crate::campaign;
use crate::contact::Contact;
use crate::recipient::{self, Recipient, RecipientKey};

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

/// The message of ours that `message` replies to. A quoted message is found however old it
/// is, and one that is no campaign's belongs to none. Without a quote it is the latest one
/// that the person was sent over the connection that the reply came to.
pub(super) async fn replied_to(
    table: &Table,
    contact: &Contact,
    message: &Inbound,
) -> Result<Option<Candidate>, StoreError> {
    let since = match message.quoted {
        Some(_) => Timestamp::UNIX_EPOCH,
        None => message.at.checked_sub(REPLY_PERIOD).unwrap_or(Timestamp::UNIX_EPOCH),
    };
    let mut latest: Option<Candidate> = None;
    for id in contact.profile.merged.iter().copied().chain([contact.id]) {
        for key in recipient::store::sent_to(table, id, since, message.quoted.is_some()).await? {
            let Some(recipient) = recipient::store::get(table, &key).await? else { continue };
            let candidate = Candidate::of(key, &recipient, message);
            if candidate.is_quoted {
                return Ok(Some(candidate));
            }
            if candidate.may_be(&recipient, message)
                && latest.as_ref().is_none_or(|known| known.sent_at < candidate.sent_at)
                && was_sent_over(table, &key, message).await?
            {
                latest = Some(candidate);
            }
        }
    }
    Ok(latest)
}

/// Whether a campaign sends over the connection that a message came to.
async fn was_sent_over(
    table: &Table,
    key: &RecipientKey,
    message: &Inbound,
) -> Result<bool, StoreError> {
    let campaign = campaign::store::get(table, key.campaign).await?;
    let connection = campaign.map(|campaign| campaign.settings.connection_id);
    Ok(connection.is_some() && connection == message.connection_id)
}

impl Candidate {
    fn of(key: RecipientKey, recipient: &Recipient, message: &Inbound) -> Self {
        let is_quoted = message.quoted.is_some() && message.quoted == recipient.message_id;
        Self { key, attempt: recipient.attempt, sent_at: recipient.sent_at, is_quoted }
    }

    /// Whether the message may reply to it. Of a quoted message only one whose id is not
    /// known yet may be the quoted one.
    fn may_be(&self, recipient: &Recipient, message: &Inbound) -> bool {
        let before = self.sent_at.is_some_and(|sent| sent <= message.at + CLOCK_TOLERANCE);
        let recent = self.sent_at.is_some_and(|sent| sent + REPLY_PERIOD > message.at);
        let unknown = message.quoted.is_none() || recipient.message_id.is_none();
        before && recent && unknown && recipient.may_have_reached()
    }
}
