//! Contacts in the table.

use jiff::Timestamp;

use super::{ContactKey, Profile};
use crate::table::{Key, StoreError, Table, Update, read_item};
use crate::time::sortable;

/// The contact's profile, if we know them.
pub async fn get(table: &Table, contact: &ContactKey) -> Result<Option<Profile>, StoreError> {
    table.get(&Key::Contact(contact.clone())).await
}

/// Makes the contact or finds them; either way, what is known of them now.
pub async fn find_or_make(
    table: &Table,
    contact: &ContactKey,
    now: Timestamp,
) -> Result<Profile, StoreError> {
    change(table, Update::of(&Key::Contact(contact.clone())).set_once("created_at", sortable(now)))
        .await
}

/// Puts the contact on the blacklist, from this moment on.
pub async fn blacklist(
    table: &Table,
    contact: &ContactKey,
    now: Timestamp,
) -> Result<Profile, StoreError> {
    let update = Update::of(&Key::Contact(contact.clone()))
        .set_once("created_at", sortable(now))
        .set_once("blacklisted_at", sortable(now));
    change(table, update).await
}

/// Takes the contact off the blacklist.
pub async fn unblacklist(table: &Table, contact: &ContactKey) -> Result<Profile, StoreError> {
    change(table, Update::of(&Key::Contact(contact.clone())).remove("blacklisted_at")).await
}

/// Records the contact's own wish about marketing messages: `stop` or resume.
/// An older wish that arrives late doesn't overrule a newer one.
pub async fn record_preference(
    table: &Table,
    contact: &ContactKey,
    stop: bool,
    at: Timestamp,
) -> Result<(), StoreError> {
    let update = Update::of(&Key::Contact(contact.clone()))
        .set("preference_at", sortable(at))
        .when("attribute_not_exists(#preference_at) OR #preference_at <= :at")
        .value("at", sortable(at));
    let update =
        if stop { update.set("opted_out_at", sortable(at)) } else { update.remove("opted_out_at") };
    match table.update(update).await {
        Ok(_) | Err(StoreError::Condition(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Records that the contact wrote to us.
pub async fn record_inbound(
    table: &Table,
    contact: &ContactKey,
    name: Option<&str>,
    at: Timestamp,
) -> Result<(), StoreError> {
    let update = Update::of(&Key::Contact(contact.clone()))
        .set_once("created_at", sortable(at))
        .set("last_inbound_at", sortable(at));
    let update = match name {
        Some(name) => update.set("name", name),
        None => update,
    };
    table.update(update).await.map(drop)
}

/// The part of a claim that speaks for the contact: it fails when they may not
/// be written to, or were written to less than `pair_seconds` ago.
pub fn claim(contact: &ContactKey, now: Timestamp, pair_seconds: i64) -> Update {
    let earliest = now - jiff::SignedDuration::from_secs(pair_seconds);
    Update::of(&Key::Contact(contact.clone()))
        .set("last_sent_at", sortable(now))
        .when("attribute_not_exists(#blacklisted_at)")
        .when("attribute_not_exists(#opted_out_at)")
        .when("attribute_not_exists(#last_sent_at) OR #last_sent_at <= :earliest")
        .value("earliest", sortable(earliest))
}

async fn change(table: &Table, update: Update) -> Result<Profile, StoreError> {
    read_item(table.update(update).await?)
}
