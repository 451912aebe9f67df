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

/// An address in the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The contact that it leads to; none once its owner gave it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<ContactId>,
    /// The contact that gave it up last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_owner: Option<ContactId>,
    /// The address; none where its person was erased or gave it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// Since when it leads to that contact, or to none.
    pub linked_at: Timestamp,
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

/// An entry that leads to a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The contact.
    pub contact: ContactId,
    /// Since when.
    pub linked_at: Timestamp,
}

impl Entry {
    fn owner(&self) -> Option<Owner> {
        self.contact.map(|contact| Owner { contact, linked_at: self.linked_at })
    }
}

/// The contact that an address leads to.
pub async fn find(table: &Table, address: &Address) -> Result<Option<ContactId>, StoreError> {
    let found: Option<Entry> = table.get(&table.address_key(address).await?).await?;
    Ok(found.and_then(|entry| entry.contact))
}

/// The owners of addresses; those that lead to nobody are absent.
pub async fn find_many(
    table: &Table,
    addresses: &[&Address],
) -> Result<HashMap<Address, Owner>, StoreError> {
    let mut keys = BTreeMap::new();
    for address in addresses {
        let key = table.address_key(address).await?;
        keys.insert(key.pk(), (key, *address));
    }
    let unique: Vec<Key> = keys.values().map(|(key, _)| key.clone()).collect();
    let mut found = HashMap::with_capacity(unique.len());
    for some in unique.chunks(100) {
        for (key, entry) in table.get_many::<Entry>(some).await? {
            if let (Some((_, address)), Some(owner)) = (keys.get(&key.pk()), entry.owner()) {
                found.insert((*address).clone(), owner);
            }
        }
    }
    Ok(found)
}

/// Lets an address lead to a contact, unless it leads to one already, and returns the owner at
/// `at`: where the last owner gave the address up after that, the last owner.
pub(super) async fn claim(
    table: &Table,
    address: &Address,
    contact: ContactId,
    at: Timestamp,
) -> Result<Option<Owner>, StoreError> {
    let key = table.address_key(address).await?;
    let mut contact = contact;
    for _ in 0..MAX_TRIES {
        let current = store::current(table, contact).await?;
        contact = current.id;
        let erased = current.profile.erased_at.map(|_| Suppressed::Erased);
        let entry = Update::of(&key)
            .set("contact", contact)
            .set("linked_at", sortable(at))
            .set_or_remove("suppressed", erased)
            .set_or_remove("address", erased.is_none().then_some(address))
            .when("attribute_not_exists(#contact)")
            .when("attribute_not_exists(#linked_at) OR #linked_at < :at")
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
            Ok(()) => return Ok(Some(Owner { contact, linked_at: at })),
            Err(StoreError::Cancelled(reasons)) => {
                if let Some(Cancelled::Condition(item)) = reasons.into_iter().next() {
                    let Entry { contact, last_owner, linked_at, .. } = read_item(item)?;
                    let owner = contact.or(last_owner);
                    return Ok(owner.map(|contact| Owner { contact, linked_at }));
                }
            }
            Err(error) => return Err(error),
        }
    }
    Err(StoreError::Cancelled(Vec::new()))
}

/// Takes an address from a contact: from `at` on it leads to nobody, until somebody else
/// gets it. `false` where it led elsewhere.
pub(super) async fn give_up(
    table: &Table,
    contact: ContactId,
    address: &Address,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let entry = Update::of(&table.address_key(address).await?)
        .set("linked_at", sortable(at))
        .set("last_owner", contact)
        .remove("contact")
        .remove("address")
        .when("#contact = :contact")
        .value("contact", contact);
    let listed = update(contact).exclude("addresses", &[address.as_str().to_owned()].into());
    condition_held(table.transact(vec![Write::Update(entry), Write::Update(listed)]).await)
}

/// The write that lets an address lead to another contact: from now on, or, where it is the
/// same person, since it was linked.
pub(super) async fn repoint(
    table: &Table,
    address: &Address,
    (from, to): (ContactId, ContactId),
    since: Option<Timestamp>,
) -> Result<Write, StoreError> {
    let update = Update::of(&table.address_key(address).await?)
        .set("contact", to)
        .when("#contact = :from")
        .value("from", from);
    Ok(Write::Update(match since {
        Some(since) => update.set("linked_at", sortable(since)),
        None => update,
    }))
}

/// Replaces an address of an erased contact by its hash.
pub async fn erase(table: &Table, contact: ContactId, address: &Address) -> Result<(), StoreError> {
    let update = Update::of(&table.address_key(address).await?)
        .set("suppressed", Suppressed::Erased)
        .remove("address")
        .when("#contact = :contact")
        .value("contact", contact);
    condition_held(table.update(update).await).map(drop)
}
