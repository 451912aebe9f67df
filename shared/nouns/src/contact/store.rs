//! Contacts in the table.

use std::collections::{BTreeSet, HashMap};

use carillon_channel::event::Choice;
use carillon_foundations::address::Address;
use carillon_foundations::ids::{CampaignId, ConnectionId, ContactId};
use carillon_foundations::time::sortable;
use carillon_table::{
    Key, ListedAs, Page, StoreError, Table, Update, condition_held, listed_start_key, read_item,
};
use jiff::Timestamp;
use serde::Deserialize;

use super::suppression::{listed, unlisted};
use super::windows::attribute;
use super::{Contact, Profile};
use crate::quota::QuotaCharge;

#[derive(Deserialize)]
struct Erasures {
    begun: u64,
}

/// The profile of a contact, of a merged one too, if there is one.
pub async fn get(table: &Table, contact: ContactId) -> Result<Option<Profile>, StoreError> {
    table.get(&Key::Contact(contact)).await
}

/// The contact, or the one that it was merged into. A contact without a profile has an empty
/// one.
pub async fn current(table: &Table, contact: ContactId) -> Result<Contact, StoreError> {
    let mut id = contact;
    loop {
        let profile = get(table, id).await?.unwrap_or_default();
        match profile.merged_into {
            Some(survivor) => id = survivor,
            None => return Ok(Contact { id, profile }),
        }
    }
}

/// The contacts with these ids, or those that they were merged into.
pub async fn many(
    table: &Table,
    contacts: &[ContactId],
) -> Result<HashMap<ContactId, Contact>, StoreError> {
    let keys: Vec<Key> = contacts.iter().copied().map(Key::Contact).collect();
    let mut known = HashMap::with_capacity(keys.len());
    for (key, profile) in table.get_many::<Profile>(&keys).await? {
        if let Key::Contact(id) = key {
            let contact = match profile.merged_into {
                Some(survivor) => current(table, survivor).await?,
                None => Contact { id, profile },
            };
            known.insert(id, contact);
        }
    }
    Ok(known)
}

/// Puts a contact on the blacklist, from this moment on.
pub async fn blacklist(
    table: &Table,
    contact: ContactId,
    at: Timestamp,
) -> Result<Contact, StoreError> {
    let blacklist = |id| {
        let update = update(id)
            .set_once("created_at", sortable(at))
            .set_once("blacklisted_at", sortable(at));
        listed(update, id)
    };
    change_current(table, contact, blacklist).await
}

/// Removes a contact from the blacklist. Of an erased person, an address is known again once
/// it is written again, by a file for example.
pub async fn unblacklist(table: &Table, contact: ContactId) -> Result<Contact, StoreError> {
    let lift = |id| update(id).remove("blacklisted_at").remove("erased_at");
    let wholly = |id| unlisted(lift(id)).when("attribute_not_exists(#opted_out_at)");
    let partly = |id| lift(id).when("attribute_exists(#opted_out_at)");
    loop {
        // Of the two one finds its condition true; which one may change in between.
        change_current(table, contact, wholly).await?;
        let changed = change_current(table, contact, partly).await?;
        if changed.profile.blacklisted_at.is_none() {
            return Ok(changed);
        }
    }
}

/// One page of the contacts to which no message is sent, by id.
pub async fn suppressed(
    table: &Table,
    after: Option<ContactId>,
    limit: u32,
) -> Result<(Vec<Contact>, bool), StoreError> {
    #[derive(Deserialize)]
    struct Listed {
        listed_at: ContactId,
        #[serde(flatten)]
        profile: Profile,
    }
    let after =
        after.map(|id| listed_start_key(&Key::Contact(id), ListedAs::Suppressed, &id.to_string()));
    let page: Page<Listed> = table.list(ListedAs::Suppressed, false, after, limit).await?;
    let contact = |Listed { listed_at: id, profile }| Contact { id, profile };
    Ok((page.items.into_iter().map(contact).collect(), page.next.is_some()))
}

/// Begins the erasure of a person: no message is sent to them and no address of theirs is
/// stored from then on.
pub async fn begin_erasure(
    table: &Table,
    contact: ContactId,
    at: Timestamp,
) -> Result<Contact, StoreError> {
    let begin = |id| {
        let update =
            update(id).set_once("blacklisted_at", sortable(at)).set_once("erased_at", sortable(at));
        listed(update, id)
    };
    let contact = change_current(table, contact, begin).await?;
    table.update(Update::of(&Key::Erasures).add("begun", 1)).await?;
    Ok(contact)
}

