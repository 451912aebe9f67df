//! Merges: two contacts that turn out to be one person, and the way back.

use std::collections::BTreeSet;

use carillon_foundations::address::Address;
use carillon_foundations::ids::{CampaignId, ContactId, IdSource};
use carillon_foundations::time::sortable;
use carillon_table::{StoreError, Table, Update, Write, condition_held};
use jiff::Timestamp;

use super::addresses::{self, MAX_ADDRESSES, hash_only, repoint};
use super::store::{self, update};
use super::suppression::unlisted;
use super::{Contact, Profile, Suppressions};

/// How often a transaction that met another write is repeated.
const MAX_TRIES: u32 = 20;
/// How many service windows a merge moves.
const MAX_WINDOWS: usize = 10;

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
    let apart =
        is_apart(table, &first, second.id).await? || is_apart(table, &second, first.id).await?;
    if apart {
        return Ok(first.id);
    }
    Ok(merge(table, first.id, second.id).await?.unwrap_or(first.id))
}

async fn is_apart(table: &Table, one: &Contact, other: ContactId) -> Result<bool, StoreError> {
    for apart in &one.profile.apart_from {
        if store::current(table, *apart).await?.id == other {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Merges two contacts into the older one and returns it; `None` where they have more
/// addresses than a person has: then they stay apart.
///
/// One transaction moves the addresses, unites the suppressions (the stricter holds), the
/// service windows and the campaigns that were sent to either, and sets `merged_into`. It
/// holds only while neither was sent to and no suppression changed since both were read:
/// whoever was sent to under one id is not sent to under the other. Where one of them was
/// erased, only the hashes of the other's addresses are left too.
pub async fn merge(
    table: &Table,
    one: ContactId,
    other: ContactId,
) -> Result<Option<ContactId>, StoreError> {
    for _ in 0..MAX_TRIES {
        let one = store::current(table, one).await?;
        let other = store::current(table, other).await?;
        if one.id == other.id {
            return Ok(Some(one.id));
        }
        if one.profile.addresses.union(&other.profile.addresses).count() > MAX_ADDRESSES {
            tracing::warn!(one = %one.id, other = %other.id, "contacts with many addresses were not merged");
            return Ok(None);
        }
        // The ids of contacts sort by their age.
        let (survivor, loser) = if one.id < other.id { (one, other) } else { (other, one) };
        let windows = newer_windows(&survivor.profile, &loser.profile);
        let joined = Joined::of(&survivor.profile, &loser.profile);
        let is_erased = joined.erased_at.is_some();
        let merged = joined.merged.clone();
        let joined = joined.with_merged(loser.id).write(survivor.id, &survivor.profile, &windows);
        let left = loser_update(&loser, survivor.id, &windows);
        let mut updates = vec![joined, if is_erased { stripped(left) } else { left }];
        for address in owned(table, &loser.profile.addresses, loser.id).await? {
            let moved = repoint(table, &address, (loser.id, survivor.id), None).await?;
            updates.push(if is_erased { hash_only(moved) } else { moved });
        }
        if is_erased {
            for address in owned(table, &survivor.profile.addresses, survivor.id).await? {
                let kept = repoint(table, &address, (survivor.id, survivor.id), None).await?;
                updates.push(hash_only(kept));
            }
            updates.extend(merged.iter().map(|id| stripped(update(*id))));
        }
        let writes = updates.into_iter().map(Write::Update).collect();
        if condition_held(table.transact(writes).await)? {
            tracing::info!(survivor = %survivor.id, merged = %loser.id, "contacts merged");
            return Ok(Some(survivor.id));
        }
        // A write to one of them came between.
    }
    Err(StoreError::Cancelled(Vec::new()))
}

/// Those of the addresses that lead to a contact. An imported profile may list others.
async fn owned(
    table: &Table,
    addresses: &BTreeSet<Address>,
    contact: ContactId,
) -> Result<Vec<Address>, StoreError> {
    let listed: Vec<&Address> = addresses.iter().collect();
    let found = addresses::find_many(table, &listed).await?.into_iter();
    let owned = found.filter(|(_, entry)| entry.contact == Some(contact));
    Ok(owned.map(|(address, _)| address).collect())
}

/// Joins an imported profile with the one that the contact has here already: what limits the
/// messages to a person holds from either. Of an erased person nothing else is taken.
pub async fn join(table: &Table, contact: ContactId, imported: &Profile) -> Result<(), StoreError> {
    for _ in 0..MAX_TRIES {
        let here = store::current(table, contact).await?;
        let mut imported = imported.clone();
        let listed = owned(table, &imported.addresses, here.id).await?;
        imported.addresses = listed.into_iter().collect();
        if here.profile.erased_at.is_some() {
            (imported.name, imported.preferred) = (None, None);
            imported.addresses.clear();
        }
        imported.erased_at = here.profile.erased_at;
        let windows = newer_windows(&here.profile, &imported);
        let joined = Joined::of(&here.profile, &imported);
        let write = joined.write(here.id, &here.profile, &windows);
        if condition_held(table.update(write).await)? {
            return Ok(());
        }
    }
    Err(StoreError::Cancelled(Vec::new()))
}

/// The loser's windows that are newer than the survivor's, the latest ones: older ones are
/// closed, and an expression has a limited length.
fn newer_windows(survivor: &Profile, loser: &Profile) -> Vec<(String, Timestamp)> {
    let mut newer: Vec<(String, Timestamp)> = loser.windows.0.clone().into_iter().collect();
    newer.retain(|(name, at)| survivor.windows.0.get(name).is_none_or(|known| known < at));
    newer.sort_by_key(|(_, at)| std::cmp::Reverse(*at));
    newer.truncate(MAX_WINDOWS);
    newer
}

/// What the survivor of a merge gets.
struct Joined {
    addresses: BTreeSet<Address>,
    suppressions: Suppressions,
    sent_campaigns: BTreeSet<CampaignId>,
    last_sent: Profile,
    held_until: Option<Timestamp>,
    erased_at: Option<Timestamp>,
    merged: BTreeSet<ContactId>,
    apart_from: BTreeSet<ContactId>,
    preferred: Option<Address>,
    name: Option<String>,
}

impl Joined {
    fn of(survivor: &Profile, loser: &Profile) -> Self {
        let later = if survivor.last_sent_at >= loser.last_sent_at { survivor } else { loser };
        let erased_at = survivor.erased_at.max(loser.erased_at);
        let joined = Self {
            addresses: survivor.addresses.union(&loser.addresses).cloned().collect(),
            suppressions: Suppressions::joined(survivor, loser),
            sent_campaigns: survivor.sent_campaigns.union(&loser.sent_campaigns).copied().collect(),
            last_sent: later.clone(),
            held_until: survivor.marketing_held_until.max(loser.marketing_held_until),
            erased_at,
            merged: survivor.merged.union(&loser.merged).copied().collect(),
            apart_from: survivor.apart_from.union(&loser.apart_from).copied().collect(),
            preferred: survivor.preferred.clone().or_else(|| loser.preferred.clone()),
            name: survivor.name.clone().or_else(|| loser.name.clone()),
        };
        match erased_at {
            None => joined,
            Some(_) => Self { addresses: BTreeSet::new(), preferred: None, name: None, ..joined },
        }
    }

    /// With a contact that is merged into the survivor.
    fn with_merged(mut self, loser: ContactId) -> Self {
        self.merged.insert(loser);
        self.apart_from.remove(&loser);
        self
    }

    /// The change of a contact that was read as `seen`.
    fn write(mut self, id: ContactId, seen: &Profile, windows: &[(String, Timestamp)]) -> Update {
        self.apart_from.remove(&id);
        let campaigns = self.sent_campaigns.iter().map(ToString::to_string).collect();
        let mut update = unchanged(update(id), seen)
            .set_or_remove("name", self.name)
            .set_or_remove("last_sent_at", self.last_sent.last_sent_at.map(sortable))
            .set_or_remove("quota_group", self.last_sent.quota_group)
            .set_or_remove("quota_bucket", self.last_sent.quota_bucket)
            .set_or_remove("marketing_held_until", self.held_until.map(sortable))
            .set_or_remove("erased_at", self.erased_at.map(sortable))
            .set_or_remove("preferred", self.preferred);
        let sets: [(&str, BTreeSet<String>); 4] = [
            ("addresses", texts(&self.addresses)),
            ("sent_campaigns", campaigns),
            ("merged", ids_of(&self.merged)),
            ("apart_from", ids_of(&self.apart_from)),
        ];
        for (name, set) in sets {
            update =
                if set.is_empty() { update.remove(name) } else { update.set_texts(name, &set) };
        }
        update = self.suppressions.write(update, id);
        for (name, at) in windows {
            let known = seen.windows.0.get(name).copied();
            update = update.set(name, sortable(*at)).unchanged(name, known.map(sortable));
        }
        update
    }
}

/// The loser keeps its profile; its addresses lead to the survivor.
fn loser_update(loser: &Contact, survivor: ContactId, windows: &[(String, Timestamp)]) -> Update {
    let update = unchanged(update(loser.id), &loser.profile).set("merged_into", survivor);
    let update = unlisted(update);
    let same = |update: Update, (name, at): &(String, Timestamp)| {
        update.unchanged(name, Some(sortable(*at)))
    };
    windows.iter().fold(update, same)
}

/// Removes from a contact what names the person.
fn stripped(update: Update) -> Update {
    update.remove("name").remove("addresses").remove("preferred")
}

/// Holds only while nobody sent to the contact, merged it or changed its suppressions,
/// reservation, hold or addresses since it was read.
fn unchanged(update: Update, seen: &Profile) -> Update {
    let mut update = update
        .when("attribute_not_exists(#merged_into)")
        .unchanged("last_sent_at", seen.last_sent_at.map(sortable))
        .unchanged("marketing_held_until", seen.marketing_held_until.map(sortable))
        .unchanged("quota_bucket", seen.quota_bucket)
        .unchanged("erased_at", seen.erased_at.map(sortable))
        .unchanged_texts("addresses", &texts(&seen.addresses))
        .unchanged_texts("merged", &ids_of(&seen.merged));
    for (name, at) in Suppressions::of(seen).attributes() {
        update = update.unchanged(name, at.map(sortable));
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

/// Two persons who were one contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Separated {
    /// The contact that was made.
    pub new: ContactId,
    /// The addresses that it got, and whose messages are its.
    pub addresses: BTreeSet<Address>,
}

/// Separates addresses from a contact: they belong to another person, from the beginning or
/// since a number got a new owner. Both keep the suppressions, since it is unknown whose they
/// are, and the campaigns that were sent to; neither keeps the service windows and the
/// reservation. Reports of providers do not merge them again. `None` where the contact does not
/// have one of the addresses, or no other.
///
/// Where they are another person's from the beginning, each person keeps the recipients of
/// their own contact: the contacts that brought no other addresses into the merge go with
/// them. Where the addresses are those that the contact had before the merge, it is the other
/// person who gets a new contact.
///
/// Where the two are separated already, returns what was separated.
pub async fn split(
    table: &Table,
    contact: ContactId,
    (addresses, history): (&BTreeSet<Address>, History),
    ids: &IdSource,
    now: Timestamp,
) -> Result<Option<Separated>, StoreError> {
    let new = ContactId::from_uuid(ids.uuid(now));
    for _ in 0..MAX_TRIES {
        let found = store::current(table, contact).await?;
        let mut leaving = addresses.clone();
        let mut left: BTreeSet<Address> =
            found.profile.addresses.difference(addresses).cloned().collect();
        if left.is_empty() || left.len() + addresses.len() != found.profile.addresses.len() {
            return split_already(table, &found, addresses).await;
        }
        if history == History::Goes && is_own(table, &found.profile, addresses).await? {
            (leaving, left) = (left, leaving);
        }
        let (merged, since) = match history {
            History::Goes => (merged_with(table, &found.profile, &leaving).await?, None),
            History::Stays => (BTreeSet::new(), Some(now)),
        };
        let mut writes = vec![
            Write::Update(source(&found, &left, new, &merged)),
            Write::Update(created(new, &found, (&leaving, &merged), now)),
        ];
        for address in owned(table, &leaving, found.id).await? {
            writes.push(Write::Update(repoint(table, &address, (found.id, new), since).await?));
        }
        // While `merged` of the source is unchanged, no other split can take them.
        let follow = |id: &ContactId| Write::Update(update(*id).set("merged_into", new));
        writes.extend(merged.iter().map(follow));
        if condition_held(table.transact(writes).await)? {
            return Ok(Some(Separated { new, addresses: leaving }));
        }
    }
    Err(StoreError::Cancelled(Vec::new()))
}

/// What was separated before, if the addresses are all that a contact has since.
async fn split_already(
    table: &Table,
    contact: &Contact,
    addresses: &BTreeSet<Address>,
) -> Result<Option<Separated>, StoreError> {
    let Some(address) = addresses.first() else { return Ok(None) };
    let Some(owner) = addresses::find(table, address).await? else { return Ok(None) };
    let owner = store::current(table, owner).await?;
    if owner.profile.addresses != *addresses {
        return Ok(None);
    }
    if owner.id != contact.id {
        let is_apart = owner.profile.apart_from.contains(&contact.id);
        return Ok(is_apart.then(|| Separated { new: owner.id, addresses: addresses.clone() }));
    }
    // The other person got the new contact: the latest one.
    let Some(new) = owner.profile.apart_from.last() else { return Ok(None) };
    let new = store::current(table, *new).await?;
    Ok(Some(Separated { new: new.id, addresses: new.profile.addresses }))
}

/// Whether addresses are what a contact had before others were merged into it.
async fn is_own(
    table: &Table,
    profile: &Profile,
    addresses: &BTreeSet<Address>,
) -> Result<bool, StoreError> {
    let mut own = profile.addresses.clone();
    for id in &profile.merged {
        let brought = store::get(table, *id).await?.unwrap_or_default().addresses;
        own.retain(|address| !brought.contains(address));
    }
    Ok(!profile.merged.is_empty() && !own.is_empty() && own.is_subset(addresses))
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

/// What is left of the contact that addresses are separated from.
fn source(
    found: &Contact,
    left: &BTreeSet<Address>,
    new: ContactId,
    merged: &BTreeSet<ContactId>,
) -> Update {
    let update = unchanged(update(found.id), &found.profile)
        .set_texts("addresses", &texts(left))
        .include("apart_from", &new.to_string())
        .remove("quota_group");
    let update = match found.profile.quota_bucket {
        Some(_) => update.remove("quota_bucket"),
        None => update,
    };
    let update = if merged.is_empty() { update } else { update.exclude("merged", &ids_of(merged)) };
    without_windows(update, &found.profile)
}

/// A new contact with the addresses.
fn created(
    id: ContactId,
    found: &Contact,
    (addresses, merged): (&BTreeSet<Address>, &BTreeSet<ContactId>),
    now: Timestamp,
) -> Update {
    let Contact { id: source, profile } = found;
    let mut update = update(id)
        .when("attribute_not_exists(pk)")
        .set("created_at", sortable(now))
        .set_texts("addresses", &texts(addresses))
        .include("apart_from", &source.to_string())
        .set_or_remove("last_sent_at", profile.last_sent_at.map(sortable))
        .set_or_remove("marketing_held_until", profile.marketing_held_until.map(sortable));
    let campaigns: BTreeSet<String> =
        profile.sent_campaigns.iter().map(ToString::to_string).collect();
    for (name, set) in [("sent_campaigns", campaigns), ("merged", ids_of(merged))] {
        if !set.is_empty() {
            update = update.set_texts(name, &set);
        }
    }
    Suppressions::of(profile).write(update, id)
}

fn ids_of(contacts: &BTreeSet<ContactId>) -> BTreeSet<String> {
    contacts.iter().map(ToString::to_string).collect()
}

fn without_windows(update: Update, profile: &Profile) -> Update {
    profile.windows.0.keys().fold(update, |update, name| update.remove(name))
}

fn texts(addresses: &BTreeSet<Address>) -> BTreeSet<String> {
    addresses.iter().map(|address| address.as_str().to_owned()).collect()
}
