//! One person with several addresses: finding, creating, linking and moving them.

use std::collections::HashMap;

use carillon_foundations::address::Address;
use carillon_foundations::ids::{ContactId, IdSource};
use carillon_table::{StoreError, Table};
use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;

use super::addresses::{
    Entry, claim, find_many, give_up, list_again, record_former, record_latest,
};
use super::merge::merge_if_one;
use super::store;

/// How many persons are created at the same time.
const IN_FLIGHT: usize = 16;
/// How often a change that met another one is repeated.
const MAX_TRIES: u32 = 20;

/// The contacts of persons, each given by addresses that are known to be theirs, at most 100
/// persons. Contacts that do not exist are created, and those that turn out to be one person
/// are merged. `None` for a person without an address.
pub async fn resolve_many(
    table: &Table,
    ids: &IdSource,
    persons: &[Vec<Address>],
    now: Timestamp,
) -> Result<Vec<Option<ContactId>>, StoreError> {
    let all: Vec<&Address> = persons.iter().flatten().collect();
    let known = find_many(table, &all).await?;
    let resolving: Vec<_> =
        persons.iter().map(|person| resolve_known(table, ids, person, &known, now)).collect();
    stream::iter(resolving).buffered(IN_FLIGHT).try_collect().await
}

/// The contact of a person with these addresses at `at`, created where there is none; `None`
/// without an address. Contacts that turn out to be one person are merged.
pub async fn resolve(
    table: &Table,
    ids: &IdSource,
    person: &[Address],
    at: Timestamp,
) -> Result<Option<ContactId>, StoreError> {
    let known = find_many(table, &person.iter().collect::<Vec<_>>()).await?;
    resolve_known(table, ids, person, &known, at).await
}

async fn resolve_known(
    table: &Table,
    ids: &IdSource,
    person: &[Address],
    known: &HashMap<Address, Entry>,
    at: Timestamp,
) -> Result<Option<ContactId>, StoreError> {
    let owner_of = |address: &Address| known.get(address).and_then(|entry| entry.owner_at(at));
    let mut contact = person.iter().find_map(owner_of);
    for address in person {
        if let Some(erased) = known.get(address).and_then(Entry::erased_contact) {
            list_again(table, address, erased).await?;
        }
        let owner = match (owner_of(address), contact) {
            (Some(owner), _) => Some(owner),
            (None, Some(contact)) => claim(table, address, contact, at).await?,
            // Where another process creates the person at this moment, theirs counts.
            (None, None) => claim(table, address, ContactId::from_uuid(ids.uuid(at)), at).await?,
        };
        contact = match (contact, owner) {
            (Some(one), Some(owner)) => Some(merge_if_one(table, one, owner).await?),
            (one, owner) => one.or(owner),
        };
    }
    Ok(contact)
}

/// Records that these addresses reached a contact, as its provider reported at `at`. Contacts
/// that they lead to are merged with it. An address that the contact gave up is left alone:
/// a report of an old message may come after a number change. Returns the contact, or the
/// survivor of the merges.
pub async fn attach(
    table: &Table,
    contact: ContactId,
    addresses: &[Address],
    at: Timestamp,
) -> Result<ContactId, StoreError> {
    let known = find_many(table, &addresses.iter().collect::<Vec<_>>()).await?;
    attach_known(table, contact, (addresses, &known), at).await
}

/// [`attach`] for addresses whose entries were just read.
#[expect(clippy::implicit_hasher, reason = "the entries are what `find_many` answers")]
pub async fn attach_known(
    table: &Table,
    contact: ContactId,
    (addresses, known): (&[Address], &HashMap<Address, Entry>),
    at: Timestamp,
) -> Result<ContactId, StoreError> {
    let mut theirs = Vec::with_capacity(addresses.len());
    for address in addresses {
        let last_owner = known.get(address).and_then(|entry| entry.last_owner);
        let is_given_up = match last_owner {
            Some(last) => is_same(table, last, contact).await?,
            None => false,
        };
        if !is_given_up {
            theirs.push(address.clone());
        }
    }
    link(table, contact, &theirs, known, at).await
}

/// Lets addresses lead to a contact; contacts that they lead to are merged with it. A phone
/// that is new to the contact is the one that it is sent to from then on.
async fn link(
    table: &Table,
    contact: ContactId,
    addresses: &[Address],
    known: &HashMap<Address, Entry>,
    at: Timestamp,
) -> Result<ContactId, StoreError> {
    let mut contact = contact;
    for address in addresses {
        let owner = match known.get(address).and_then(|entry| entry.owner_at(at)) {
            Some(owner) if owner == contact => continue,
            Some(owner) => Some(owner),
            None => claim(table, address, contact, at).await?,
        };
        if let Some(owner) = owner {
            contact = merge_if_one(table, contact, owner).await?;
            if address.phone().is_some() {
                store::prefer(table, contact, address).await?;
            }
        }
    }
    Ok(contact)
}

