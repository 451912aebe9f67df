//! Contacts in the table.

use std::collections::{BTreeSet, HashMap};

use carillon_channel::event::Choice;
use carillon_foundations::address::Address;
use carillon_foundations::time::sortable;
use carillon_table::{Key, StoreError, Table, Update, Write, condition_held, read_item};
use jiff::Timestamp;

use super::{Profile, Suppressions};
use crate::quota::QuotaCharge;

/// The profile of the contact with that address, if there is one.
pub async fn get(table: &Table, contact: &Address) -> Result<Option<Profile>, StoreError> {
    table.get(&Key::Contact(contact.clone())).await
}

/// The profile of a contact, created where there is none.
pub async fn get_or_create(
    table: &Table,
    contact: &Address,
    now: Timestamp,
) -> Result<Profile, StoreError> {
    let created = update(contact).set_once("created_at", sortable(now));
    read_item(table.update(created).await?)
}

/// The profiles of up to 100 contacts; contacts without one are absent.
pub async fn many(
    table: &Table,
    contacts: &[Address],
) -> Result<HashMap<Address, Profile>, StoreError> {
    let keys: Vec<Key> = contacts.iter().cloned().map(Key::Contact).collect();
    let found = table.get_many::<Profile>(&keys).await?.into_iter();
    let known = found.filter_map(|(key, profile)| match key {
        Key::Contact(contact) => Some((contact, profile)),
        _ => None,
    });
    Ok(known.collect())
}

/// Puts a contact on the blacklist under all its addresses, from this moment on.
pub async fn blacklist(
    table: &Table,
    contact: &Address,
    at: Timestamp,
) -> Result<Profile, StoreError> {
    under_all_addresses(table, contact, |key| {
        update(key).set_once("created_at", sortable(at)).set_once("blacklisted_at", sortable(at))
    })
    .await
}

/// Removes a contact from the blacklist under all its addresses.
pub async fn unblacklist(table: &Table, contact: &Address) -> Result<Profile, StoreError> {
    under_all_addresses(table, contact, |key| update(key).remove("blacklisted_at")).await
}

/// Records that a contact stopped or resumed messages, under all its addresses. An older
/// preference that arrives late does not replace a newer one.
pub async fn record_preference(
    table: &Table,
    contact: &Address,
    choice: Choice,
    at: Timestamp,
) -> Result<(), StoreError> {
    let preference = |key: &Address| {
        let update = update(key)
            .set("preference_at", sortable(at))
            .when("attribute_not_exists(#preference_at) OR #preference_at <= :at")
            .value("at", sortable(at));
        match choice {
            Choice::Stop => update.set("opted_out_at", sortable(at)),
            Choice::Resume => update.remove("opted_out_at"),
        }
    };
    under_all_addresses(table, contact, preference).await.map(drop)
}

/// Changes the profiles of all addresses of a person and returns that of `contact`. The
/// aliases are those known once the change is stored: linking another address later
/// finds the change (see [`link`]).
async fn under_all_addresses(
    table: &Table,
    contact: &Address,
    change: impl Fn(&Address) -> Update,
) -> Result<Profile, StoreError> {
    let profile = change_or_find(table, change(contact)).await?;
    let mut done = BTreeSet::from([contact.clone()]);
    let mut left: Vec<Address> = profile.aliases.iter().cloned().collect();
    while let Some(key) = left.pop() {
        if done.insert(key.clone()) {
            left.extend(change_or_find(table, change(&key)).await?.aliases);
        }
    }
    Ok(profile)
}

/// The profile after an update, or unchanged where the condition fails.
async fn change_or_find(table: &Table, update: Update) -> Result<Profile, StoreError> {
    match table.update(update).await {
        Ok(item) => read_item(item),
        Err(StoreError::Condition(Some(item))) => read_item(*item),
        Err(StoreError::Condition(None)) => Ok(Profile::default()),
        Err(error) => Err(error),
    }
}

/// Links two addresses of one person: a suppression of one holds for the other.
///
/// One transaction makes both name each other and gives both the suppressions of both,
/// provided that no suppression changed since it was read. A suppression that is stored
/// later finds the other address (see [`blacklist`] and [`record_preference`]).
pub async fn link(table: &Table, one: &Address, other: &Address) -> Result<(), StoreError> {
    if one == other {
        return Ok(());
    }
    loop {
        let mut known = many(table, &[one.clone(), other.clone()]).await?;
        let ours = known.remove(one).unwrap_or_default();
        let theirs = known.remove(other).unwrap_or_default();
        let linked = ours.aliases.contains(other) && theirs.aliases.contains(one);
        let joined = Suppressions::joined(&ours, &theirs, linked);
        if linked && joined == Suppressions::of(&ours) && joined == Suppressions::of(&theirs) {
            return Ok(());
        }
        let writes =
            vec![link_write(one, &ours, other, joined), link_write(other, &theirs, one, joined)];
        match table.transact(writes).await {
            Ok(()) => {}
            Err(StoreError::Cancelled(_)) => continue,
            Err(error) => return Err(error),
        }
        link_new_aliases(table, one, &ours, &theirs).await?;
        return link_new_aliases(table, other, &theirs, &ours).await;
    }
}

