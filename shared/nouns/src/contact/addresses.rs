//! The addresses that lead to contacts.
//!
//! An address is an item of its own, found by a keyed hash. It names the contact and, unless
//! the person was erased, the address. The contact's profile lists the same addresses: one
//! transaction writes both, so that an address leads to the contact that lists it.

use std::collections::{BTreeMap, HashMap};

use carillon_foundations::address::Address;
use carillon_foundations::ids::ContactId;
use carillon_foundations::time::sortable;
use carillon_table::{Cancelled, Key, StoreError, Table, Update, Write, condition_held, read_item};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::store::{self, update};

/// How often a transaction that met another write is repeated.
const MAX_TRIES: u32 = 20;
/// The maximum number of addresses of a contact: a file with one placeholder in every line
/// would make all its people one.
pub(super) const MAX_ADDRESSES: usize = 20;

/// An address in the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The contact that it leads to; none once its owner gave it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<ContactId>,
    /// The contact that gave it up last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_owner: Option<ContactId>,
    /// When that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_up_at: Option<Timestamp>,
    /// The address; none where its person was erased or gave it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// Since when it leads to that contact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linked_at: Option<Timestamp>,
    /// What is left of it, if its person was erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppressed: Option<Suppressed>,
}

/// Why only the hash of an address is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Suppressed {
    /// The person was erased.
    Erased,
}

impl Entry {
    /// The contact whose address it was at `at`: the last owner before it gave the address up.
    pub fn owner_at(&self, at: Timestamp) -> Option<ContactId> {
        match (self.last_owner, self.given_up_at) {
            (Some(last), Some(given_up)) if at < given_up => Some(last),
            _ => self.contact,
        }
    }

    /// The contact of which only the hash of the address is left.
    pub(super) fn erased_contact(&self) -> Option<ContactId> {
        self.contact.filter(|_| self.address.is_none())
    }
}

/// The contact that an address leads to.
pub async fn find(table: &Table, address: &Address) -> Result<Option<ContactId>, StoreError> {
    let found: Option<Entry> = table.get(&table.address_key(address).await?).await?;
    Ok(found.and_then(|entry| entry.contact))
}

/// The entries of addresses; those that were never seen are absent.
pub async fn find_many(
    table: &Table,
    addresses: &[&Address],
) -> Result<HashMap<Address, Entry>, StoreError> {
    let mut keys = BTreeMap::new();
    for address in addresses {
        let key = table.address_key(address).await?;
        keys.insert(key.pk(), (key, *address));
    }
    let unique: Vec<Key> = keys.values().map(|(key, _)| key.clone()).collect();
    let mut found = HashMap::with_capacity(unique.len());
    for (key, entry) in table.get_many::<Entry>(&unique).await? {
        if let Some((_, address)) = keys.get(&key.pk()) {
            found.insert((*address).clone(), entry);
        }
    }
    Ok(found)
}

/// Lets an address lead to a contact, unless it leads to one already, and returns its owner at
/// `at`: where the last owner gave the address up after that, the last owner. `None` where the
/// contact has more addresses than a person has.
pub(super) async fn claim(
    table: &Table,
    address: &Address,
    contact: ContactId,
    at: Timestamp,
) -> Result<Option<ContactId>, StoreError> {
    let key = table.address_key(address).await?;
    let mut contact = contact;
    for _ in 0..MAX_TRIES {
        let current = store::current(table, contact).await?;
        contact = current.id;
        if current.profile.addresses.len() >= MAX_ADDRESSES {
            tracing::warn!(%contact, "a contact with many addresses got no other one");
            return Ok(None);
        }
        let erased = current.profile.erased_at.map(|_| Suppressed::Erased);
        let entry = Update::of(&key)
            .set("contact", contact)
            .set("linked_at", sortable(at))
            .set_or_remove("suppressed", erased)
            .set_or_remove("address", erased.is_none().then_some(address))
            .when("attribute_not_exists(#contact)")
            .when("attribute_not_exists(#given_up_at) OR #given_up_at <= :at")
            .value("at", sortable(at));
        let listed = update(contact)
            .set_once("created_at", sortable(at))
            .include("addresses", address.as_str())
            .when("attribute_not_exists(#merged_into) AND attribute_not_exists(#erased_at)");
        let writes = match erased {
            None => vec![Write::Update(entry), Write::Update(listed)],
            Some(_) => vec![Write::Update(entry)],
        };
        match table.transact(writes).await {
            Ok(()) => return Ok(Some(contact)),
            Err(StoreError::Cancelled(reasons)) => {
                if let Some(Cancelled::Condition(item)) = reasons.into_iter().next() {
                    return Ok(read_item::<Entry>(item)?.owner_at(at));
                }
            }
            Err(error) => return Err(error),
        }
    }
    Err(StoreError::Cancelled(Vec::new()))
}

