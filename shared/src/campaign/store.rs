//! Campaigns in the table.

use jiff::Timestamp;
use jiff::civil::Date;

use super::{Campaign, Import, Move, Settings, Status};
use crate::contact::ContactKey;
use crate::ids::CampaignId;
use crate::plan::{Batch, Sweep};
use crate::table::{
    Items, Key, ListedAs, Page, StoreError, Table, Update, Write, listed_place, read_item,
};

/// Stores a new campaign.
pub async fn create(table: &Table, campaign: &Campaign) -> Result<(), StoreError> {
    let key = Key::Campaign(campaign.id);
    let listed_as = ListedAs::Campaigns(campaign.status);
    table.write(Write::create(&key, campaign)?.listed(listed_as, &campaign.id.to_string())).await
}

/// Reads a campaign.
pub async fn get(table: &Table, id: CampaignId) -> Result<Option<Campaign>, StoreError> {
    table.get(&Key::Campaign(id)).await
}

/// One page of the campaigns of one status, newest first.
pub async fn list(
    table: &Table,
    status: Status,
    after: Option<Items>,
    limit: u32,
) -> Result<Page<Campaign>, StoreError> {
    table.list(ListedAs::Campaigns(status), true, after, limit).await
}

/// The place of a campaign in the list of those of its status.
pub fn place(status: Status, id: CampaignId) -> Items {
    listed_place(&Key::Campaign(id), ListedAs::Campaigns(status), &id.to_string())
}

