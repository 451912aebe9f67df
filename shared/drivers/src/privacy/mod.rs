//! Erasure of a person: the messages from them, their addresses and profile, and what their
//! recipients say of them.
//!
//! The hash of each address stays with a suppression, and the contact stays blacklisted with
//! a few dates, so that the import of an old list does not add the person again. The
//! recipients and the counters stay: they name nobody.

use std::collections::BTreeSet;

use carillon_foundations::ids::{CampaignId, ContactId};
use carillon_nouns::campaign::store::Order;
use carillon_nouns::campaign::{self, Campaign};
use carillon_nouns::contact::{Contact, addresses, store};
use carillon_nouns::conversation;
use carillon_nouns::recipient::{self, Recipient, RecipientKey, Status};
use carillon_table::{StoreError, Table};
use jiff::Timestamp;

/// What was erased of a person.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Erasure {
    /// Messages from the person that were deleted.
    pub messages: u64,
    /// Recipients of the person whose personal data were removed.
    pub campaigns: u64,
    /// Campaigns in which a message to the person is being sent. They are not changed: erase
    /// the person again a minute later.
    pub under_way: u64,
}

/// Erases a person. From the first write on no message is sent to them. Idempotent: a second
/// call completes an interrupted one.
pub async fn erase(
    table: &Table,
    contact: ContactId,
    now: Timestamp,
) -> Result<Erasure, StoreError> {
    let mut erasure = Erasure::default();
    let mut contact = store::begin_erasure(table, contact, now).await?;
    loop {
        erase_known(table, &contact, now, &mut erasure).await?;
        // Another contact of the person may have been merged meanwhile.
        let current = store::current(table, contact.id).await?;
        let is_same = current.id == contact.id && current.profile.merged == contact.profile.merged;
        if is_same || erasure.under_way > 0 {
            return Ok(erasure);
        }
        contact = store::begin_erasure(table, current.id, now).await?;
    }
}

/// Erases what is known of a person under the ids that a contact has.
async fn erase_known(
    table: &Table,
    contact: &Contact,
    now: Timestamp,
    erasure: &mut Erasure,
) -> Result<(), StoreError> {
    let ids: Vec<ContactId> = contact.profile.merged.iter().copied().chain([contact.id]).collect();
    // A campaign may move from a list that comes to one that was.
    let mut seen = BTreeSet::new();
    while erase_from_new(table, &ids, now, &mut seen, erasure).await? {}
    for id in &ids {
        erasure.messages += conversation::store::erase(table, *id).await?;
    }
    if erasure.under_way == 0 {
        // The survivor goes last: it leads to the others.
        for id in ids {
            let profile = store::get(table, id).await?.unwrap_or_default();
            for address in &profile.addresses {
                addresses::erase(table, contact.id, address).await?;
            }
            store::strip_profile(table, id, now).await?;
        }
    }
    Ok(())
}

/// Erases a person from the campaigns that were not processed yet; `false` where there is none.
async fn erase_from_new(
    table: &Table,
    ids: &[ContactId],
    now: Timestamp,
    seen: &mut BTreeSet<CampaignId>,
    erasure: &mut Erasure,
) -> Result<bool, StoreError> {
    let mut any = false;
    for status in campaign::Status::ALL {
        let mut after = None;
        loop {
            let mut page =
                campaign::store::list(table, status, Order::NewestFirst, after, 100).await?;
            page.items.retain(|campaign| seen.insert(campaign.id));
            any |= !page.items.is_empty();
            for id in ids {
                let sets = page.items.iter().map(Campaign::recipients);
                for (key, found) in recipient::store::in_campaigns(table, *id, sets).await? {
                    erase_one(table, &key, found, now, erasure).await?;
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(any)
}

async fn erase_one(
    table: &Table,
    key: &RecipientKey,
    found: Recipient,
    now: Timestamp,
    erasure: &mut Erasure,
) -> Result<(), StoreError> {
    let mut found = Some(found);
    while let Some(recipient) = found {
        let under_way = recipient.status == Status::Sending;
        if under_way && !recipient.claim_is_expired(now) {
            erasure.under_way += 1;
            return Ok(());
        }
        if under_way {
            recipient::store::settle_lost(table, key, recipient.attempt, now).await?;
        } else if recipient.is_erased() {
            return Ok(());
        } else if recipient::store::erase(table, key, &recipient).await? {
            erasure.campaigns += 1;
            return Ok(());
        }
        // It has changed since it was read.
        found = recipient::store::get(table, key).await?;
    }
    Ok(())
}

/// Erases one recipient, of a person who is erased already.
pub async fn erase_recipient(
    table: &Table,
    key: &RecipientKey,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(found) = recipient::store::get(table, key).await? else { return Ok(()) };
    erase_one(table, key, found, now, &mut Erasure::default()).await
}
