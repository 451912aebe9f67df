//! One action on many recipients of a campaign: a job, which is worked in parts.
//!
//! Each part is one transaction, which changes the recipients and stores how far the job got. A run
//! that stops at any moment leaves exact counts, and no recipient is changed twice.

use carillon_foundations::ids::CampaignId;
use carillon_nouns::campaign::store::{
    ChangeError, announce_upload, change_status, goes_on, requeue_update,
};
use carillon_nouns::campaign::{self, Action, Campaign, Status as CampaignStatus};
use carillon_nouns::job::store::{fail, replace, replacement};
use carillon_nouns::job::{Bulk, BulkAction, Failure, FailureCode, Job, Progress, Status, Work};
use carillon_nouns::recipient::store::{cancel, close_update, in_turns, retry_update, skip_update};
use carillon_nouns::recipient::{CancelReason, Recipient, RecipientKey, SkipReason};
use carillon_table::{Cancelled, StoreError, Table, Update, Write, condition_held};
use jiff::{SignedDuration, Timestamp};

/// How many recipients are read at a time, in all shards.
const PAGE: u32 = 1000;
/// How many recipients one transaction changes. `DynamoDB` takes 100 writes in one.
const PART: usize = 50;
/// How many requests a job makes in one turn: about a second.
const TURN_REQUESTS: u32 = 40;
/// How often a transaction that met another one is repeated.
const MAX_TRIES: u32 = 8;
/// A recipient that is given back keeps the campaign from being completed so long.
const RETRY_ANNOUNCED_FOR: SignedDuration = SignedDuration::from_mins(2);

/// Why a job could not be worked.
#[derive(Debug, thiserror::Error)]
pub enum BulkError {
    /// The campaign's status does not allow it.
    #[error(transparent)]
    Campaign(#[from] ChangeError),
    /// The table failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Works a job for one turn of about a second, and returns it where it is not done. What a turn
/// did before it failed stays done.
///
/// # Errors
/// The turn failed.
pub(crate) async fn work_turn(
    table: &Table,
    job: Job,
    now: Timestamp,
) -> Result<Option<Job>, BulkError> {
    let Work::BulkRecipients(bulk) = job.work.clone();
    let Some(job) = begin(table, job, now).await? else { return Ok(None) };
    let Some(campaign) = campaign::store::get(table, bulk.campaign).await? else {
        fail(table, &job, not_found(bulk.campaign), now).await?;
        return Ok(None);
    };
    let (requests, is_taken_up) = (TURN_REQUESTS, false);
    let run = Run { table, job, bulk: &bulk, campaign, requests, is_taken_up, now };
    run.pages().await
}

/// The job, running; none where it was cancelled, or another run works it.
async fn begin(table: &Table, job: Job, now: Timestamp) -> Result<Option<Job>, StoreError> {
    if job.status != Status::Queued {
        return Ok(Some(job));
    }
    let begun = Job {
        status: Status::Running,
        started_at: Some(now),
        version: job.version + 1,
        ..job.clone()
    };
    Ok(replace(table, &begun, job.version).await?.then_some(begun))
}

/// Retries an unconfirmed recipient on a person's request: the first message may have arrived.
pub async fn retry(
    table: &Table,
    key: &RecipientKey,
    found: &Recipient,
    now: Timestamp,
) -> Result<Retried, StoreError> {
    let writes = [retry_update(key, found, now), requeue_update(key.campaign)];
    if !condition_held(table.transact(writes.map(Write::Update).into()).await)? {
        return Ok(Retried::Changed);
    }
    // It was completed where this request was held up for long.
    if goes_on(table, key.campaign).await? {
        return Ok(Retried::Pending);
    }
    cancel(table, key, found.attempt + 1, CancelReason::CampaignOver).await?;
    Ok(Retried::CampaignOver)
}

/// The result of a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retried {
    /// The recipient is pending again.
    Pending,
    /// It is no longer as it was read.
    Changed,
    /// The campaign is over.
    CampaignOver,
}

/// Lets the recipients of a campaign that are pending again be met: a campaign that was completed
/// is taken up again. `false` where its scheduled end has come.
pub async fn take_up(
    table: &Table,
    campaign: &Campaign,
    now: Timestamp,
) -> Result<bool, ChangeError> {
    if campaign.status == CampaignStatus::Completed {
        if campaign.settings.scheduled_end.is_some_and(|end| end <= now) {
            return Ok(false);
        }
        match change_status(table, campaign.id, Action::Reopen, None, now).await {
            // Somebody else has reopened it at this moment.
            Ok(_) | Err(ChangeError::Illegal(_)) => {}
            Err(error) => return Err(error),
        }
    }
    announce_upload(table, campaign.id, now + RETRY_ANNOUNCED_FOR).await?;
    Ok(true)
}

/// The run of a job.
struct Run<'a> {
    table: &'a Table,
    job: Job,
    bulk: &'a Bulk,
    campaign: Campaign,
    /// How many requests it may still make.
    requests: u32,
    /// Whether recipients that are pending again will be met.
    is_taken_up: bool,
    now: Timestamp,
}

/// Whether a run goes on after a part.
enum Next {
    GoesOn,
    /// The job was cancelled, another run works it, or it failed.
    Ends,
}

