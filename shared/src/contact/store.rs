//! Contacts in the table.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use serde::Deserialize;

use super::{ContactKey, Counting, Profile};
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

/// What is known of up to 100 contacts; those not known are left out.
pub async fn many(
    table: &Table,
    contacts: &[ContactKey],
) -> Result<HashMap<ContactKey, Profile>, StoreError> {
    #[derive(Deserialize)]
    struct Row {
        pk: String,
        sk: String,
        #[serde(flatten)]
        profile: Profile,
    }
    let keys: Vec<Key> = contacts.iter().cloned().map(Key::Contact).collect();
    let rows: Vec<Row> = table.get_many(&keys).await?;
    let known = rows.into_iter().filter_map(|row| match Key::parse(&row.pk, &row.sk) {
        Some(Key::Contact(contact)) => Some((contact, row.profile)),
        _ => None,
    });
    Ok(known.collect())
}

/// Puts the contact on the blacklist, from this moment on, under all its keys.
pub async fn blacklist(
    table: &Table,
    contact: &ContactKey,
    now: Timestamp,
) -> Result<Profile, StoreError> {
    let profile = blacklist_key(table, contact, now).await?;
    for other in &profile.same_as {
        blacklist_key(table, other, now).await?;
    }
    Ok(profile)
}

async fn blacklist_key(
    table: &Table,
    contact: &ContactKey,
    at: Timestamp,
) -> Result<Profile, StoreError> {
    let update = Update::of(&Key::Contact(contact.clone()))
        .set_once("created_at", sortable(at))
        .set_once("blacklisted_at", sortable(at));
    change(table, update).await
}

/// Takes the contact off the blacklist, under all its keys.
pub async fn unblacklist(table: &Table, contact: &ContactKey) -> Result<Profile, StoreError> {
    let off = |contact: &ContactKey| {
        change(table, Update::of(&Key::Contact(contact.clone())).remove("blacklisted_at"))
    };
    let profile = off(contact).await?;
    for other in &profile.same_as {
        off(other).await?;
    }
    Ok(profile)
}

/// Records the contact's own wish about marketing messages, `stop` or resume,
/// under all its keys. An older wish that arrives late doesn't overrule a newer one.
pub async fn record_preference(
    table: &Table,
    contact: &ContactKey,
    stop: bool,
    at: Timestamp,
) -> Result<(), StoreError> {
    // The other keys are those the contact has once its own wish is stored:
    // whoever links another key later finds the wish here (see `link`).
    for other in record_wish(table, contact, stop, at).await? {
        record_wish(table, &other, stop, at).await?;
    }
    Ok(())
}

/// Records the wish under one key; gives the person's other keys.
async fn record_wish(
    table: &Table,
    contact: &ContactKey,
    stop: bool,
    at: Timestamp,
) -> Result<BTreeSet<ContactKey>, StoreError> {
    let update = Update::of(&Key::Contact(contact.clone()))
        .set("preference_at", sortable(at))
        .when("attribute_not_exists(#preference_at) OR #preference_at <= :at")
        .value("at", sortable(at));
    let update =
        if stop { update.set("opted_out_at", sortable(at)) } else { update.remove("opted_out_at") };
    let item = match table.update(update).await {
        Ok(item) => item,
        Err(StoreError::Condition(Some(item))) => *item,
        Err(StoreError::Condition(None)) => return Ok(BTreeSet::new()),
        Err(error) => return Err(error),
    };
    Ok(read_item::<Profile>(item)?.same_as)
}

/// Learns that two keys are one person: what bars one bars the other from now on.
///
/// Each key names the other before the bars are read, and a bar is stored before
/// the other keys are read (see `record_preference`): whichever comes first, a
/// bar that is stored while two keys are linked reaches both.
pub async fn link(table: &Table, one: &ContactKey, other: &ContactKey) -> Result<(), StoreError> {
    if one == other {
        return Ok(());
    }
    point(table, one, other).await?;
    let theirs = point(table, other, one).await?;
    let ours = get(table, one).await?.unwrap_or_default();
    copy_bars(table, &ours, other).await?;
    copy_bars(table, &theirs, one).await?;
    for third in theirs.same_as.iter().filter(|key| *key != one && !ours.same_as.contains(key)) {
        Box::pin(link(table, one, third)).await?;
    }
    for third in ours.same_as.iter().filter(|key| *key != other && !theirs.same_as.contains(key)) {
        Box::pin(link(table, other, third)).await?;
    }
    Ok(())
}

async fn point(table: &Table, from: &ContactKey, to: &ContactKey) -> Result<Profile, StoreError> {
    change(table, Update::of(&Key::Contact(from.clone())).include("same_as", to.as_str())).await
}

/// What bars one record of a contact bars another, too: for one that comes from
/// another table.
pub async fn copy_bars(table: &Table, from: &Profile, to: &ContactKey) -> Result<(), StoreError> {
    if let Some(at) = from.blacklisted_at {
        blacklist_key(table, to, at).await?;
    }
    if let Some(at) = from.preference_at {
        record_wish(table, to, from.opted_out_at.is_some(), at).await?;
    }
    Ok(())
}

/// Records that the contact wrote to us, under all its keys; gives what is known
/// of them now.
pub async fn record_inbound(
    table: &Table,
    contact: &ContactKey,
    name: Option<&str>,
    at: Timestamp,
) -> Result<Profile, StoreError> {
    let wrote = |contact: &ContactKey| {
        let update = Update::of(&Key::Contact(contact.clone()))
            .set_once("created_at", sortable(at))
            .set("last_inbound_at", sortable(at));
        match name {
            Some(name) => update.set("name", name),
            None => update,
        }
    };
    let profile = change(table, wrote(contact)).await?;
    for other in &profile.same_as {
        table.update(wrote(other)).await?;
    }
    Ok(profile)
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

/// Adds to a claim which place of a portfolio the contact holds from then on.
/// With [`Counting::Again`] the claim fails if they were sent to since that was read.
pub fn counted(claim: Update, counting: Counting, portfolio: &str, bucket: i64) -> Update {
    let placed =
        |claim: Update| claim.set("place_portfolio", portfolio).set("place_bucket", bucket);
    match counting {
        Counting::New => placed(claim),
        Counting::Again { sent_at, .. } => {
            placed(claim).when("#last_sent_at = :seen").value("seen", sortable(sent_at))
        }
        Counting::Free => claim,
    }
}

/// Undoes what [`counted`] did, because the message surely did not go out: the
/// contact holds the place it held before, or none. `false` when the contact was
/// claimed again meanwhile.
pub async fn uncount(
    table: &Table,
    contact: &ContactKey,
    counting: Counting,
    claimed_at: Timestamp,
) -> Result<bool, StoreError> {
    let update = Update::of(&Key::Contact(contact.clone()))
        .when("#last_sent_at = :claimed")
        .value("claimed", sortable(claimed_at));
    let update = match counting {
        Counting::New => update.remove("place_portfolio").remove("place_bucket"),
        Counting::Again { bucket, .. } => update.set("place_bucket", bucket),
        Counting::Free => return Ok(true),
    };
    match table.update(update).await {
        Ok(_) => Ok(true),
        Err(StoreError::Condition(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

async fn change(table: &Table, update: Update) -> Result<Profile, StoreError> {
    read_item(table.update(update).await?)
}
