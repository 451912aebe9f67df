//! Merges: two contacts that turn out to be one person, and the way back.

use std::collections::BTreeSet;

use carillon_foundations::address::Address;
use carillon_foundations::ids::{CampaignId, ContactId, IdSource};
use carillon_foundations::time::sortable;
use carillon_table::{Key, StoreError, Table, Update, Write, condition_held};
use jiff::Timestamp;

use super::addresses::{self, repoint};
use super::store::{self, update};
use super::{Contact, Profile, Suppressions, Windows};

/// How often a transaction that met another write is repeated.
const MAX_TRIES: u32 = 20;
/// The maximum number of addresses of a merged contact: a file with one placeholder in every
/// line would merge all its people.
const MAX_ADDRESSES: usize = 20;

/// Merges two contacts that their provider or a file names as one person, unless a person has
/// split them. Returns the survivor, or the first one where they stay apart.
pub async fn merge_if_one(
    table: &Table,
    one: ContactId,
    other: ContactId,
) -> Result<ContactId, StoreError> {
    if one == other {
        return Ok(one);
    }
    let (first, second) = (store::current(table, one).await?, store::current(table, other).await?);
    let apart = is_split_from(table, &first, second.id).await?
        || is_split_from(table, &second, first.id).await?;
    if apart { Ok(first.id) } else { merge(table, first.id, second.id).await }
}

async fn is_split_from(table: &Table, one: &Contact, other: ContactId) -> Result<bool, StoreError> {
    match one.profile.split_from {
        Some(source) => Ok(store::current(table, source).await?.id == other),
        None => Ok(false),
    }
}

/// Merges two contacts into the older one and returns it. Contacts that have more addresses
/// than a person has stay apart: then the first one is returned.
///
/// One transaction moves the addresses, unites the suppressions (the stricter holds), the
/// service windows and the campaigns that were sent to either, and sets `merged_into`. It
/// holds only while neither was sent to and no suppression changed since both were read:
/// whoever was sent to under one id is not sent to under the other.
pub async fn merge(
    table: &Table,
    one: ContactId,
    other: ContactId,
) -> Result<ContactId, StoreError> {
    for _ in 0..MAX_TRIES {
        let one = store::current(table, one).await?;
        let other = store::current(table, other).await?;
        if one.id == other.id {
            return Ok(one.id);
        }
        if one.profile.addresses.len() + other.profile.addresses.len() > MAX_ADDRESSES {
            tracing::warn!(one = %one.id, other = %other.id, "contacts with many addresses were not merged");
            return Ok(one.id);
        }
        // The ids of contacts sort by their age.
        let (survivor, loser) = if one.id < other.id { (one, other) } else { (other, one) };
        let joined = Joined::of(&survivor.profile, &loser.profile);
        let mut writes = vec![
            joined.survivor_write(survivor.id, &survivor.profile, loser.id),
            loser_write(loser.id, &loser.profile, survivor.id),
        ];
        let listed: Vec<&Address> = loser.profile.addresses.iter().collect();
        for (address, owner) in addresses::find_many(table, &listed).await? {
            // An imported profile may list addresses that lead elsewhere here.
            if owner.contact == loser.id {
                writes.push(repoint(table, &address, (loser.id, survivor.id), None).await?);
            }
        }
        if condition_held(table.transact(writes).await)? {
            tracing::info!(survivor = %survivor.id, merged = %loser.id, "contacts merged");
            return Ok(survivor.id);
        }
        // A write to one of them came between.
    }
    Err(StoreError::Cancelled(Vec::new()))
}

/// What the survivor of a merge gets.
struct Joined {
    addresses: BTreeSet<Address>,
    suppressions: Suppressions,
    windows: Windows,
    sent_campaigns: BTreeSet<CampaignId>,
    last_sent: Profile,
    held_until: Option<Timestamp>,
    erased_at: Option<Timestamp>,
    merged: BTreeSet<ContactId>,
    name: Option<String>,
}