/// Links an address to the aliases of the other that it does not have yet.
async fn link_new_aliases(
    table: &Table,
    address: &Address,
    known: &Profile,
    other: &Profile,
) -> Result<(), StoreError> {
    let new = |alias: &&Address| *alias != address && !known.aliases.contains(alias);
    for alias in other.aliases.iter().filter(new) {
        Box::pin(link(table, address, alias)).await?;
    }
    Ok(())
}

/// Gives `address` an alias and the suppressions of both, if its own are those in `seen`.
fn link_write(address: &Address, seen: &Profile, alias: &Address, joined: Suppressions) -> Write {
    let update = update(address).include("aliases", alias.as_str());
    let changes = joined.attributes().into_iter().zip(Suppressions::of(seen).attributes());
    Write::Update(changes.fold(update, |update, ((name, new), (_, seen))| {
        update.set_or_remove(name, new.map(sortable)).unchanged(name, seen.map(sortable))
    }))
}

fn update(address: &Address) -> Update {
    Update::of(&Key::Contact(address.clone()))
}

/// Merges the profile of the same address from another table: the suppressions and the
/// aliases.
pub async fn merge(table: &Table, from: &Profile, to: &Address) -> Result<(), StoreError> {
    if let Some(at) = from.blacklisted_at {
        blacklist(table, to, at).await?;
    }
    if let Some(at) = from.preference_at {
        let choice = if from.opted_out_at.is_some() { Choice::Stop } else { Choice::Resume };
        record_preference(table, to, choice, at).await?;
    }
    for other in &from.aliases {
        link(table, to, other).await?;
    }
    Ok(())
}

/// Records a message from a contact under all its addresses, and returns the profile.
pub async fn record_inbound(
    table: &Table,
    contact: &Address,
    name: Option<&str>,
    at: Timestamp,
) -> Result<Profile, StoreError> {
    let wrote = |contact: &Address| {
        let update = update(contact)
            .set_once("created_at", sortable(at))
            .set("last_inbound_at", sortable(at));
        match name {
            Some(name) => update.set("name", name),
            None => update,
        }
    };
    under_all_addresses(table, contact, wrote).await
}

/// Removes everything from the profile of an erased contact except the suppressions and
/// what limits the messages to it.
pub async fn strip_profile(
    table: &Table,
    contact: &Address,
    now: Timestamp,
) -> Result<(), StoreError> {
    let update = update(contact)
        .set("erased_at", sortable(now))
        .remove("created_at")
        .remove("name")
        .remove("aliases")
        .remove("last_inbound_at");
    table.update(update).await.map(drop)
}

/// The contact's part of a claim: it fails where the contact is suppressed or was sent to
/// after `earliest`.
pub fn claim_update(contact: &Address, now: Timestamp, earliest: Timestamp) -> Update {
    update(contact)
        .set("last_sent_at", sortable(now))
        .when("attribute_not_exists(#blacklisted_at)")
        .when("attribute_not_exists(#opted_out_at)")
        .when("attribute_not_exists(#last_sent_at) OR #last_sent_at <= :earliest")
        .value("earliest", sortable(earliest))
}

/// A reservation of a quota group for a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reservation<'a> {
    /// The quota group; none for a connection without a quota.
    pub quota_group: Option<&'a str>,
    /// The bucket in which it is counted.
    pub bucket: i64,
}

/// Adds to a claim which reservation the contact has from then on. With
/// [`QuotaCharge::Renew`] the claim fails where the contact was sent to since it was read.
pub fn charge(claim: Update, charge: QuotaCharge, reservation: Reservation<'_>) -> Update {
    let reserved = |claim: Update| {
        claim
            .set_or_remove("quota_group", reservation.quota_group)
            .set("quota_bucket", reservation.bucket)
    };
    match charge {
        QuotaCharge::New => reserved(claim),
        QuotaCharge::Renew { sent_at, .. } => {
            reserved(claim).when("#last_sent_at = :seen").value("seen", sortable(sent_at))
        }
        QuotaCharge::Exempt => claim,
    }
}

/// Undoes [`charge`] for a message that was not sent: the contact has the reservation it
/// had before, or none. `false` where the contact was claimed again since.
pub async fn undo_charge(
    table: &Table,
    contact: &Address,
    charge: QuotaCharge,
    claimed_at: Timestamp,
) -> Result<bool, StoreError> {
    let update =
        update(contact).when("#last_sent_at = :claimed").value("claimed", sortable(claimed_at));
    let update = match charge {
        QuotaCharge::New => update.remove("quota_group").remove("quota_bucket"),
        QuotaCharge::Renew { bucket, .. } => update.set("quota_bucket", bucket),
        QuotaCharge::Exempt => return Ok(true),
    };
    condition_held(table.update(update).await)
}