/// Moves a person from their old addresses to new ones: at `at` they changed their number. An
/// old address that was linked after that is left alone: numbers are given to new owners, and
/// the event may be repeated. Suppressions, consent and history stay with the contact. Where no
/// old address led to one then, the change before this one may still be on its way: the old
/// addresses are recorded as what the contact had, which that change is then merged with.
/// Returns the contact, if it has any of these addresses.
pub async fn change(
    table: &Table,
    ids: &IdSource,
    (old, new): (&[Address], &[Address]),
    at: Timestamp,
) -> Result<Option<ContactId>, StoreError> {
    if new.is_empty() {
        return Ok(None);
    }
    for _ in 0..MAX_TRIES {
        if let Some(changed) = try_change(table, ids, (old, new), at).await? {
            return Ok(changed);
        }
        // The change before this one was stored at this moment.
    }
    Err(StoreError::Cancelled(Vec::new()))
}

/// [`change`], unless an old address was linked meanwhile as of an earlier time.
async fn try_change(
    table: &Table,
    ids: &IdSource,
    (old, new): (&[Address], &[Address]),
    at: Timestamp,
) -> Result<Option<Option<ContactId>>, StoreError> {
    let twins = old.iter().filter_map(|address| address.phone()?.likely_twin());
    let twins: Vec<Address> = twins.map(Address::from).collect();
    let all: Vec<&Address> = old.iter().chain(&twins).chain(new).collect();
    let known = find_many(table, &all).await?;
    let applied = |address: &Address| {
        known.get(address).filter(|entry| entry.given_up_at == Some(at))?.last_owner
    };
    let is_left = |address: &&Address| {
        let linked_at = known.get(*address).and_then(|entry| entry.linked_at);
        !new.contains(address) && linked_at.is_some_and(|linked| linked <= at)
    };
    let left: Vec<&Address> = old.iter().filter(is_left).collect();
    let owners = left.iter().filter_map(|address| known.get(*address)?.contact);
    let mut contact = None;
    for owner in owners.chain(old.iter().filter_map(applied)) {
        contact = Some(match contact {
            Some(one) => merge_if_one(table, one, owner).await?,
            None => owner,
        });
    }
    let mut theirs = Vec::with_capacity(new.len());
    for address in new {
        if is_free(table, address, known.get(address), (old, new), contact, at).await? {
            theirs.push(address.clone());
        }
    }
    let Some(contact) = move_to(table, ids, contact, &theirs, at).await? else {
        return Ok(Some(None));
    };
    if let Some(phone) = theirs.iter().find(|address| address.phone().is_some()) {
        store::prefer(table, contact, phone).await?;
    }
    for address in &theirs {
        record_latest(table, contact, address, at).await?;
    }
    // The twin of a number that they gave up is the same number.
    for address in old.iter().chain(&twins).filter(|address| !new.contains(address)) {
        if is_left(&address) {
            give_up(table, contact, address, at).await?;
        } else if !record_former(table, contact, address, at).await? {
            return Ok(None);
        }
    }
    Ok(Some(Some(contact)))
}

/// Lets the new addresses of a person lead to their contact: to the one that they lead to, or
/// a new one, where it is unknown.
async fn move_to(
    table: &Table,
    ids: &IdSource,
    contact: Option<ContactId>,
    new: &[Address],
    at: Timestamp,
) -> Result<Option<ContactId>, StoreError> {
    let Some(contact) = contact else { return resolve(table, ids, new, at).await };
    let known = find_many(table, &new.iter().collect::<Vec<_>>()).await?;
    link(table, contact, new, &known, at).await.map(Some)
}

/// Whether a new address of a person may be linked to their contact. One that leads to a
/// contact with another user id had another owner before, who loses it, or got another one
/// since.
async fn is_free(
    table: &Table,
    address: &Address,
    entry: Option<&Entry>,
    (old, new): (&[Address], &[Address]),
    contact: Option<ContactId>,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let Some(entry) = entry.filter(|_| address.phone().is_some()) else { return Ok(true) };
    let (Some(owner), Some(linked_at)) = (entry.contact, entry.linked_at) else { return Ok(true) };
    if entry.owner_at(at) != Some(owner) {
        return Ok(true);
    }
    if let Some(contact) = contact
        && is_same(table, owner, contact).await?
    {
        return Ok(true);
    }
    let owner = store::current(table, owner).await?;
    let is_other =
        |known: &Address| known.phone().is_none() && !old.contains(known) && !new.contains(known);
    if !owner.profile.addresses.iter().any(is_other) {
        return Ok(true);
    }
    if linked_at <= at {
        give_up(table, owner.id, address, at).await?;
    }
    Ok(linked_at <= at)
}

async fn is_same(table: &Table, one: ContactId, other: ContactId) -> Result<bool, StoreError> {
    Ok(one == other
        || store::current(table, one).await?.id == store::current(table, other).await?.id)
}