impl Joined {
    fn of(survivor: &Profile, loser: &Profile) -> Self {
        let later = if survivor.last_sent_at >= loser.last_sent_at { survivor } else { loser };
        Self {
            addresses: survivor.addresses.union(&loser.addresses).cloned().collect(),
            suppressions: Suppressions::joined(survivor, loser),
            windows: Windows::joined(&survivor.windows, &loser.windows),
            sent_campaigns: survivor.sent_campaigns.union(&loser.sent_campaigns).copied().collect(),
            last_sent: later.clone(),
            held_until: survivor.marketing_held_until.max(loser.marketing_held_until),
            erased_at: survivor.erased_at.max(loser.erased_at),
            merged: survivor.merged.union(&loser.merged).copied().collect(),
            name: survivor.name.clone().or_else(|| loser.name.clone()),
        }
    }

    fn survivor_write(self, id: ContactId, seen: &Profile, loser: ContactId) -> Write {
        let mut merged = ids_of(&self.merged);
        merged.insert(loser.to_string());
        let addresses = texts(&self.addresses);
        let campaigns: BTreeSet<String> =
            self.sent_campaigns.iter().map(ToString::to_string).collect();
        let mut update = unchanged(update(id), seen)
            .set_texts("merged", &merged)
            .set_or_remove("name", self.name)
            .set_or_remove("last_sent_at", self.last_sent.last_sent_at.map(sortable))
            .set_or_remove("quota_group", self.last_sent.quota_group)
            .set_or_remove("quota_bucket", self.last_sent.quota_bucket)
            .set_or_remove("marketing_held_until", self.held_until.map(sortable))
            .set_or_remove("erased_at", self.erased_at.map(sortable))
            .remove("split_from");
        for (name, set) in [("addresses", addresses), ("sent_campaigns", campaigns)] {
            if !set.is_empty() {
                update = update.set_texts(name, &set);
            }
        }
        for (name, at) in self.suppressions.attributes() {
            update = update.set_or_remove(name, at.map(sortable));
        }
        for (name, at) in self.windows.0 {
            update = update.set(&name, sortable(at));
        }
        Write::Update(update)
    }
}

/// The loser keeps its profile; its addresses lead to the survivor.
fn loser_write(id: ContactId, seen: &Profile, survivor: ContactId) -> Write {
    Write::Update(unchanged(update(id), seen).set("merged_into", survivor))
}

/// Holds only while nobody sent to the contact, merged it or changed its suppressions,
/// reservation, hold, addresses or known windows since it was read.
fn unchanged(update: Update, seen: &Profile) -> Update {
    let mut update = update
        .when("attribute_not_exists(#merged_into)")
        .unchanged("last_sent_at", seen.last_sent_at.map(sortable))
        .unchanged("marketing_held_until", seen.marketing_held_until.map(sortable))
        .unchanged("quota_bucket", seen.quota_bucket)
        .unchanged_texts("addresses", &texts(&seen.addresses))
        .unchanged_texts("merged", &ids_of(&seen.merged));
    for (name, at) in Suppressions::of(seen).attributes() {
        update = update.unchanged(name, at.map(sortable));
    }
    for (name, at) in &seen.windows.0 {
        update = update.unchanged(name, Some(sortable(*at)));
    }
    update
}

/// Whose the recipients are of contacts whose addresses are split off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// The other person's: the merge was wrong.
    Goes,
    /// The old person's: the address has a new owner.
    Stays,
}