/// How many erasures have begun. Whoever stores personal data of contacts that were read
/// before reads this number before and after, and looks at the contacts again where it changed.
pub async fn erasures_begun(table: &Table) -> Result<u64, StoreError> {
    let begun: Option<Erasures> = table.get(&Key::Erasures).await?;
    Ok(begun.map_or(0, |erasures| erasures.begun))
}

/// Makes an address the one that a contact is sent to.
pub(super) async fn prefer(
    table: &Table,
    contact: ContactId,
    address: &Address,
) -> Result<(), StoreError> {
    let prefer = |id| {
        update(id)
            .set("preferred", address)
            .when("contains(#addresses, :address) AND attribute_not_exists(#erased_at)")
            .value("address", address.as_str())
    };
    change_current(table, contact, prefer).await.map(drop)
}

/// Records that a contact stopped or resumed messages. An older preference that arrives late
/// does not replace a newer one.
pub async fn record_preference(
    table: &Table,
    contact: ContactId,
    choice: Choice,
    at: Timestamp,
) -> Result<(), StoreError> {
    let preference = |id| {
        let update = update(id)
            .set("preference_at", sortable(at))
            .when("attribute_not_exists(#preference_at) OR #preference_at <= :at")
            .value("at", sortable(at));
        match choice {
            Choice::Stop => listed(update.set("opted_out_at", sortable(at)), id),
            Choice::Resume => update.remove("opted_out_at"),
        }
    };
    let contact = change_current(table, contact, preference).await?;
    if contact.profile.suppression().is_none() {
        let unlist = |id| {
            unlisted(update(id))
                .when("attribute_not_exists(#blacklisted_at)")
                .when("attribute_not_exists(#opted_out_at)")
        };
        change_current(table, contact.id, unlist).await?;
    }
    Ok(())
}

/// Records that the provider holds marketing messages back from a contact.
pub async fn hold_marketing(
    table: &Table,
    contact: ContactId,
    until: Timestamp,
) -> Result<(), StoreError> {
    let hold = |id| {
        update(id)
            .set("marketing_held_until", sortable(until))
            .when("attribute_not_exists(#marketing_held_until) OR #marketing_held_until < :until")
            .value("until", sortable(until))
    };
    change_current(table, contact, hold).await.map(drop)
}

/// A message from a contact.
#[derive(Debug, Clone, Copy)]
pub struct Wrote<'a> {
    /// The name in the sender's profile.
    pub name: Option<&'a str>,
    /// The connection whose service window it opens; none where it opens none.
    pub opens: Option<ConnectionId>,
    /// When it was sent.
    pub at: Timestamp,
}

/// Records a message from a contact. A window never moves back.
pub async fn record_inbound(
    table: &Table,
    contact: ContactId,
    wrote: Wrote<'_>,
) -> Result<Contact, StoreError> {
    let Wrote { name, opens, at } = wrote;
    let known = |id| {
        let update = update(id).set_once("created_at", sortable(at));
        match name {
            Some(name) => update.set("name", name),
            None => update,
        }
    };
    let Some(connection) = opens else { return change_current(table, contact, known).await };
    let window = attribute(connection);
    let newer = format!("attribute_not_exists(#{window}) OR #{window} < :at");
    let open = |id| known(id).set(&window, sortable(at)).when(&newer).value("at", sortable(at));
    change_current(table, contact, open).await
}

/// Removes everything from the profile of an erased contact except the suppressions and
/// what limits the messages to it.
pub async fn strip_profile(
    table: &Table,
    contact: ContactId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let profile = get(table, contact).await?.unwrap_or_default();
    let update = update(contact)
        .set_once("erased_at", sortable(now))
        .remove("created_at")
        .remove("name")
        .remove("addresses")
        .remove("preferred")
        .remove("sent_campaigns")
        .remove("marketing_held_until");
    let windows = profile.windows.0.keys();
    table.update(windows.fold(update, |update, name| update.remove(name))).await.map(drop)
}

/// Which message a contact is claimed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimOf {
    /// The first attempt of a campaign: it fails where the campaign has sent to the person
    /// already, under another id.
    First(CampaignId),
    /// A retry in a campaign.
    Retry,
    /// A message of no campaign.
    Single,
}

/// The contact's part of a claim: it fails where the contact is suppressed, merged into
/// another or was sent to after `earliest`.
pub fn claim_update(
    contact: ContactId,
    claim: ClaimOf,
    now: Timestamp,
    earliest: Timestamp,
) -> Update {
    let update = update(contact)
        .set("last_sent_at", sortable(now))
        .when("attribute_not_exists(#blacklisted_at)")
        .when("attribute_not_exists(#opted_out_at)")
        .when("attribute_not_exists(#merged_into)")
        .when("attribute_not_exists(#last_sent_at) OR #last_sent_at <= :earliest")
        .value("earliest", sortable(earliest));
    match claim {
        ClaimOf::First(campaign) => update
            .include("sent_campaigns", &campaign.to_string())
            .when(
                "attribute_not_exists(#sent_campaigns) OR NOT contains(#sent_campaigns, :campaign)",
            )
            .value("campaign", campaign),
        ClaimOf::Retry | ClaimOf::Single => update,
    }
}