impl Run<'_> {
    /// Works on until the end of the turn; returns the job where it is not done.
    async fn pages(mut self) -> Result<Option<Job>, BulkError> {
        let recipients = self.campaign.recipients();
        let limit = (PAGE / u32::from(recipients.shards.max(1))).max(1);
        while self.requests > 0 {
            let mut rest = recipients.after(&self.job.progress.passed);
            self.requests = self.requests.saturating_sub(rest.len() as u32);
            // In turns, so that the writes meet all partition keys.
            let page = in_turns(self.table, recipients, &mut rest, limit).await?;
            if page.is_empty() {
                let done = self.job.finished(Status::Completed, None, self.now);
                replace(self.table, &done, self.job.version).await?;
                return Ok(None);
            }
            let is_small = page.iter().filter(|one| self.is_meant(one)).count() <= PART;
            for part in page.chunks(if is_small { page.len() } else { PART }) {
                match self.part(part).await? {
                    Next::GoesOn if self.requests > 0 => {}
                    Next::GoesOn => return Ok(Some(self.job)),
                    Next::Ends => return Ok(None),
                }
            }
        }
        Ok(Some(self.job))
    }

    /// Works some recipients: the next ones of each shard.
    async fn part(&mut self, part: &[Recipient]) -> Result<Next, BulkError> {
        let mut meant: Vec<&Recipient> = part.iter().filter(|one| self.is_meant(one)).collect();
        if !meant.is_empty() && !self.take_up().await? {
            fail(self.table, &self.job, ended(&self.campaign), self.now).await?;
            return Ok(Next::Ends);
        }
        for _ in 0..MAX_TRIES {
            self.requests = self.requests.saturating_sub(1);
            let done = self.after(part, meant.len());
            let mut writes = vec![replacement(&done, self.job.version)?];
            if !self.bulk.dry_run {
                writes.extend(meant.iter().map(|one| Write::Update(self.change(one))));
                if self.bulk.action == BulkAction::Retry && !meant.is_empty() {
                    // A pass may have met them before, where this run was held up for long.
                    writes.push(Write::Update(requeue_update(self.campaign.id)));
                }
            }
            match self.table.transact(writes).await {
                Ok(()) => {
                    self.job = done;
                    return Ok(Next::GoesOn);
                }
                Err(StoreError::Cancelled(reasons)) => {
                    if matches!(reasons.first(), Some(Cancelled::Condition(_))) {
                        return Ok(Next::Ends);
                    }
                    // Who has changed meanwhile is not meant any more.
                    let mut reasons = reasons.iter().skip(1);
                    meant.retain(|_| !matches!(reasons.next(), Some(Cancelled::Condition(_))));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Cancelled(Vec::new()).into())
    }

    /// Lets recipients that are to be retried be met; `false` where the campaign is over.
    async fn take_up(&mut self) -> Result<bool, BulkError> {
        let needs = self.bulk.action == BulkAction::Retry && !self.bulk.dry_run;
        if needs && !self.is_taken_up {
            match take_up(self.table, &self.campaign, self.now).await {
                Err(ChangeError::Illegal(_) | ChangeError::Unknown) | Ok(false) => {
                    return Ok(false);
                }
                Err(error @ ChangeError::Store(_)) => return Err(error.into()),
                Ok(true) => self.is_taken_up = true,
            }
        }
        Ok(true)
    }

    /// Whether the job was asked for this recipient: not for one who was added, or whose message
    /// was sent, only after it.
    fn is_meant(&self, recipient: &Recipient) -> bool {
        let asked_at = self.job.created_at;
        let was_there = match self.bulk.action {
            BulkAction::Close => true,
            BulkAction::Retry => recipient.sent_at.is_some_and(|sent| sent < asked_at),
            BulkAction::Skip => recipient.imported_at <= asked_at,
        };
        was_there && self.bulk.statuses.contains(&recipient.status) && !recipient.is_erased()
    }

    /// The job after a part of which so many recipients were meant.
    fn after(&self, part: &[Recipient], meant: usize) -> Job {
        let Progress { done, total, matched, changed, mut passed } = self.job.progress.clone();
        for recipient in part {
            passed.pass(&self.campaign.recipients().key(recipient.contact));
        }
        let changes = if self.bulk.dry_run { 0 } else { meant };
        let progress = Progress {
            done: done + part.len() as u64,
            total,
            matched: matched + meant as u64,
            changed: changed + changes as u64,
            passed,
        };
        let (version, worked_at) = (self.job.version + 1, Some(self.now));
        Job { progress, failed_runs: 0, worked_at, version, ..self.job.clone() }
    }

    fn change(&self, recipient: &Recipient) -> Update {
        let key = self.campaign.recipients().key(recipient.contact);
        match self.bulk.action {
            BulkAction::Close => close_update(&key, recipient, self.now),
            BulkAction::Retry => retry_update(&key, recipient, self.now),
            BulkAction::Skip => skip_update(&key, recipient.attempt, SkipReason::Requested, None),
        }
    }
}

fn not_found(campaign: CampaignId) -> Failure {
    let detail = format!("There is no campaign {campaign} any more.");
    Failure { code: FailureCode::CampaignNotFound, detail }
}

fn ended(campaign: &Campaign) -> Failure {
    let detail = if campaign.status == CampaignStatus::Cancelled {
        "The campaign is cancelled: nobody is sent to any more."
    } else {
        "The campaign's scheduled_end has come: nobody is sent to any more."
    };
    Failure { code: FailureCode::CampaignEnded, detail: detail.to_owned() }
}
