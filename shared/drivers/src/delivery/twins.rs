//! Likely twins: two numbers that may be one person's, whose link only WhatsApp knows.
//!
//! In Argentina a mobile number is written with and without a `9`. Both may be in one
//! campaign. The one with the `9` waits until the other is settled: the answer to it names the
//! form that WhatsApp has. If that is the one with the `9`, the two contacts are merged, and
//! the second recipient is a duplicate; otherwise the first is a landline. Where the twin is
//! suppressed nobody learns which it is, and both are.

use std::collections::HashMap;

use carillon_foundations::address::Address;
use carillon_foundations::ids::ContactId;
use carillon_nouns::contact::{self, Contact, addresses};
use carillon_nouns::recipient::{self, Recipient, RecipientSet, Status, WaitsFor};
use carillon_table::{StoreError, Table};
use jiff::{SignedDuration, Timestamp};

use super::due::Due;

/// How long a recipient waits at least.
const WAIT: SignedDuration = SignedDuration::from_mins(1);
/// How long it waits for a twin whose answer was lost: a status may come until then.
const LONGEST_UNCONFIRMED: SignedDuration = SignedDuration::from_hours(24);

/// The due recipients without those whose likely twin goes first, which are deferred, and
/// those whose likely twin is suppressed, which are skipped.
pub(super) async fn without_waiting(
    table: &Table,
    recipients: RecipientSet,
    due: Vec<Due>,
    now: Timestamp,
) -> Result<Vec<Due>, StoreError> {
    let twins: HashMap<usize, Address> =
        due.iter().enumerate().filter_map(|(index, one)| Some((index, twin_of(one)?))).collect();
    if twins.is_empty() {
        return Ok(due);
    }
    let owners = owners(table, twins.values()).await?;
    let mut ready = Vec::with_capacity(due.len());
    for (index, one) in due.into_iter().enumerate() {
        let owner = |twin| owners.get(twin).filter(|owner| owner.id != one.contact.id);
        let Some((twin, owner)) = twins.get(&index).and_then(|twin| Some((twin, owner(twin)?)))
        else {
            ready.push(one);
            continue;
        };
        let attempt = one.recipient.attempt;
        if let Some(reason) = owner.profile.suppression() {
            recipient::store::skip(table, &one.key, attempt, reason.into(), None).await?;
            continue;
        }
        let first =
            if goes_first(twin) { unsettled(table, recipients, owner, now).await? } else { None };
        match first {
            Some(first) => {
                let until = first.not_before.unwrap_or(now).max(now) + WAIT;
                let twin = WaitsFor::LikelyTwin;
                recipient::store::defer(table, &one.key, attempt, until, twin).await?;
            }
            None => ready.push(one),
        }
    }
    Ok(ready)
}

/// The other spelling of a contact's number, unless it is known to be the contact's.
fn twin_of(due: &Due) -> Option<Address> {
    let addresses = &due.contact.profile.addresses;
    let twin = addresses.iter().find_map(|one| one.phone()?.likely_twin())?.into();
    (!addresses.contains(&twin)).then_some(twin)
}

/// The form without the `9` goes first.
fn goes_first(twin: &Address) -> bool {
    twin.phone().is_some_and(|phone| phone.without_mobile_prefix().is_none())
}

/// The contacts that addresses lead to.
async fn owners(
    table: &Table,
    addresses: impl Iterator<Item = &Address>,
) -> Result<HashMap<Address, Contact>, StoreError> {
    let found = addresses::find_many(table, &addresses.collect::<Vec<_>>()).await?;
    let ids: Vec<ContactId> = found.values().filter_map(|entry| entry.contact).collect();
    let contacts = contact::store::many(table, &ids).await?;
    let owner =
        |(address, id): (Address, Option<ContactId>)| Some((address, contacts.get(&id?).cloned()?));
    Ok(found
        .into_iter()
        .map(|(address, entry)| (address, entry.contact))
        .filter_map(owner)
        .collect())
}

/// The recipient of a contact in the campaign whose message is still to be answered.
async fn unsettled(
    table: &Table,
    recipients: RecipientSet,
    owner: &Contact,
    now: Timestamp,
) -> Result<Option<Recipient>, StoreError> {
    for id in owner.profile.merged.iter().copied().chain([owner.id]) {
        let found = recipient::store::get(table, &recipients.key(id)).await?;
        let waits = found.filter(|found| match found.status {
            Status::Pending | Status::Sending => true,
            Status::Unconfirmed => {
                found.sent_at.is_some_and(|sent| now < sent + LONGEST_UNCONFIRMED)
            }
            _ => false,
        });
        if waits.is_some() {
            return Ok(waits);
        }
    }
    Ok(None)
}
