//! Recipients by their contacts.

use std::collections::BTreeMap;

use carillon_foundations::ids::{CampaignId, ContactId};
use carillon_foundations::time::sortable;
use carillon_table::{Key, ListedAs, StoreError, Table, Unreadable};
use jiff::Timestamp;

use crate::recipient::{Recipient, RecipientKey, RecipientSet};

/// Reads one recipient.
pub async fn get(table: &Table, key: &RecipientKey) -> Result<Option<Recipient>, StoreError> {
    table.get(&key.table_key()).await
}

/// The recipients of a campaign with these contacts, in this order, without those that do not
/// exist.
pub async fn many(
    table: &Table,
    of: RecipientSet,
    contacts: &[ContactId],
) -> Result<Vec<Recipient>, StoreError> {
    let keys: Vec<Key> = contacts.iter().map(|one| of.key(*one).table_key()).collect();
    let recipients = table.get_many::<Recipient>(&keys).await?.into_iter();
    let mut found: BTreeMap<_, _> = recipients.map(|(_, one)| (one.contact, one)).collect();
    Ok(contacts.iter().filter_map(|contact| found.remove(contact)).collect())
}

/// The recipients of a contact in several campaigns.
pub async fn in_campaigns(
    table: &Table,
    contact: ContactId,
    campaigns: impl IntoIterator<Item = RecipientSet>,
) -> Result<Vec<(RecipientKey, Recipient)>, StoreError> {
    let keys: Vec<Key> =
        campaigns.into_iter().map(|recipients| recipients.key(contact).table_key()).collect();
    let found = table.get_many::<Recipient>(&keys).await?.into_iter();
    Ok(found.filter_map(|(key, one)| Some((RecipientKey::read(&key)?, one))).collect())
}

/// The keys of the recipients of a contact that were sent to since `since`, newest first:
/// all, or the latest 25. Eventually consistent.
pub async fn sent_to(
    table: &Table,
    contact: ContactId,
    since: Timestamp,
    all: bool,
) -> Result<Vec<RecipientKey>, StoreError> {
    let keys = table.sent_to(contact, since, all).await?;
    Ok(keys.iter().filter_map(RecipientKey::read).collect())
}

/// The recipients of a campaign that go before its walk and are due, the earliest first, at most
/// `limit`. One that can't be read does not hide the others. Eventually consistent: some may be
/// claimed or settled since.
pub async fn before_walk(
    table: &Table,
    campaign: CampaignId,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Result<ContactId, Unreadable>>, StoreError> {
    let list = ListedAs::BeforeWalk(campaign);
    let found = table.list_until::<Recipient>(list, &sortable(now), limit).await?;
    Ok(found.into_iter().map(|one| one.map(|recipient| recipient.contact)).collect())
}