/// Deletes a campaign that is still as it was read; `false` when it isn't.
pub async fn delete(table: &Table, campaign: &Campaign) -> Result<bool, StoreError> {
    let delete = Write::Delete(Key::Campaign(campaign.id)).if_version(campaign.version);
    match table.write(delete).await {
        Ok(()) => Ok(true),
        Err(StoreError::Condition(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Everything of one status; for the statuses of which there are never many.
pub async fn all(table: &Table, status: Status) -> Result<Vec<Campaign>, StoreError> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = list(table, status, after, 100).await?;
        found.extend(page.items);
        after = page.next;
        if after.is_none() {
            return Ok(found);
        }
    }
}

/// Why a change of a campaign did not happen.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// There is no such campaign.
    #[error("no such campaign")]
    Unknown,
    /// Its status doesn't allow it.
    #[error(transparent)]
    Refused(#[from] super::Refused),
    /// The table failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Moves a campaign's status, whatever else happens to it at the same time.
pub async fn change_status(
    table: &Table,
    id: CampaignId,
    wanted: Move,
    reason: Option<&str>,
    now: Timestamp,
) -> Result<Campaign, ChangeError> {
    loop {
        let campaign = get(table, id).await?.ok_or(ChangeError::Unknown)?;
        let status = campaign.status.after(wanted)?;
        match table.transact(status_writes(&campaign, status, reason, now)?).await {
            Ok(()) => return get(table, id).await?.ok_or(ChangeError::Unknown),
            Err(StoreError::Cancelled(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn status_writes(
    campaign: &Campaign,
    status: Status,
    reason: Option<&str>,
    now: Timestamp,
) -> Result<Vec<Write>, StoreError> {
    let update = unchanged(campaign)
        .set("status", status)
        .set_or_remove("halted_for", reason)
        .set(crate::table::Shape::LISTED_AS, ListedAs::Campaigns(status).to_string());
    let update = match status {
        // Someone waits again: what the walk has met before doesn't count.
        Status::Active if campaign.status == Status::Completed => {
            update.remove("finished_at").set("stirred_at", now)
        }
        Status::Active => update.set_once("started_at", now),
        Status::Completed | Status::Cancelled => update.set("finished_at", now),
        Status::Draft | Status::Scheduled | Status::Paused | Status::Halted => update,
    };
    let mut writes = vec![Write::Update(update)];
    if status == Status::Cancelled {
        writes.push(sweep(campaign, "the campaign was cancelled")?);
    }
    Ok(writes)
}

/// Completes a campaign whose time is over, and has those who were not written
/// to marked cancelled.
pub async fn end(table: &Table, campaign: &Campaign, now: Timestamp) -> Result<(), StoreError> {
    let mut writes = status_writes(campaign, Status::Completed, None, now)?;
    writes.push(sweep(campaign, "the campaign's scheduled end had come")?);
    table.transact(writes).await
}

/// Completes a campaign, provided nobody changed it since it was read and found
/// exhausted; `false` when somebody did.
pub async fn complete(
    table: &Table,
    campaign: &Campaign,
    now: Timestamp,
) -> Result<bool, StoreError> {
    if campaign.status.after(Move::Complete).is_err() {
        return Ok(false);
    }
    match table.transact(status_writes(campaign, Status::Completed, None, now)?).await {
        Ok(()) => Ok(true),
        Err(StoreError::Cancelled(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Says that someone who had had their turn was put back among those who wait.
/// `false` when the campaign is over, so that nobody will come by again.
pub async fn stir(table: &Table, id: CampaignId, now: Timestamp) -> Result<bool, StoreError> {
    let update = Update::of(&Key::Campaign(id))
        .set("stirred_at", now)
        .add("version", 1)
        .when("attribute_exists(pk) AND NOT (#status IN (:completed, :cancelled))")
        .value("completed", Status::Completed)
        .value("cancelled", Status::Cancelled);
    match table.update(update).await {
        Ok(_) => Ok(true),
        Err(StoreError::Condition(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Takes the name of a contact, who was erased, out of a campaign's walk. Whoever
/// walks there at this moment has to begin anew, even if it doesn't stand there yet.
pub async fn forget_in_walk(
    table: &Table,
    id: CampaignId,
    contact: &ContactKey,
) -> Result<(), StoreError> {
    while let Some(mut campaign) = get(table, id).await? {
        let seen = campaign.version;
        campaign.version += 1;
        campaign.walk.forget(contact.as_str());
        if replace(table, &campaign, seen).await? {
            break;
        }
    }
    Ok(())
}

fn sweep(campaign: &Campaign, reason: &str) -> Result<Write, StoreError> {
    let sweep = Sweep {
        campaign: campaign.id,
        shards: campaign.shards,
        cursor: None,
        began_at: None,
        reason: reason.to_owned(),
    };
    let write = Write::put(&Key::Sweep(campaign.id), &sweep)?;
    Ok(write.listed(ListedAs::OpenSweeps, &campaign.id.to_string()))
}

/// Replaces what people set, provided nobody changed the campaign since it was
/// read; `false` when somebody did.
pub async fn replace_settings(
    table: &Table,
    campaign: &Campaign,
    settings: Settings,
) -> Result<bool, StoreError> {
    let changed = Campaign { settings, version: campaign.version + 1, ..campaign.clone() };
    replace(table, &changed, campaign.version).await
}

/// Replaces a campaign that still has the version `seen`; `false` when not.
pub async fn replace(table: &Table, changed: &Campaign, seen: u64) -> Result<bool, StoreError> {
    match table.write(replacement(changed, seen)?).await {
        Ok(()) => Ok(true),
        Err(StoreError::Condition(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The write that replaces a campaign which still has the version `seen`.
pub fn replacement(changed: &Campaign, seen: u64) -> Result<Write, StoreError> {
    let listed = ListedAs::Campaigns(changed.status);
    let write = Write::put(&Key::Campaign(changed.id), changed)?;
    Ok(write.listed(listed, &changed.id.to_string()).if_version(seen))
}

/// An update that happens only if the campaign is as it was read; raises its version.
pub fn unchanged(campaign: &Campaign) -> Update {
    Update::of(&Key::Campaign(campaign.id))
        .set("version", campaign.version + 1)
        .when("#version = :version")
        .value("version", campaign.version)
}

/// Says that recipients may arrive until `until`, so that the campaign isn't
/// completed meanwhile. Refused once it is completed or cancelled.
pub async fn announce_upload(
    table: &Table,
    id: CampaignId,
    until: Timestamp,
) -> Result<(), ChangeError> {
    let update = Update::of(&Key::Campaign(id))
        .set("uploading_until", until)
        .add("version", 1)
        .when("attribute_exists(pk) AND NOT (#status IN (:completed, :cancelled))")
        .value("completed", Status::Completed)
        .value("cancelled", Status::Cancelled);
    match table.update(update).await {
        Ok(_) => Ok(()),
        Err(StoreError::Condition(None)) => Err(ChangeError::Unknown),
        Err(StoreError::Condition(Some(item))) => {
            let campaign: Campaign = read_item(*item)?;
            Err(campaign.status.after(Move::Upload).err().map_or(ChangeError::Unknown, Into::into))
        }
        Err(error) => Err(error.into()),
    }
}

/// Remembers what an upload brought.
pub async fn add_import(
    table: &Table,
    campaign: CampaignId,
    import: &Import,
) -> Result<(), StoreError> {
    table.write(Write::put(&Key::Import { campaign, import: import.id }, import)?).await
}

/// What all uploads brought.
pub async fn imports(table: &Table, campaign: CampaignId) -> Result<Vec<Import>, StoreError> {
    collect(table, campaign, Key::IMPORTS).await
}

/// The campaign's batches, of one day or of all.
pub async fn batches(
    table: &Table,
    campaign: CampaignId,
    date: Option<Date>,
) -> Result<Vec<Batch>, StoreError> {
    let prefix = date.map_or_else(|| Key::BATCHES.to_owned(), |date| format!("BATCH#{date}#"));
    collect(table, campaign, &prefix).await
}

async fn collect<T: serde::de::DeserializeOwned>(
    table: &Table,
    campaign: CampaignId,
    prefix: &str,
) -> Result<Vec<T>, StoreError> {
    let pk = Key::Campaign(campaign).pk();
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = table.query_prefix(&pk, prefix, after, 1000).await?;
        found.extend(page.items);
        after = page.next;
        if after.is_none() {
            return Ok(found);
        }
    }
}

/// A campaign as an update left it.
pub fn read(item: Items) -> Result<Campaign, StoreError> {
    read_item(item)
}
