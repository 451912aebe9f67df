//! One person with several addresses: finding, creating, linking and moving them.

use std::collections::HashMap;

use carillon_foundations::address::Address;
use carillon_foundations::ids::{ContactId, IdSource};
use carillon_foundations::phone::Phone;
use carillon_table::{StoreError, Table};
use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;

use super::addresses::{Owner, claim, find_many, give_up};
use super::merge::merge_if_one;

/// How many persons are created at the same time.
const IN_FLIGHT: usize = 16;

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
    known: &HashMap<Address, Owner>,
    at: Timestamp,
) -> Result<Option<ContactId>, StoreError> {
    let found = person.iter().find_map(|address| known.get(address));
    let mut contact = found.map(|owner| owner.contact);
    for address in person {
        let owner = match (known.get(address), contact) {
            (Some(owner), _) => Some(*owner),
            (None, Some(contact)) => claim(table, address, contact, at).await?,
            // Where another process creates the person at this moment, theirs counts.
            (None, None) => claim(table, address, ContactId::from_uuid(ids.uuid(at)), at).await?,
        };
        contact = match (contact, owner) {
            (Some(one), Some(owner)) => Some(merge_if_one(table, one, owner.contact).await?),
            (one, owner) => one.or(owner.map(|owner| owner.contact)),
        };
    }
    Ok(contact)
}

/// Records that these addresses reached a contact at `at`, as its provider reported. Contacts
/// that they lead to are merged with it. Returns the contact, or the survivor of the merge.
pub async fn attach(
    table: &Table,
    contact: ContactId,
    addresses: &[Address],
    at: Timestamp,
) -> Result<ContactId, StoreError> {
    let known = find_many(table, &addresses.iter().collect::<Vec<_>>()).await?;
    let mut contact = contact;
    for address in addresses {
        let owner = match known.get(address) {
            Some(owner) => Some(*owner),
            None => claim(table, address, contact, at).await?,
        };
        if let Some(owner) = owner {
            contact = merge_if_one(table, contact, owner.contact).await?;
        }
    }
    Ok(contact)
}

/// Moves a person from their old addresses to new ones: at `at` they changed their number. An
/// old address that was linked after that is left alone: numbers are given to new owners, and
/// the event may be repeated. A number is given up in every spelling. Suppressions, consent and history stay with the contact. Returns
/// the contact, if an old address led to one.
pub async fn change(
    table: &Table,
    old: &[Address],
    new: &[Address],
    at: Timestamp,
) -> Result<Option<ContactId>, StoreError> {
    if new.is_empty() {
        return Ok(None);
    }
    let spellings = other_spellings(old);
    let known = find_many(table, &old.iter().chain(&spellings).collect::<Vec<_>>()).await?;
    let is_theirs = |address: &&Address| {
        !new.contains(address) && known.get(*address).is_some_and(|owner| owner.linked_at <= at)
    };
    let spellings: Vec<&Address> = spellings.iter().filter(is_theirs).collect();
    let old: Vec<&Address> = old.iter().filter(is_theirs).collect();
    let mut contact = None;
    for owner in old.iter().filter_map(|address| known.get(*address)) {
        contact = Some(match contact {
            Some(one) => merge_if_one(table, one, owner.contact).await?,
            None => owner.contact,
        });
    }
    let Some(contact) = contact else { return Ok(None) };
    let contact = attach(table, contact, new, at).await?;
    // Where the other spelling leads to somebody else it is another number.
    for address in old.into_iter().chain(spellings) {
        give_up(table, contact, address, at).await?;
    }
    Ok(Some(contact))
}

/// The other spelling of each mobile number of Argentina.
fn other_spellings(addresses: &[Address]) -> Vec<Address> {
    let phones = addresses.iter().filter_map(Address::phone);
    phones.filter_map(Phone::without_mobile_prefix).map(Address::Phone).collect()
}
