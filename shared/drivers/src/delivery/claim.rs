//! Claims: who wins one must send. A claim is one transaction over the recipient and the
//! contact, so that an opt-out that was stored before always wins.

use carillon_foundations::address::Address;
use carillon_nouns::contact::{self, Profile, SuppressionReason, store::Reservation};
use carillon_nouns::quota::QuotaCharge;
use carillon_nouns::recipient::{self, BatchNumber, RecipientKey};
use carillon_table::{Cancelled, StoreError, Table, Update, Write, read_item};
use jiff::{SignedDuration, Timestamp};

/// The result of a claim.
#[derive(Debug)]
pub enum Claim {
    /// The claim succeeded: the caller must send.
    Won,
    /// Another run has the recipient, or it is no longer pending.
    Lost,
    /// The contact is suppressed.
    Suppressed(SuppressionReason),
    /// The contact was sent to within the claim interval.
    TooSoon,
    /// Another write touches the same items; a retry may succeed.
    Busy,
}

/// A claim of a contact, for one message.
#[derive(Debug, Clone, Copy)]
pub struct ContactClaim<'a> {
    /// When.
    pub now: Timestamp,
    /// The minimum time since the last claim of the contact.
    pub interval: SignedDuration,
    /// How the message is charged.
    pub charge: QuotaCharge,
    /// The reservation that the contact gets.
    pub reservation: Reservation<'a>,
}

/// Claims an attempt, counted from 1, for a batch.
pub(super) async fn claim(
    table: &Table,
    key: &RecipientKey,
    attempt: u32,
    batch: BatchNumber,
    request: &ContactClaim<'_>,
) -> Result<Claim, StoreError> {
    let recipient = recipient::store::claim_update(key, attempt, batch, request.now);
    let contact = contact_update(&key.contact, request);
    match table.transact(vec![Write::Update(recipient), Write::Update(contact)]).await {
        Ok(()) => Ok(Claim::Won),
        Err(StoreError::Cancelled(reasons)) => lost(reasons, request),
        Err(error) => Err(error),
    }
}

/// Claims a contact for a test send, which has no recipient.
pub async fn claim_test_send(
    table: &Table,
    contact: &Address,
    request: &ContactClaim<'_>,
) -> Result<Claim, StoreError> {
    match table.update(contact_update(contact, request)).await {
        Ok(_) => Ok(Claim::Won),
        Err(StoreError::Condition(Some(item))) => Ok(contact_claim(&read_item(*item)?, request)),
        Err(StoreError::Condition(None)) => Ok(Claim::Busy),
        Err(error) => Err(error),
    }
}

fn contact_update(contact: &Address, request: &ContactClaim<'_>) -> Update {
    let earliest = request.now - request.interval;
    let update = contact::store::claim_update(contact, request.now, earliest);
    contact::store::charge(update, request.charge, request.reservation)
}

fn lost(reasons: Vec<Cancelled>, request: &ContactClaim<'_>) -> Result<Claim, StoreError> {
    let mut reasons = reasons.into_iter();
    if let Some(Cancelled::Condition(_)) = reasons.next() {
        return Ok(Claim::Lost);
    }
    let Some(Cancelled::Condition(item)) = reasons.next() else { return Ok(Claim::Busy) };
    Ok(contact_claim(&read_item(item)?, request))
}

fn contact_claim(profile: &Profile, request: &ContactClaim<'_>) -> Claim {
    let earliest = request.now - request.interval;
    match profile.suppression() {
        Some(reason) => Claim::Suppressed(reason),
        None if profile.last_sent_at.is_some_and(|sent| sent > earliest) => Claim::TooSoon,
        // Another run sent to the contact after its profile was read, outside the interval.
        None => Claim::Busy,
    }
}