/// Lists an address again of which only the hash is left, unless its person is erased still.
pub(super) async fn list_again(
    table: &Table,
    address: &Address,
    contact: ContactId,
) -> Result<(), StoreError> {
    let current = store::current(table, contact).await?;
    if current.profile.erased_at.is_some() {
        return Ok(());
    }
    let entry = Update::of(&table.address_key(address).await?)
        .set("contact", current.id)
        .set("address", address)
        .remove("suppressed")
        .when("#contact = :contact AND attribute_not_exists(#address)")
        .value("contact", contact);
    let listed = update(current.id)
        .include("addresses", address.as_str())
        .when("attribute_not_exists(#merged_into) AND attribute_not_exists(#erased_at)");
    let writes = vec![Write::Update(entry), Write::Update(listed)];
    condition_held(table.transact(writes).await).map(drop)
}

/// Takes an address from a contact: from `at` on it leads to nobody, until somebody else
/// gets it. Does nothing where it leads elsewhere.
pub(super) async fn give_up(
    table: &Table,
    contact: ContactId,
    address: &Address,
    at: Timestamp,
) -> Result<(), StoreError> {
    let key = table.address_key(address).await?;
    let mut contact = contact;
    for _ in 0..MAX_TRIES {
        let entry = Update::of(&key)
            .set("given_up_at", sortable(at))
            .set("last_owner", contact)
            .remove("linked_at")
            .remove("contact")
            .remove("address")
            .when("#contact = :contact")
            .value("contact", contact);
        let listed = update(contact).exclude("addresses", &[address.as_str().to_owned()].into());
        match table.transact(vec![Write::Update(entry), Write::Update(listed)]).await {
            Ok(()) => return Ok(()),
            Err(StoreError::Cancelled(reasons)) => {
                let Some(Cancelled::Condition(item)) = reasons.into_iter().next() else { continue };
                let current = store::current(table, contact).await?.id;
                if current == contact || read_item::<Entry>(item)?.contact != Some(current) {
                    return Ok(());
                }
                // The contact was merged meanwhile.
                contact = current;
            }
            Err(error) => return Err(error),
        }
    }
    Err(StoreError::Cancelled(Vec::new()))
}

/// Records that a contact has an address since `at`, where it had it earlier too: a person who
/// changes back. A report of the change before that one may still be on its way.
pub(super) async fn record_latest(
    table: &Table,
    contact: ContactId,
    address: &Address,
    at: Timestamp,
) -> Result<(), StoreError> {
    let update = Update::of(&table.address_key(address).await?)
        .set("linked_at", sortable(at))
        .when("#contact = :contact AND #linked_at < :at")
        .value("contact", contact)
        .value("at", sortable(at));
    condition_held(table.update(update).await).map(drop)
}

/// Records that an address was a contact's until `at`, where nothing later is known of it. It
/// leads to whom it leads to now. `false` where it was linked before `at` and is not given up.
pub(super) async fn record_former(
    table: &Table,
    contact: ContactId,
    address: &Address,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let update = Update::of(&table.address_key(address).await?)
        .set("given_up_at", sortable(at))
        .set("last_owner", contact)
        .when("attribute_not_exists(#linked_at) OR #linked_at > :at")
        .when("attribute_not_exists(#given_up_at) OR #given_up_at < :at")
        .value("at", sortable(at));
    match table.update(update).await {
        Ok(_) | Err(StoreError::Condition(None)) => Ok(true),
        Err(StoreError::Condition(Some(found))) => {
            let found: Entry = read_item(*found)?;
            Ok(found.linked_at.is_none_or(|linked| linked > at))
        }
        Err(error) => Err(error),
    }
}

/// The change that lets an address lead to another contact: from now on, or, where it is the
/// same person, since it was linked.
pub(super) async fn repoint(
    table: &Table,
    address: &Address,
    (from, to): (ContactId, ContactId),
    since: Option<Timestamp>,
) -> Result<Update, StoreError> {
    let update = Update::of(&table.address_key(address).await?)
        .set("contact", to)
        .when("#contact = :from")
        .value("from", from);
    Ok(match since {
        Some(since) => update.set("linked_at", sortable(since)),
        None => update,
    })
}

/// Leaves only the hash of an address: its person is erased.
pub(super) fn hash_only(update: Update) -> Update {
    update.set("suppressed", Suppressed::Erased).remove("address")
}

/// Replaces an address of an erased contact by its hash.
pub async fn erase(table: &Table, contact: ContactId, address: &Address) -> Result<(), StoreError> {
    let update = Update::of(&table.address_key(address).await?)
        .when("#contact = :contact")
        .value("contact", contact);
    condition_held(table.update(hash_only(update)).await).map(drop)
}