/// Separates addresses from a contact: they belong to another person, from the beginning or
/// since a number got a new owner. A new contact gets them. Both keep the suppressions, since
/// it is unknown whose they are, and the campaigns that were sent to; neither keeps the service
/// windows and the reservation. Providers' reports do not merge them again. Where they are
/// another person's from the beginning, the contacts that brought no other addresses into the
/// merge go with them, and so do their recipients. Returns the new contact; `None` where the
/// contact does not have one of the addresses, or no other.
pub async fn split(
    table: &Table,
    contact: ContactId,
    (addresses, history): (&BTreeSet<Address>, History),
    ids: &IdSource,
    now: Timestamp,
) -> Result<Option<ContactId>, StoreError> {
    let new = ContactId::from_uuid(ids.uuid(now));
    for _ in 0..MAX_TRIES {
        let found = store::current(table, contact).await?;
        let left: BTreeSet<Address> =
            found.profile.addresses.difference(addresses).cloned().collect();
        if left.is_empty() || left.len() + addresses.len() != found.profile.addresses.len() {
            return Ok(None);
        }
        let source = unchanged(update(found.id), &found.profile)
            .set_texts("addresses", &texts(&left))
            .remove("quota_group");
        let source = match found.profile.quota_bucket {
            Some(_) => source.remove("quota_bucket"),
            None => source,
        };
        let windows = found.profile.windows.0.keys();
        let source = windows.fold(source, |source, name| source.remove(name));
        let merged = match history {
            History::Goes => merged_with(table, &found.profile, addresses).await?,
            History::Stays => BTreeSet::new(),
        };
        let source = match merged.is_empty() {
            true => source,
            false => source.exclude("merged", &ids_of(&merged)),
        };
        let target = Profile {
            addresses: addresses.clone(),
            merged: merged.clone(),
            split_from: Some(found.id),
            windows: Windows::default(),
            ..found.profile.clone()
        };
        let mut writes = vec![Write::Update(source), created(new, &target, now)];
        for address in addresses {
            writes.push(repoint(table, address, (found.id, new), Some(now)).await?);
        }
        // While `merged` of the source is unchanged, no other split can take them.
        let follow = |id: &ContactId| Write::Update(update(*id).set("merged_into", new));
        writes.extend(merged.iter().map(follow));
        if condition_held(table.transact(writes).await)? {
            return Ok(Some(new));
        }
    }
    Err(StoreError::Cancelled(Vec::new()))
}

/// The contacts that were merged into one and brought nothing but these addresses.
async fn merged_with(
    table: &Table,
    profile: &Profile,
    addresses: &BTreeSet<Address>,
) -> Result<BTreeSet<ContactId>, StoreError> {
    let mut found = BTreeSet::new();
    for id in &profile.merged {
        let brought = store::get(table, *id).await?.unwrap_or_default().addresses;
        if !brought.is_empty() && brought.is_subset(addresses) {
            found.insert(*id);
        }
    }
    Ok(found)
}

fn created(id: ContactId, profile: &Profile, now: Timestamp) -> Write {
    let campaigns: BTreeSet<String> =
        profile.sent_campaigns.iter().map(ToString::to_string).collect();
    let mut update = Update::of(&Key::Contact(id))
        .when("attribute_not_exists(pk)")
        .set("created_at", sortable(now))
        .set_texts("addresses", &texts(&profile.addresses))
        .set_or_remove("last_sent_at", profile.last_sent_at.map(sortable))
        .set_or_remove("marketing_held_until", profile.marketing_held_until.map(sortable))
        .set_or_remove("split_from", profile.split_from);
    for (name, set) in [("sent_campaigns", campaigns), ("merged", ids_of(&profile.merged))] {
        if !set.is_empty() {
            update = update.set_texts(name, &set);
        }
    }
    for (name, at) in Suppressions::of(profile).attributes() {
        update = update.set_or_remove(name, at.map(sortable));
    }
    Write::Update(update)
}

fn ids_of(contacts: &BTreeSet<ContactId>) -> BTreeSet<String> {
    contacts.iter().map(ToString::to_string).collect()
}

fn texts(addresses: &BTreeSet<Address>) -> BTreeSet<String> {
    addresses.iter().map(|address| address.as_str().to_owned()).collect()
}
