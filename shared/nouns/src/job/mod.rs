//! Jobs: work that takes longer than a request. The API stores a job; a function of its own works it
//! in parts, and stores with each part how far it got.

pub mod store;

use std::collections::BTreeSet;
use std::fmt;

use carillon_foundations::ids::{CampaignId, JobId};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::recipient::{Positions, Status as RecipientStatus};

/// How long a job that is done is kept.
pub const KEPT_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);

/// A job that nobody has worked for so long is launched again. A turn takes seconds.
pub const SILENT_AFTER: SignedDuration = SignedDuration::from_mins(2);

/// A job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// What is done.
    pub work: Work,
    /// Its status.
    pub status: Status,
    /// How far it got.
    #[serde(default)]
    pub progress: Progress,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// The name of the API key that created it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When the work began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When the work ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// When it was worked last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worked_at: Option<Timestamp>,
    /// How many runs have failed since it last made progress.
    #[serde(default)]
    pub failed_runs: u32,
    /// When the table may delete it, in seconds since 1970; none before it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    /// Counts the changes, for conditional writes.
    pub version: u64,
}

/// What a job does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Work {
    /// One action on many recipients of a campaign.
    BulkRecipients(Bulk),
}

/// One action on many recipients of a campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bulk {
    /// The campaign.
    pub campaign: CampaignId,
    /// What is done with each recipient.
    pub action: BulkAction,
    /// The statuses of the recipients that it is done with.
    pub statuses: BTreeSet<RecipientStatus>,
    /// Whether recipients are counted only.
    pub dry_run: bool,
}

/// What is done with each recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BulkAction {
    /// The lead is closed.
    Close,
    /// The message is sent a second time: the answer to the first one was lost.
    Retry,
    /// No message is sent.
    Skip,
}

impl BulkAction {
    /// The statuses of recipients with which it can be done.
    pub const fn takes(self) -> &'static [RecipientStatus] {
        use RecipientStatus::{Delivered, Pending, Read, Replied, Sent, Unconfirmed};
        match self {
            Self::Close => &[Sent, Delivered, Read, Replied],
            Self::Retry => &[Unconfirmed],
            Self::Skip => &[Pending],
        }
    }

    /// The word in requests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Close => "close",
            Self::Retry => "retry",
            Self::Skip => "skip",
        }
    }
}

/// The status of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = JobStatus)]
pub enum Status {
    /// The work has not begun.
    Queued,
    /// The work is under way.
    Running,
    /// All is done.
    Completed,
    /// The work could not be done, or not to its end; see `error`.
    Failed,
    /// It was cancelled; what was done stays done.
    Cancelled,
}

impl Status {
    /// Whether there is no work left.
    pub const fn is_final(self) -> bool {
        match self {
            Self::Queued | Self::Running => false,
            Self::Completed | Self::Failed | Self::Cancelled => true,
        }
    }

    /// The word in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How far a job got.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// How many recipients it has looked at.
    pub done: u64,
    /// How many there were when it was created, by the counters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// How many of them had one of the statuses.
    pub matched: u64,
    /// How many of them it has changed.
    pub changed: u64,
    /// The last recipient that it has looked at in each shard.
    #[serde(default)]
    pub passed: Positions,
}

/// Why a job failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = JobFailure)]
pub struct Failure {
    /// What was wrong.
    pub code: FailureCode,
    /// The same in plain words.
    pub detail: String,
}

/// What was wrong with a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = JobFailureCode)]
pub enum FailureCode {
    /// The campaign does not exist any more.
    CampaignNotFound,
    /// The campaign was cancelled, or its scheduled end has come: nobody is sent to any more.
    CampaignEnded,
    /// Its runs failed again and again.
    InternalError,
}

impl Job {
    /// A job whose work has not begun, on `total` recipients.
    pub fn queued(
        id: JobId,
        work: Work,
        total: Option<u64>,
        created_by: Option<String>,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            work,
            status: Status::Queued,
            progress: Progress { total, ..Progress::default() },
            error: None,
            created_by,
            created_at: now,
            started_at: None,
            finished_at: None,
            worked_at: None,
            failed_runs: 0,
            expires_at: None,
            version: 1,
        }
    }

    /// Whether nobody seems to work it: it was created, or worked, long ago.
    pub fn is_silent(&self, now: Timestamp) -> bool {
        let worked_at = self.worked_at.unwrap_or(self.created_at);
        !self.status.is_final() && worked_at + SILENT_AFTER <= now
    }

    /// The job once its work has ended in that way.
    #[must_use]
    pub fn finished(&self, status: Status, error: Option<Failure>, now: Timestamp) -> Self {
        Self {
            status,
            error,
            finished_at: Some(now),
            expires_at: Some((now + KEPT_FOR).as_second()),
            version: self.version + 1,
            ..self.clone()
        }
    }
}
