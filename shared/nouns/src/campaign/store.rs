//! Campaigns in the table.

use jiff::Timestamp;

use super::{Action, AuditTurn, Campaign, Halt, Import, Requeues, Settings, Status, Sweep};
use crate::recipient::{CancelReason, Positions};
use carillon_foundations::ids::{CampaignId, ImportId};
use carillon_foundations::time::sortable;
use carillon_table::{
    Item, Key, ListedAs, Page, StoreError, Table, Unreadable, Update, Write, condition_held,
    listed_start_key, read_item,
};

/// How many summaries of uploads are read at a time.
const IMPORTS_PAGE: u32 = 100;

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

/// The order of campaigns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The newest first.
    NewestFirst,
    /// The oldest first.
    OldestFirst,
}

/// One page of the campaigns of one status.
pub async fn list(
    table: &Table,
    status: Status,
    order: Order,
    after: Option<Item>,
    limit: u32,
) -> Result<Page<Campaign>, StoreError> {
    let newest_first = order == Order::NewestFirst;
    table.list(ListedAs::Campaigns(status.as_str()), newest_first, after, limit).await
}

/// The start of the page that follows a campaign in the list of its status.
pub fn start_after(status: Status, id: CampaignId) -> Item {
    listed_start_key(&Key::Campaign(id), ListedAs::Campaigns(status.as_str()), &id.to_string())
}

/// Deletes a campaign. `false` where it has changed since it was read.
pub async fn delete(table: &Table, campaign: &Campaign) -> Result<bool, StoreError> {
    let delete = Write::delete(&Key::Campaign(campaign.id)).if_version(campaign.version);
    condition_held(table.write(delete).await)
}

/// All campaigns of one status; for the statuses with few campaigns.
pub async fn all(table: &Table, status: Status) -> Result<Vec<Campaign>, StoreError> {
    table.list_all(ListedAs::Campaigns(status.as_str()), true).await
}

