//! Contacts in the table.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use serde::Deserialize;

use super::{ContactKey, Counting, Profile};
use crate::table::{Key, StoreError, Table, Update, Write, read_item};
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
    at: Timestamp,
) -> Result<Profile, StoreError> {
    under_all_keys(table, contact, |key| {
        Update::of(&Key::Contact(key.clone()))
            .set_once("created_at", sortable(at))
            .set_once("blacklisted_at", sortable(at))
    })
    .await
}

/// Takes the contact off the blacklist, under all its keys.
pub async fn unblacklist(table: &Table, contact: &ContactKey) -> Result<Profile, StoreError> {
    under_all_keys(table, contact, |key| {
        Update::of(&Key::Contact(key.clone())).remove("blacklisted_at")
    })
    .await
}

/// Records the contact's own wish about marketing messages, `stop` or resume,
/// under all its keys. An older wish that arrives late doesn't overrule a newer one.
pub async fn record_preference(
    table: &Table,
    contact: &ContactKey,
    stop: bool,
    at: Timestamp,
) -> Result<(), StoreError> {
    let wishes = |key: &ContactKey| {
        let update = Update::of(&Key::Contact(key.clone()))
            .set("preference_at", sortable(at))
            .when("attribute_not_exists(#preference_at) OR #preference_at <= :at")
            .value("at", sortable(at));
        if stop { update.set("opted_out_at", sortable(at)) } else { update.remove("opted_out_at") }
    };
    under_all_keys(table, contact, wishes).await.map(drop)
}

/// Makes a change under every key of a person; gives what is known under the one
/// that was named. The other keys are those known once the change is stored: whoever
/// links another key later finds the change there (see [`link`]).
async fn under_all_keys(
    table: &Table,
    contact: &ContactKey,
    change: impl Fn(&ContactKey) -> Update,
) -> Result<Profile, StoreError> {
    let profile = change_or_find(table, change(contact)).await?;
    let mut done = BTreeSet::from([contact.clone()]);
    let mut left: Vec<ContactKey> = profile.same_as.iter().cloned().collect();
    while let Some(key) = left.pop() {
        if done.insert(key.clone()) {
            left.extend(change_or_find(table, change(&key)).await?.same_as);
        }
    }
    Ok(profile)
}

/// The profile as an update leaves it, or as it is where the condition doesn't hold.
async fn change_or_find(table: &Table, update: Update) -> Result<Profile, StoreError> {
    match table.update(update).await {
        Ok(item) => read_item(item),
        Err(StoreError::Condition(Some(item))) => read_item(*item),
        Err(StoreError::Condition(None)) => Ok(Profile::default()),
        Err(error) => Err(error),
    }
}

/// Learns that two keys are one person: what bars one bars the other from now on.
///
/// Both name each other and have the bars of both in one transaction, provided
/// nobody changed a bar since they were read. A bar that is stored later finds the
/// other key and goes there too (see [`blacklist`] and [`record_preference`]).
pub async fn link(table: &Table, one: &ContactKey, other: &ContactKey) -> Result<(), StoreError> {
    if one == other {
        return Ok(());
    }
    loop {
        let mut known = many(table, &[one.clone(), other.clone()]).await?;
        let ours = known.remove(one).unwrap_or_default();
        let theirs = known.remove(other).unwrap_or_default();
        let named = ours.same_as.contains(other) && theirs.same_as.contains(one);
        let bars = Bars::of_both(&ours, &theirs, named);
        if named && bars == Bars::of(&ours) && bars == Bars::of(&theirs) {
            return Ok(());
        }
        let writes = vec![bars.link(one, &ours, other), bars.link(other, &theirs, one)];
        match table.transact(writes).await {
            Ok(()) => {}
            Err(StoreError::Cancelled(_)) => continue,
            Err(error) => return Err(error),
        }
        for third in theirs.same_as.iter().filter(|key| *key != one && !ours.same_as.contains(key))
        {
            Box::pin(link(table, one, third)).await?;
        }
        for third in
            ours.same_as.iter().filter(|key| *key != other && !theirs.same_as.contains(key))
        {
            Box::pin(link(table, other, third)).await?;
        }
        return Ok(());
    }
}

/// What keeps a contact from being written to, and how old their wish is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bars {
    blacklisted: Option<Timestamp>,
    opted_out: Option<Timestamp>,
    wish: Option<Timestamp>,
}

