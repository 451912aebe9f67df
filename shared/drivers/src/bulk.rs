//! One action on many recipients of a campaign: a job that the scheduler works in parts.
//!
//! Each part is one transaction, which changes the recipients and stores how far the job got. A run
//! that stops at any moment leaves exact counts, and no recipient is changed twice.

use carillon_foundations::ids::CampaignId;
use carillon_nouns::campaign::store::{ChangeError, announce_upload, change_status};
use carillon_nouns::campaign::{self, Action, Campaign, Status as CampaignStatus};
use carillon_nouns::job::store::{replace, replacement};
use carillon_nouns::job::{Bulk, BulkAction, Failure, FailureCode, Job, Progress, Status, Work};
use carillon_nouns::recipient::store::{close_update, retry_update, skip_update, walk};
use carillon_nouns::recipient::{Cursor, CursorRange, Recipient, SkipReason};
use carillon_table::{Cancelled, StoreError, Table, Update, Write};
use jiff::{SignedDuration, Timestamp};

/// How many recipients are read at a time.
const PAGE: u32 = 250;
/// How many recipients one transaction changes. `DynamoDB` takes 100 writes in one.
const PART: usize = 50;
/// How many pages one run reads at most.
const MAX_PAGES: u32 = 100;
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

/// Works a job, as far as one run gets.
///
/// # Errors
/// The table fails. What was done stays done, and the next run goes on.
pub async fn work(table: &Table, job: Job, now: Timestamp) -> Result<(), BulkError> {
    let Work::BulkRecipients(bulk) = job.work.clone();
    let run = match Run::begin(table, job, &bulk, now).await? {
        Begun::Run(run) => run,
        Begun::Failed(job, failure) => {
            let failed = job.finished(Status::Failed, Some(failure), now);
            replace(table, &failed, job.version).await?;
            return Ok(());
        }
        Begun::Taken => return Ok(()),
    };
    Ok(run.pages().await?)
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

/// How the run of a job begins.
enum Begun<'a> {
    Run(Box<Run<'a>>),
    Failed(Box<Job>, Failure),
    /// It was cancelled, or another run works it.
    Taken,
}

/// The run of a job.
struct Run<'a> {
    table: &'a Table,
    job: Job,
    bulk: &'a Bulk,
    campaign: Campaign,
    now: Timestamp,
}

impl<'a> Run<'a> {
    async fn begin(
        table: &'a Table,
        mut job: Job,
        bulk: &'a Bulk,
        now: Timestamp,
    ) -> Result<Begun<'a>, BulkError> {
        let Some(campaign) = campaign::store::get(table, bulk.campaign).await? else {
            return Ok(Begun::Failed(Box::new(job), not_found(bulk.campaign)));
        };
        if bulk.action == BulkAction::Retry && !bulk.dry_run {
            let taken_up = match take_up(table, &campaign, now).await {
                Err(ChangeError::Illegal(_) | ChangeError::Unknown) => false,
                other => other?,
            };
            if !taken_up {
                return Ok(Begun::Failed(Box::new(job), ended(&campaign)));
            }
        }
        if job.status == Status::Queued {
            let seen = job.version;
            job.version += 1;
            job.status = Status::Running;
            job.started_at = Some(now);
            if !replace(table, &job, seen).await? {
                return Ok(Begun::Taken);
            }
        }
        Ok(Begun::Run(Box::new(Self { table, job, bulk, campaign, now })))
    }

    async fn pages(mut self) -> Result<(), StoreError> {
        for _ in 0..MAX_PAGES {
            let range = CursorRange::after(self.job.progress.cursor.as_ref());
            let (page, end) = walk(self.table, self.campaign.recipients(), range, PAGE).await?;
            let Some(end) = end else {
                let done = self.job.finished(Status::Completed, None, self.now);
                replace(self.table, &done, self.job.version).await?;
                return Ok(());
            };
            let is_small = page.iter().filter(|one| self.is_meant(one)).count() <= PART;
            for part in page.chunks(if is_small { page.len() } else { PART }) {
                let last = part.last().map(|last| last.contact);
                if !self.part(part, Cursor { shard: end.shard, contact: last }).await? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Works the recipients up to a cursor; `false` where the job was cancelled or another run
    /// works it.
    async fn part(&mut self, part: &[Recipient], until: Cursor) -> Result<bool, StoreError> {
        let mut meant: Vec<&Recipient> = part.iter().filter(|one| self.is_meant(one)).collect();
        for _ in 0..MAX_TRIES {
            let done = self.after(part.len(), meant.len(), until);
            let mut writes = vec![replacement(&done, self.job.version)?];
            if !self.bulk.dry_run {
                writes.extend(meant.iter().map(|one| Write::Update(self.change(one))));
            }
            match self.table.transact(writes).await {
                Ok(()) => {
                    self.job = done;
                    return Ok(true);
                }
                Err(StoreError::Cancelled(reasons)) => {
                    if matches!(reasons.first(), Some(Cancelled::Condition(_))) {
                        return Ok(false);
                    }
                    // Who has changed meanwhile is not meant any more.
                    let mut reasons = reasons.iter().skip(1);
                    meant.retain(|_| !matches!(reasons.next(), Some(Cancelled::Condition(_))));
                }
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Cancelled(Vec::new()))
    }

    fn is_meant(&self, recipient: &Recipient) -> bool {
        self.bulk.statuses.contains(&recipient.status) && !recipient.is_erased()
    }

    /// The job after a part of which so many recipients were meant.
    fn after(&self, looked_at: usize, meant: usize, until: Cursor) -> Job {
        let Progress { done, total, matched, changed, .. } = self.job.progress;
        let changes = if self.bulk.dry_run { 0 } else { meant };
        let progress = Progress {
            done: done + looked_at as u64,
            total,
            matched: matched + meant as u64,
            changed: changed + changes as u64,
            cursor: Some(until),
        };
        Job { progress, version: self.job.version + 1, ..self.job.clone() }
    }

    fn change(&self, recipient: &Recipient) -> Update {
        let key = self.campaign.recipients().key(recipient.contact);
        match self.bulk.action {
            BulkAction::Close => close_update(&key, recipient.attempt, self.now),
            BulkAction::Retry => retry_update(&key, recipient),
            BulkAction::Skip => skip_update(&key, recipient.attempt, SkipReason::Requested),
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