/// All campaigns of one status, oldest first. One that can't be read does not hide the others.
pub async fn each(
    table: &Table,
    status: Status,
) -> Result<Vec<Result<Campaign, Unreadable>>, StoreError> {
    table.list_each(ListedAs::Campaigns(status.as_str())).await
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

/// Executes an action, and retries while others change the campaign. A campaign that is halted
/// has `halt`.
pub async fn change_status(
    table: &Table,
    id: CampaignId,
    action: Action,
    halt: Option<&Halt>,
    now: Timestamp,
) -> Result<Campaign, ChangeError> {
    loop {
        let campaign = get(table, id).await?.ok_or(ChangeError::Unknown)?;
        if let Some(changed) = try_status(table, &campaign, action, halt, now).await? {
            return Ok(changed);
        }
    }
}

/// Executes an action; `None` where the campaign has changed since it was read.
pub async fn try_status(
    table: &Table,
    campaign: &Campaign,
    action: Action,
    halt: Option<&Halt>,
    now: Timestamp,
) -> Result<Option<Campaign>, ChangeError> {
    let status = campaign.status.after(action)?;
    match table.transact(status_writes(campaign, status, halt, now)?).await {
        Ok(()) => get(table, campaign.id).await?.ok_or(ChangeError::Unknown).map(Some),
        Err(StoreError::Cancelled(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn status_writes(
    campaign: &Campaign,
    status: Status,
    halt: Option<&Halt>,
    now: Timestamp,
) -> Result<Vec<Write>, StoreError> {
    let update = unchanged(campaign)
        .set("status", status)
        .set_or_remove("halt", halt)
        .set(carillon_table::Shape::LISTED_AS, ListedAs::Campaigns(status.as_str()).to_string());
    let update = match status {
        // A recipient is pending again: earlier passes of the walk do not count.
        Status::Active if campaign.status == Status::Completed => {
            update.remove("finished_at").remove("walk")
        }
        Status::Active => update.set_once("started_at", now),
        Status::Completed | Status::Cancelled => update.set("finished_at", now),
        Status::Draft | Status::Scheduled | Status::Paused | Status::Halted => update,
    };
    let mut writes = vec![Write::Update(update)];
    if matches!(status, Status::Scheduled | Status::Active | Status::Cancelled) {
        writes.push(audit_turn_write(&AuditTurn { campaign: campaign.id, due_at: now })?);
    }
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

/// Completes a campaign that was found exhausted. `false` where it has changed since, or where
/// a recipient became pending again since that pass of its walk began.
pub async fn complete(
    table: &Table,
    campaign: &Campaign,
    now: Timestamp,
) -> Result<bool, StoreError> {
    if campaign.status.after(Action::Complete).is_err() {
        return Ok(false);
    }
    let mut writes = status_writes(campaign, Status::Completed, None, now)?;
    let Requeues { retried, uploaded } = campaign.walk.requeues;
    let counted = |count: u64| (count > 0).then_some(count);
    let unchanged = Update::of(&Key::Requeues(campaign.id))
        .unchanged("retried", counted(retried))
        .unchanged("uploaded", counted(uploaded));
    writes.push(unchanged.check());
    condition_held(table.transact(writes).await)
}

/// How often recipients of a campaign became pending behind its walk.
pub async fn requeues(table: &Table, id: CampaignId) -> Result<Requeues, StoreError> {
    Ok(table.get(&Key::Requeues(id)).await?.unwrap_or_default())
}

/// Records that a recipient is pending again; to be called after the recipient was stored.
/// `false` where the campaign is over: no walk will meet the recipient.
///
/// The count goes first, the campaign is read after it: either the completion of the campaign
/// meets the count and fails, or it was before, and is seen here.
pub async fn requeue(table: &Table, id: CampaignId) -> Result<bool, StoreError> {
    table.update(requeue_update(id)).await?;
    goes_on(table, id).await
}

/// The count of [`requeue`], for a transaction with the recipient's change. Whether the campaign
/// [goes on](goes_on) is to be read after it.
pub fn requeue_update(id: CampaignId) -> Update {
    Update::of(&Key::Requeues(id)).add("retried", 1)
}

/// Whether a campaign is not over.
pub async fn goes_on(table: &Table, id: CampaignId) -> Result<bool, StoreError> {
    Ok(get(table, id).await?.is_some_and(|campaign| !campaign.status.is_final()))
}

/// An update that fails where the campaign is completed, cancelled or missing.
fn unfinished(id: CampaignId) -> Update {
    Update::of(&Key::Campaign(id))
        .add("version", 1)
        .when("attribute_exists(pk) AND NOT (#status IN (:completed, :cancelled))")
        .value("completed", Status::Completed)
        .value("cancelled", Status::Cancelled)
}

fn sweep(campaign: &Campaign, reason: CancelReason) -> Result<Write, StoreError> {
    let Campaign { id, shards, .. } = *campaign;
    let passed = Positions::default();
    let (began_at, worked_at) = (None, None);
    sweep_write(&Sweep { campaign: id, shards, passed, began_at, worked_at, reason })
}

/// Records that the scheduler failed to plan a campaign, which then goes behind the others. Not a
/// change of its version.
pub async fn note_planned(table: &Table, id: CampaignId, now: Timestamp) -> Result<(), StoreError> {
    let update = Update::of(&Key::Campaign(id)).set("planned_at", now).when("attribute_exists(pk)");
    condition_held(table.update(update).await).map(drop)
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
    condition_held(table.write(replacement(changed, seen)?).await)
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

/// Records that recipients may be added, or given back, until `until`, so that the campaign is
/// not completed before. Refused once it is completed or cancelled.
pub async fn announce_upload(
    table: &Table,
    id: CampaignId,
    until: Timestamp,
) -> Result<Campaign, ChangeError> {
    announced(table, unfinished(id).set("uploading_until", until).remove("uploading")).await
}

/// As [`announce_upload`], for an upload whose end is told with [`end_upload`].
pub async fn announce_upload_of(
    table: &Table,
    id: CampaignId,
    upload: ImportId,
    now: Timestamp,
    until: Timestamp,
) -> Result<Campaign, ChangeError> {
    loop {
        let found = get(table, id).await?.ok_or(ChangeError::Unknown)?;
        found.status.after(Action::Upload)?;
        let is_announced = found.uploading_until.is_some_and(|until| until > now);
        // An announcement that another one needs too does not end with this upload.
        let alone = !is_announced || found.uploading == Some(upload);
        let update = unchanged(&found)
            .set("uploading_until", until)
            .set_or_remove("uploading", alone.then_some(upload));
        match table.update(update).await {
            Ok(item) => return Ok(read_item(item)?),
            Err(StoreError::Condition(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

async fn announced(table: &Table, announcement: Update) -> Result<Campaign, ChangeError> {
    match table.update(announcement).await {
        Ok(item) => Ok(read_item(item)?),
        Err(StoreError::Condition(None)) => Err(ChangeError::Unknown),
        Err(StoreError::Condition(Some(item))) => {
            read_item::<Campaign>(*item)?.status.after(Action::Upload)?;
            Err(ChangeError::Unknown)
        }
        Err(error) => Err(error.into()),
    }
}

/// Records that an upload has ended, so that the campaign need not wait for the end of its
/// announcement. A pass of the walk that began before does not count.
pub async fn end_upload(
    table: &Table,
    id: CampaignId,
    upload: ImportId,
    now: Timestamp,
) -> Result<(), StoreError> {
    table.update(Update::of(&Key::Requeues(id)).add("uploaded", 1)).await?;
    let ended = unfinished(id)
        .set("uploading_until", now)
        .remove("uploading")
        .when("#uploading = :upload")
        .value("upload", upload);
    condition_held(table.update(ended).await).map(drop)
}

/// Stores the summary of an upload.
pub async fn add_import(
    table: &Table,
    campaign: CampaignId,
    import: &Import,
) -> Result<(), StoreError> {
    table.write(Write::put(&Key::Import { campaign, import: import.id }, import)?).await
}

/// What all uploads of a campaign brought together; `None` where none has ended.
pub async fn imported(table: &Table, campaign: CampaignId) -> Result<Option<Import>, StoreError> {
    let (pk, mut after) = (Key::Campaign(campaign).pk(), None);
    let mut joined: Option<Import> = None;
    loop {
        let page = table.query_prefix::<Import>(&pk, Key::IMPORTS, after, IMPORTS_PAGE).await?;
        for import in page.items {
            match &mut joined {
                Some(joined) => joined.join(import),
                None => joined = Some(import),
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(joined);
        }
    }
}

/// Whether an upload of a campaign has ended.
pub async fn has_imports(table: &Table, campaign: CampaignId) -> Result<bool, StoreError> {
    let pk = Key::Campaign(campaign).pk();
    let page = table.query_prefix::<Import>(&pk, Key::IMPORTS, None, 1).await?;
    Ok(!page.items.is_empty())
}

/// All sweeps that are not done.
pub async fn open_sweeps(table: &Table) -> Result<Vec<Sweep>, StoreError> {
    table.list_all(ListedAs::OpenSweeps, false).await
}

/// As [`open_sweeps`], but one that can't be read does not hide the others.
pub async fn each_open_sweep(table: &Table) -> Result<Vec<Result<Sweep, Unreadable>>, StoreError> {
    table.list_each(ListedAs::OpenSweeps).await
}

/// Whether the pending recipients of a campaign are being cancelled.
pub async fn is_being_swept(table: &Table, id: CampaignId) -> Result<bool, StoreError> {
    Ok(table.get::<Sweep>(&Key::Sweep(id)).await?.is_some())
}

/// A check that a campaign is as it was read, for a transaction.
pub fn unchanged_check(campaign: &Campaign) -> Write {
    Update::of(&Key::Campaign(campaign.id))
        .when("#version = :version")
        .value("version", campaign.version)
        .check()
}

/// Stores the progress of a sweep.
pub async fn advance_sweep(table: &Table, sweep: &Sweep) -> Result<(), StoreError> {
    table.write(sweep_write(sweep)?).await
}

/// Ends a sweep.
pub async fn end_sweep(table: &Table, sweep: &Sweep) -> Result<(), StoreError> {
    table.write(Write::delete(&Key::Sweep(sweep.campaign))).await
}

fn sweep_write(sweep: &Sweep) -> Result<Write, StoreError> {
    let write = Write::put(&Key::Sweep(sweep.campaign), sweep)?;
    Ok(write.listed(ListedAs::OpenSweeps, &sweep.campaign.to_string()))
}

/// The campaigns whose audit is due, at most `limit`, those that have waited longest first. One
/// that can't be read does not hide the others.
pub async fn due_audits(
    table: &Table,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Result<AuditTurn, Unreadable>>, StoreError> {
    table.list_until(ListedAs::AuditTurns, &sortable(now), limit).await
}

/// Sets the time of the next turn of an audit.
pub async fn set_audit_turn(table: &Table, turn: &AuditTurn) -> Result<(), StoreError> {
    table.write(audit_turn_write(turn)?).await
}

/// Ends the audits of a campaign. A turn that was set meanwhile stays.
pub async fn end_audits(table: &Table, turn: &AuditTurn) -> Result<(), StoreError> {
    let end = Update::of(&Key::AuditTurn(turn.campaign))
        .unchanged("due_at", Some(sortable(turn.due_at)))
        .delete();
    condition_held(table.write(end).await).map(drop)
}

fn audit_turn_write(turn: &AuditTurn) -> Result<Write, StoreError> {
    let write = Write::put(&Key::AuditTurn(turn.campaign), turn)?;
    Ok(write.listed(ListedAs::AuditTurns, &sortable(turn.due_at)))
}