/// Fails a claim where the contact does not have the address any more.
pub fn while_reached_at(claim: Update, address: &Address) -> Update {
    claim.when("contains(#addresses, :to)").value("to", address.as_str())
}

/// Fails a claim where the contact is not, or not any more, the survivor of a merge with this
/// one.
pub fn while_merged(claim: Update, loser: ContactId) -> Update {
    claim.when("contains(#merged, :loser)").value("loser", loser)
}

/// Fails a claim where the contacts that were merged into the contact are not these any more.
pub fn while_merged_are(claim: Update, merged: &BTreeSet<ContactId>) -> Update {
    claim.unchanged_texts("merged", &merged.iter().map(ToString::to_string).collect())
}

/// Fails a claim while the provider holds marketing messages back from the contact.
pub fn unless_held(claim: Update, now: Timestamp) -> Update {
    claim
        .when("attribute_not_exists(#marketing_held_until) OR #marketing_held_until <= :now")
        .value("now", sortable(now))
}

/// A reservation of a quota group for a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reservation<'a> {
    /// The quota group; none for a connection without a quota.
    pub quota_group: Option<&'a str>,
    /// The bucket in which it is counted.
    pub bucket: i64,
}

/// Adds to a claim which reservation the contact has from then on. The claim fails where the
/// contact was sent to since it was read: its reservation has changed.
pub fn charge(claim: Update, charge: QuotaCharge, reservation: Reservation<'_>) -> Update {
    let reserved = |claim: Update| {
        claim
            .set_or_remove("quota_group", reservation.quota_group)
            .set("quota_bucket", reservation.bucket)
    };
    let sent_at = match charge {
        QuotaCharge::New { sent_at } => sent_at,
        QuotaCharge::Renew { sent_at, .. } => Some(sent_at),
        QuotaCharge::Exempt => return claim,
    };
    match sent_at {
        Some(at) => reserved(claim).when("#last_sent_at = :seen").value("seen", sortable(at)),
        None => reserved(claim).when("attribute_not_exists(#last_sent_at)"),
    }
}

/// Undoes [`charge`] for a message that was not sent: the contact has the reservation it
/// had before, or none. `false` where the contact was claimed again or merged since.
pub async fn undo_charge(
    table: &Table,
    contact: ContactId,
    charge: QuotaCharge,
    claimed_at: Timestamp,
) -> Result<bool, StoreError> {
    let update = update(contact)
        .when("#last_sent_at = :claimed")
        .value("claimed", sortable(claimed_at))
        .when("attribute_not_exists(#merged_into)");
    let update = match charge {
        QuotaCharge::New { .. } => update.remove("quota_group").remove("quota_bucket"),
        QuotaCharge::Renew { bucket, .. } => update.set("quota_bucket", bucket),
        QuotaCharge::Exempt => return Ok(true),
    };
    condition_held(table.update(update).await)
}

/// Forgets campaigns that ended: no first claim of theirs can follow.
pub async fn forget_campaigns(
    table: &Table,
    contact: ContactId,
    ended: impl IntoIterator<Item = CampaignId>,
) -> Result<(), StoreError> {
    let ended = ended.into_iter().map(|campaign| campaign.to_string()).collect();
    let update = update(contact).exclude("sent_campaigns", &ended).when("attribute_exists(pk)");
    condition_held(table.update(update).await).map(drop)
}

pub(super) fn update(contact: ContactId) -> Update {
    Update::of(&Key::Contact(contact))
}

/// Changes a contact, or the one that it was merged into. Where a condition of the change
/// fails the contact stays as it is.
async fn change_current(
    table: &Table,
    contact: ContactId,
    change: impl Fn(ContactId) -> Update,
) -> Result<Contact, StoreError> {
    let mut id = contact;
    loop {
        let update = change(id).when("attribute_not_exists(#merged_into)");
        let profile: Profile = match table.update(update).await {
            Ok(item) => read_item(item)?,
            Err(StoreError::Condition(Some(item))) => read_item(*item)?,
            Err(StoreError::Condition(None)) => Profile::default(),
            Err(error) => return Err(error),
        };
        match profile.merged_into {
            Some(survivor) => id = survivor,
            None => return Ok(Contact { id, profile }),
        }
    }
}
