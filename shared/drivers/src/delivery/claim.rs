//! Claims: who wins one must send. A claim is one transaction over the recipient and the
//! contact, so that an opt-out that was stored before always wins.

use std::collections::BTreeSet;

use carillon_foundations::address::Address;
use carillon_foundations::ids::{ContactId, RunId};
use carillon_foundations::time::sortable;
use carillon_nouns::contact::store::{ClaimOf, Reservation};
use carillon_nouns::contact::{self, Profile, SuppressionReason};
use carillon_nouns::quota::QuotaCharge;
use carillon_nouns::recipient::{self, BatchNumber, Callback, Recipient};
use carillon_table::{Cancelled, StoreError, Table, Update, Write, read_item};
use jiff::{SignedDuration, Timestamp};

use super::settle::Charged;

/// The result of a claim.
#[derive(Debug)]
pub enum Claim {
    /// The claim succeeded: the caller must send.
    Won,
    /// An earlier request of the same run, whose answer was lost, has won it then.
    WonBefore(Timestamp),
    /// Another run has the recipient, or it is no longer pending.
    Lost,
    /// The contact is suppressed.
    Suppressed(SuppressionReason),
    /// The campaign has sent to the person under another id.
    DuplicatePerson,
    /// The contact was merged into this one.
    Merged(ContactId),
    /// The provider holds marketing messages back from the contact until then.
    Held(Timestamp),
    /// The contact does not have the address any more, or was split from the recipient's.
    Moved,
    /// The contact was sent to within the claim interval.
    TooSoon,
    /// Another write touches the same items; a retry may succeed.
    Busy,
}

/// A claim of a contact, for one message.
#[derive(Debug, Clone, Copy)]
pub struct ContactClaim<'a> {
    /// The contact.
    pub contact: ContactId,
    /// The contact of the recipient, which may have been merged into it; none of a test send.
    pub recipient: Option<ContactId>,
    /// The contacts that were merged into it, as they were read; of a retry, which fails where
    /// there are others by now.
    pub seen_merged: Option<&'a BTreeSet<ContactId>>,
    /// Which message it is claimed for.
    pub message: ClaimOf,
    /// The address that it is sent to.
    pub to: &'a Address,
    /// Whether it is a marketing message, which the provider may hold back.
    pub is_marketing: bool,
    /// When.
    pub now: Timestamp,
    /// The minimum time since the last claim of the contact.
    pub interval: SignedDuration,
    /// How the message is charged.
    pub charge: QuotaCharge,
    /// The reservation that the contact gets.
    pub reservation: Reservation<'a>,
}

impl ContactClaim<'_> {
    /// The contact of the recipient, if it was merged into the one that is claimed.
    fn merged(&self) -> Option<ContactId> {
        self.recipient.filter(|recipient| *recipient != self.contact)
    }
}

/// What a claim holds, if it was won: with a lost answer that is not known.
#[derive(Debug, Clone)]
pub(super) struct Held {
    /// The attempt.
    pub(super) attempt: Callback,
    /// The contact that was claimed.
    pub(super) contact: ContactId,
    /// How, and when.
    pub(super) charged: Charged,
}

impl Held {
    /// Whether it is the claim that was stored with this time, which has milliseconds.
    pub(super) fn is_of(&self, at: Timestamp) -> bool {
        sortable(self.charged.at) == sortable(at)
    }
}

/// Claims an attempt for a run over a batch.
pub(super) async fn claim(
    table: &Table,
    attempt: &Callback,
    by: (BatchNumber, RunId),
    request: &ContactClaim<'_>,
) -> Result<Claim, StoreError> {
    let Callback { recipient: key, attempt } = attempt;
    let recipient = recipient::store::claim_update(key, *attempt, by, request.now);
    let contact = contact_update(request);
    match table.transact(vec![Write::Update(recipient), Write::Update(contact)]).await {
        Ok(()) => Ok(Claim::Won),
        Err(StoreError::Cancelled(reasons)) => lost(reasons, request, (by.1, *attempt)),
        Err(error) => Err(error),
    }
}

/// Claims a contact for a test send, which has no recipient.
pub async fn claim_test_send(
    table: &Table,
    request: &ContactClaim<'_>,
) -> Result<Claim, StoreError> {
    match table.update(contact_update(request)).await {
        Ok(_) => Ok(Claim::Won),
        Err(StoreError::Condition(Some(item))) => Ok(contact_claim(&read_item(*item)?, request)),
        Err(StoreError::Condition(None)) => Ok(Claim::Busy),
        Err(error) => Err(error),
    }
}

fn contact_update(request: &ContactClaim<'_>) -> Update {
    let ContactClaim { contact, message, now, .. } = *request;
    let update = contact::store::claim_update(contact, message, now, now - request.interval);
    let update = contact::store::while_reached_at(update, request.to);
    let update = match request.merged() {
        Some(loser) => contact::store::while_merged(update, loser),
        None => update,
    };
    let update = match request.seen_merged {
        Some(seen) => contact::store::while_merged_are(update, seen),
        None => update,
    };
    let update =
        if request.is_marketing { contact::store::unless_held(update, now) } else { update };
    contact::store::charge(update, request.charge, request.reservation)
}

fn lost(
    reasons: Vec<Cancelled>,
    request: &ContactClaim<'_>,
    (run, attempt): (RunId, u32),
) -> Result<Claim, StoreError> {
    let mut reasons = reasons.into_iter();
    if let Some(Cancelled::Condition(item)) = reasons.next() {
        // There is no such recipient.
        if item.is_empty() {
            return Ok(Claim::Lost);
        }
        let found: Recipient = read_item(item)?;
        return Ok(found.claimed_by(run, attempt).map_or(Claim::Lost, Claim::WonBefore));
    }
    let Some(Cancelled::Condition(item)) = reasons.next() else { return Ok(Claim::Busy) };
    Ok(contact_claim(&read_item(item)?, request))
}

fn contact_claim(profile: &Profile, request: &ContactClaim<'_>) -> Claim {
    let earliest = request.now - request.interval;
    if let Some(survivor) = profile.merged_into {
        return Claim::Merged(survivor);
    }
    if request.merged().is_some_and(|loser| !profile.merged.contains(&loser)) {
        return Claim::Moved;
    }
    if let Some(reason) = profile.suppression() {
        return Claim::Suppressed(reason);
    }
    if let ClaimOf::First(campaign) = request.message
        && profile.sent_campaigns.contains(&campaign)
    {
        return Claim::DuplicatePerson;
    }
    if !profile.addresses.contains(request.to) {
        return Claim::Moved;
    }
    match profile.marketing_held_until {
        Some(until) if request.is_marketing && until > request.now => Claim::Held(until),
        _ if profile.last_sent_at.is_some_and(|sent| sent > earliest) => Claim::TooSoon,
        // Another run sent to the contact after its profile was read, outside the interval, or
        // another contact was merged into it.
        _ => Claim::Busy,
    }
}