impl Bars {
    fn of(profile: &Profile) -> Self {
        Self {
            blacklisted: profile.blacklisted_at,
            opted_out: profile.opted_out_at,
            wish: profile.preference_at,
        }
    }

    /// The bars of one person with two keys, which may be `linked` already: the newer
    /// wish, and either's blacklist.
    fn of_both(one: &Profile, other: &Profile, linked: bool) -> Self {
        let newer = if one.preference_at >= other.preference_at { one } else { other };
        // Keys that were erased together were barred together, and lost sight of each
        // other: if one was freed since, the person was.
        let erased_together = one.erased_at.is_some() && one.erased_at == other.erased_at;
        let blacklisted = match (one.blacklisted_at, other.blacklisted_at) {
            (None, _) | (_, None) if erased_together && !linked => None,
            (ours, theirs) => ours.into_iter().chain(theirs).min(),
        };
        Self { blacklisted, ..Self::of(newer) }
    }

    /// Puts the bars on `key`, and `other` beside it, if it has those that were `seen`.
    fn link(self, key: &ContactKey, seen: &Profile, other: &ContactKey) -> Write {
        let update = Update::of(&Key::Contact(key.clone())).include("same_as", other.as_str());
        let changes = self.named().into_iter().zip(Self::of(seen).named());
        Write::Update(changes.fold(update, |update, ((name, new), (_, seen))| {
            update.set_or_remove(name, new.map(sortable)).unchanged(name, seen.map(sortable))
        }))
    }

    fn named(self) -> [(&'static str, Option<Timestamp>); 3] {
        [
            ("blacklisted_at", self.blacklisted),
            ("opted_out_at", self.opted_out),
            ("preference_at", self.wish),
        ]
    }
}

/// What is known of a person elsewhere, under one of their keys, holds here too: the
/// bars and the other keys. For one that comes from another table.
pub async fn take_over(table: &Table, from: &Profile, to: &ContactKey) -> Result<(), StoreError> {
    if let Some(at) = from.blacklisted_at {
        blacklist(table, to, at).await?;
    }
    if let Some(at) = from.preference_at {
        record_preference(table, to, from.opted_out_at.is_some(), at).await?;
    }
    for other in &from.same_as {
        link(table, to, other).await?;
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
    under_all_keys(table, contact, wrote).await
}

/// Takes everything off a contact who was erased but what keeps them from being
/// written to, and what the limits on messages to them go by.
pub async fn strip(table: &Table, contact: &ContactKey, now: Timestamp) -> Result<(), StoreError> {
    let update = Update::of(&Key::Contact(contact.clone()))
        .set("erased_at", sortable(now))
        .remove("created_at")
        .remove("name")
        .remove("same_as")
        .remove("last_inbound_at");
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Option<Timestamp> {
        Timestamp::from_second(1_800_000_000 + second).ok()
    }

    #[test]
    fn the_newer_wish_and_either_blacklist_hold_for_both() {
        let stopped = Profile { preference_at: at(2), opted_out_at: at(2), ..Profile::default() };
        let resumed = Profile { preference_at: at(1), ..Profile::default() };
        let blocked = Profile { blacklisted_at: at(0), ..resumed.clone() };
        let bars = Bars { blacklisted: at(0), opted_out: at(2), wish: at(2) };
        assert_eq!(Bars::of_both(&stopped, &blocked, false), bars);
        assert_eq!(Bars::of_both(&blocked, &stopped, true), bars);
        let again = Profile { preference_at: at(3), ..Profile::default() };
        assert_eq!(Bars::of_both(&stopped, &again, true).opted_out, None);
    }

    #[test]
    fn who_was_freed_after_being_erased_is_free_until_somebody_blocks_them_again() {
        let blocked = Profile { erased_at: at(1), blacklisted_at: at(0), ..Profile::default() };
        let freed = Profile { erased_at: at(1), ..Profile::default() };
        let elsewhere = Profile { erased_at: at(5), ..Profile::default() };
        let blacklisted = |one, other, linked| Bars::of_both(one, other, linked).blacklisted;
        assert_eq!(blacklisted(&blocked, &freed, false), None);
        assert_eq!(blacklisted(&blocked, &freed, true), at(0), "blocked a moment ago");
        assert_eq!(blacklisted(&blocked, &elsewhere, false), at(0));
        assert_eq!(blacklisted(&blocked, &blocked.clone(), false), at(0));
    }
}
