//! Erasure of a person: the messages from them, the messages to them, and their recipient
//! items in all campaigns, which become pseudonyms.
//!
//! Their addresses stay, blacklisted and with a few dates, so that the import of an old list
//! does not add them again. The counters stay: they name nobody.

use std::collections::BTreeSet;

use jiff::Timestamp;

use carillon_foundations::address::{Address, Pseudonym};
use carillon_foundations::ids::{CampaignId, IdSource};
use carillon_nouns::campaign::{self, Campaign};
use carillon_nouns::contact::store;
use carillon_nouns::conversation;
use carillon_nouns::recipient::{self, Recipient, RecipientKey, Status};
use carillon_table::{StoreError, Table};

/// What was erased of a person.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Erasure {
    /// Messages from the person that were deleted.
    pub messages: u64,
    /// Campaigns in which a pseudonym replaced the person.
    pub campaigns: u64,
    /// Campaigns in which a message to the person is being sent. They are not changed: erase
    /// the person again a minute later.
    pub under_way: u64,
}

/// Erases a person with all their addresses. From the first write on no message is sent to
/// them. Idempotent: a second call completes an interrupted one.
pub async fn erase(
    table: &Table,
    contact: &Address,
    ids: &IdSource,
    now: Timestamp,
) -> Result<Erasure, StoreError> {
    store::blacklist(table, contact, now).await?;
    let keys = keys_of(table, contact).await?;
    let mut erasure = Erasure::default();
    // A campaign may move from a list that was not read yet to one that was.
    let mut seen = BTreeSet::new();
    while erase_from_new(table, &keys, ids, now, &mut seen, &mut erasure).await? {}
    for key in &keys {
        erasure.messages += conversation::store::erase(table, key).await?;
    }
    if erasure.under_way == 0 {
        // `contact` is last: its aliases lead to the other addresses.
        for key in keys.iter().filter(|key| *key != contact).chain([contact]) {
            store::strip_profile(table, key, now).await?;
        }
    }
    Ok(erasure)
}

/// Erases a person from the campaigns that were not processed yet; `false` where there is none.
async fn erase_from_new(
    table: &Table,
    keys: &BTreeSet<Address>,
    ids: &IdSource,
    now: Timestamp,
    seen: &mut BTreeSet<CampaignId>,
    erasure: &mut Erasure,
) -> Result<bool, StoreError> {
    let mut any = false;
    for status in campaign::Status::ALL {
        let mut after = None;
        loop {
            let mut page = campaign::store::list(table, status, after, 100).await?;
            page.items.retain(|campaign| seen.insert(campaign.id));
            any |= !page.items.is_empty();
            for key in keys {
                erase_from(table, key, &page.items, ids, now, erasure).await?;
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(any)
}

/// All addresses of a person.
async fn keys_of(table: &Table, contact: &Address) -> Result<BTreeSet<Address>, StoreError> {
    let mut keys = BTreeSet::from([contact.clone()]);
    let mut unread = vec![contact.clone()];
    while let Some(key) = unread.pop() {
        let profile = store::get(table, &key).await?.unwrap_or_default();
        unread.extend(profile.aliases.into_iter().filter(|other| keys.insert(other.clone())));
    }
    Ok(keys)
}

/// Erases a person from some campaigns.
async fn erase_from(
    table: &Table,
    contact: &Address,
    campaigns: &[Campaign],
    ids: &IdSource,
    now: Timestamp,
    erasure: &mut Erasure,
) -> Result<(), StoreError> {
    let mut there = BTreeSet::new();
    let sets = campaigns.iter().map(Campaign::recipients);
    for (key, found) in recipient::store::in_campaigns(table, contact, sets).await? {
        there.insert(key.campaign);
        erase_one(table, &key, found, ids, now, erasure).await?;
    }
    for campaign in campaigns {
        if there.contains(&campaign.id) || campaign.walk.is_at(contact.as_str()) {
            campaign::store::remove_from_walk(table, campaign.id, contact).await?;
        }
    }
    Ok(())
}

async fn erase_one(
    table: &Table,
    key: &RecipientKey,
    found: Recipient,
    ids: &IdSource,
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
        } else {
            let pseudonym = Pseudonym::new(ids.bytes());
            if recipient::store::erase(table, key, recipient, pseudonym).await? {
                erasure.campaigns += 1;
                return Ok(());
            }
        }
        // The recipient has changed since it was read.
        found = recipient::store::get(table, key).await?;
    }
    Ok(())
}
