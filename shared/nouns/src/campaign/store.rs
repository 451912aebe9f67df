//! Campaigns in the table.

use carillon_foundations::address::Address;
use jiff::Timestamp;

use super::{Action, Campaign, Import, Settings, Status, Sweep};
use crate::recipient::CancelReason;
use carillon_foundations::ids::CampaignId;
use carillon_table::{
    Item, Key, ListedAs, Page, StoreError, Table, Update, Write, listed_start_key, read_item,
};

/// Stores a new campaign.
pub async fn create(table: &Table, campaign: &Campaign) -> Result<(), StoreError> {
    let key = Key::Campaign(campaign.id);
    let listed_as = ListedAs::Campaigns(campaign.status.as_str());
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
    after: Option<Item>,
    limit: u32,
) -> Result<Page<Campaign>, StoreError> {
    table.list(ListedAs::Campaigns(status.as_str()), true, after, limit).await
}

/// The start of the page that follows a campaign in the list of its status.
pub fn start_after(status: Status, id: CampaignId) -> Item {
    listed_start_key(&Key::Campaign(id), ListedAs::Campaigns(status.as_str()), &id.to_string())
}

/// Deletes a campaign. `false` where it has changed since it was read.
pub async fn delete(table: &Table, campaign: &Campaign) -> Result<bool, StoreError> {
    let delete = Write::Delete(Key::Campaign(campaign.id)).if_version(campaign.version);
    match table.write(delete).await {
        Ok(()) => Ok(true),
        Err(StoreError::Condition(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// All campaigns of one status; for the statuses with few campaigns.
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

/// Why a campaign was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// There is no such campaign.
    #[error("no such campaign")]
    Unknown,
    /// Its status does not allow the action.
    #[error(transparent)]
    Illegal(#[from] super::IllegalAction),
    /// The table failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Executes an action, and retries while others change the campaign.
pub async fn change_status(
    table: &Table,
    id: CampaignId,
    action: Action,
    reason: Option<&str>,
    now: Timestamp,
) -> Result<Campaign, ChangeError> {
    loop {
        let campaign = get(table, id).await?.ok_or(ChangeError::Unknown)?;
        let status = campaign.status.after(action)?;
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
        .set(carillon_table::Shape::LISTED_AS, ListedAs::Campaigns(status.as_str()).to_string());
    let update = match status {
        // A recipient is pending again: earlier passes of the walk do not count.
        Status::Active if campaign.status == Status::Completed => {
            update.remove("finished_at").set("requeued_at", now)
        }
        Status::Active => update.set_once("started_at", now),
        Status::Completed | Status::Cancelled => update.set("finished_at", now),
        Status::Draft | Status::Scheduled | Status::Paused | Status::Halted => update,
    };
    let mut writes = vec![Write::Update(update)];
    if status == Status::Cancelled {
        writes.push(sweep(campaign, CancelReason::CampaignCancelled)?);
    }
    Ok(writes)
}

/// Completes a campaign whose scheduled end passed, and cancels its pending recipients.
pub async fn end(table: &Table, campaign: &Campaign, now: Timestamp) -> Result<(), StoreError> {
    let mut writes = status_writes(campaign, Status::Completed, None, now)?;
    writes.push(sweep(campaign, CancelReason::ScheduledEnd)?);
    table.transact(writes).await
}

/// Completes a campaign that was found exhausted. `false` where it has changed since.
pub async fn complete(
    table: &Table,
    campaign: &Campaign,
    now: Timestamp,
) -> Result<bool, StoreError> {
    if campaign.status.after(Action::Complete).is_err() {
        return Ok(false);
    }
    match table.transact(status_writes(campaign, Status::Completed, None, now)?).await {
        Ok(()) => Ok(true),
        Err(StoreError::Cancelled(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Records that a recipient is pending again. `false` where the campaign is over: no walk
/// will meet the recipient.
pub async fn requeue(table: &Table, id: CampaignId, now: Timestamp) -> Result<bool, StoreError> {
    let update = Update::of(&Key::Campaign(id))
        .set("requeued_at", now)
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

/// Removes the address of an erased contact from a campaign's walk. The new version makes
/// a scheduler that walks at this moment start again.
pub async fn remove_from_walk(
    table: &Table,
    id: CampaignId,
    contact: &Address,
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

fn sweep(campaign: &Campaign, reason: CancelReason) -> Result<Write, StoreError> {
    let sweep = Sweep {
        campaign: campaign.id,
        shards: campaign.shards,
        cursor: None,
        began_at: None,
        reason,
    };
    sweep_write(&sweep)
}

/// Replaces the settings. `false` where the campaign has changed since it was read.
pub async fn replace_settings(
    table: &Table,
    campaign: &Campaign,
    settings: Settings,
) -> Result<bool, StoreError> {
    let changed = Campaign { settings, version: campaign.version + 1, ..campaign.clone() };
    replace(table, &changed, campaign.version).await
}

/// Replaces a campaign that still has the version `seen`; `false` where it has another.
pub async fn replace(table: &Table, changed: &Campaign, seen: u64) -> Result<bool, StoreError> {
    match table.write(replacement(changed, seen)?).await {
        Ok(()) => Ok(true),
        Err(StoreError::Condition(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The write that replaces a campaign which still has the version `seen`.
pub fn replacement(changed: &Campaign, seen: u64) -> Result<Write, StoreError> {
    let listed = ListedAs::Campaigns(changed.status.as_str());
    let write = Write::put(&Key::Campaign(changed.id), changed)?;
    Ok(write.listed(listed, &changed.id.to_string()).if_version(seen))
}

/// An update that fails where the campaign has changed since it was read.
pub fn unchanged(campaign: &Campaign) -> Update {
    Update::of(&Key::Campaign(campaign.id))
        .set("version", campaign.version + 1)
        .when("#version = :version")
        .value("version", campaign.version)
}

/// Records that an upload may add recipients until `until`, so that the campaign is not
/// completed before. Refused once it is completed or cancelled.
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
            Err(campaign
                .status
                .after(Action::Upload)
                .err()
                .map_or(ChangeError::Unknown, Into::into))
        }
        Err(error) => Err(error.into()),
    }
}

/// Stores the summary of an upload.
pub async fn add_import(
    table: &Table,
    campaign: CampaignId,
    import: &Import,
) -> Result<(), StoreError> {
    table.write(Write::put(&Key::Import { campaign, import: import.id }, import)?).await
}

/// The summaries of all uploads.
pub async fn imports(table: &Table, campaign: CampaignId) -> Result<Vec<Import>, StoreError> {
    collect(table, campaign, Key::IMPORTS).await
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

/// All sweeps that are not done.
pub async fn open_sweeps(table: &Table) -> Result<Vec<Sweep>, StoreError> {
    let mut found = Vec::new();
    let mut after: Option<Item> = None;
    loop {
        let page = table.list(ListedAs::OpenSweeps, false, after, 500).await?;
        found.extend(page.items);
        after = page.next;
        if after.is_none() {
            return Ok(found);
        }
    }
}

/// Stores the progress of a sweep.
pub async fn advance_sweep(table: &Table, sweep: &Sweep) -> Result<(), StoreError> {
    table.write(sweep_write(sweep)?).await
}

/// Ends a sweep.
pub async fn end_sweep(table: &Table, sweep: &Sweep) -> Result<(), StoreError> {
    table.write(Write::Delete(Key::Sweep(sweep.campaign))).await
}

fn sweep_write(sweep: &Sweep) -> Result<Write, StoreError> {
    let write = Write::put(&Key::Sweep(sweep.campaign), sweep)?;
    Ok(write.listed(ListedAs::OpenSweeps, &sweep.campaign.to_string()))
}
