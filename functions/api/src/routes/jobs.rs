use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use carillon::campaign;
use carillon::channel::{FieldCode, FieldProblem};
use carillon::ids::{CampaignId, JobId};
use carillon::job::{self, Bulk, BulkAction, Failure, Job, Status, Work};
use carillon::recipient::Status as RecipientStatus;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::plan;
use crate::App;
use crate::auth::Caller;
use crate::body::{Asked, Body, Id, NoMembers, OptionalBody, page_size};
use crate::problem::{Answer, Code, Problem};
use crate::values::Time;

/// How many pages of jobs one request reads at most, where it asks for a status.
const MAX_READS: u32 = 20;

/// Which page of the jobs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct JobsAsked {
    /// Only those of these statuses.
    #[serde(default)]
    #[param(required = false)]
    status: Vec<Status>,
    /// The size of a page, 1 to 500; 50 by default.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A page of jobs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobPage {
    /// The jobs, newest first. With a `status`, a page may have few or none and still not be the
    /// last.
    items: Vec<JobView>,
    /// Where the next page begins; null at the end.
    next_cursor: Option<String>,
}

/// The kind of a job.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum JobType {
    /// One action on many recipients of a campaign.
    BulkRecipients,
}

/// A job: work that takes longer than a request.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobView {
    /// Its id.
    #[schema(value_type = String, example = "job_01890a5d-ac96-774b-bcce-b302099a8057")]
    id: JobId,
    /// Its kind.
    r#type: JobType,
    /// Its status.
    status: Status,
    /// The campaign that it works on.
    #[schema(value_type = String, example = "cmp_01890a5d-ac96-774b-bcce-b302099a8057")]
    campaign_id: CampaignId,
    /// What it does with each recipient.
    action: BulkAction,
    /// The recipients that it does this with.
    filter: RecipientFilterView,
    /// Whether it only counts them.
    dry_run: bool,
    /// How far it got.
    progress: JobProgress,
    /// What came of it; null before it is done. Of a job that failed or was cancelled: what was
    /// done before.
    result: Option<JobResult>,
    /// Why it failed; null where it did not.
    error: Option<Failure>,
    /// The name of the API key that created it.
    created_by: Option<String>,
    /// When it was created.
    created_at: Time,
    /// When the work began.
    started_at: Option<Time>,
    /// When the work ended.
    finished_at: Option<Time>,
    /// Until when it can be read; null before it is done.
    expires_at: Option<Time>,
}

/// How far a job got.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobProgress {
    /// How many it has looked at.
    done: u64,
    /// How many there were when it was created; null where that is not known.
    total: Option<u64>,
    /// Of what.
    unit: JobUnit,
}

/// What a job counts.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum JobUnit {
    /// Recipients.
    Recipients,
}

/// What came of a job.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobResult {
    /// How many recipients the filter matched.
    matched: u64,
    /// How many of them were changed; 0 of a dry run.
    changed: u64,
}

/// Which recipients an action was asked for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobFilter)]
pub(crate) struct RecipientFilterView {
    /// Those of these statuses.
    status: BTreeSet<RecipientStatus>,
}

impl From<Job> for JobView {
    fn from(job: Job) -> Self {
        let Work::BulkRecipients(Bulk { campaign, action, statuses, dry_run }) = job.work;
        let progress = job.progress;
        let result = JobResult { matched: progress.matched, changed: progress.changed };
        let expires_at = job.expires_at.and_then(|at| jiff::Timestamp::from_second(at).ok());
        Self {
            id: job.id,
            r#type: JobType::BulkRecipients,
            status: job.status,
            campaign_id: campaign,
            action,
            filter: RecipientFilterView { status: statuses },
            dry_run,
            progress: JobProgress {
                done: progress.done,
                total: progress.total,
                unit: JobUnit::Recipients,
            },
            result: job.status.is_final().then_some(result),
            error: job.error,
            created_by: job.created_by,
            created_at: Time(job.created_at),
            started_at: job.started_at.map(Time),
            finished_at: job.finished_at.map(Time),
            expires_at: expires_at.map(Time),
        }
    }
}

/// An action on many recipients.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BulkRequest {
    /// What is done with each recipient.
    action: BulkAction,
    /// Which recipients; absent: all with whom it can be done.
    filter: Option<RecipientFilter>,
    /// `true` only counts them.
    #[serde(default)]
    #[schema(required = false, default = false)]
    dry_run: bool,
}

/// Which recipients.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecipientFilter {
    /// Those of these statuses: `sent`, `delivered`, `read` and `replied` can be closed,
    /// `unconfirmed` can be retried, `pending` can be skipped.
    #[schema(min_items = 1, value_type = Vec<RecipientStatus>, example = json!(["pending"]))]
    status: BTreeSet<RecipientStatus>,
}

/// Act on many recipients
///
/// Closes the leads, retries or skips all recipients of some statuses, as the operations on one
/// recipient do. The answer is a job, which works page by page; recipients whose status changes
/// meanwhile are left alone. A dry run counts them first.
#[utoipa::path(post, path = "/v1/campaigns/{id}/recipients/bulk", operation_id = "bulkUpdateRecipients", tag = "Recipients",
    security(("api_key" = ["send"])),
    params(("id" = String, Path, description = "The campaign's id.")), request_body = BulkRequest,
    responses((status = 202, description = "The job.", body = JobView)))]
pub(crate) async fn bulk(
    State(api): App,
    Id(id): Id<CampaignId>,
    caller: Caller,
    Body(asked): Body<BulkRequest>,
) -> Answer<(StatusCode, HeaderMap, Json<JobView>)> {
    let now = api.clock.now();
    let statuses = statuses(asked.action, asked.filter)?;
    let campaign = super::campaign(&api, id).await?;
    if asked.action == BulkAction::Retry && campaign.status == campaign::Status::Cancelled {
        let detail = "The campaign is cancelled: nobody is sent to any more.";
        return Err(Problem::new(Code::CampaignStatus, detail));
    }
    let total = plan::funnel(&api, &campaign).await?.recipients;
    let work = Bulk { campaign: id, action: asked.action, statuses, dry_run: asked.dry_run };
    let job_id = JobId::from_uuid(api.ids.uuid(now));
    let created_by = Some(caller.0.name.clone());
    let job = Job::queued(job_id, Work::BulkRecipients(work), Some(total), created_by, now);
    job::store::create(&api.table, &job).await?;
    api.launcher.try_launch(job_id).await;
    let mut headers = HeaderMap::new();
    if let Ok(path) = HeaderValue::from_str(&format!("/v1/jobs/{job_id}")) {
        headers.insert(header::LOCATION, path);
    }
    Ok((StatusCode::ACCEPTED, headers, Json(job.into())))
}

/// The statuses that are asked for: those with which the action can be done.
fn statuses(
    action: BulkAction,
    filter: Option<RecipientFilter>,
) -> Answer<BTreeSet<RecipientStatus>> {
    let takes: BTreeSet<RecipientStatus> = action.takes().iter().copied().collect();
    let Some(RecipientFilter { status }) = filter else { return Ok(takes) };
    if status.is_empty() {
        let reason = "must have one status at least; leave the filter out for all";
        return Err(Problem::fields([FieldProblem::new(
            "filter.status",
            FieldCode::WrongLength,
            reason,
        )]));
    }
    let wrong: Vec<String> = status.difference(&takes).map(ToString::to_string).collect();
    if wrong.is_empty() {
        return Ok(status);
    }
    let takes: Vec<String> = takes.iter().map(ToString::to_string).collect();
    let reason = format!(
        "has {}: {} takes recipients who are {}",
        wrong.join(", "),
        action.as_str(),
        takes.join(", ")
    );
    Err(Problem::fields([FieldProblem::new("filter.status", FieldCode::Invalid, reason)]))
}

/// List the jobs
#[utoipa::path(get, path = "/v1/jobs", operation_id = "listJobs", tag = "Jobs",
    security(("api_key" = ["read"])), params(JobsAsked),
    responses((status = 200, description = "A page of jobs.", body = JobPage)))]
pub(crate) async fn list(State(api): App, Asked(asked): Asked<JobsAsked>) -> Answer<Json<JobPage>> {
    let limit = page_size(asked.limit)?;
    let cursors = api.cursors().await?;
    let mut before: Option<JobId> = cursors.read(asked.cursor.as_deref())?;
    let is_asked = |job: &Job| asked.status.is_empty() || asked.status.contains(&job.status);
    let mut items = Vec::new();
    for _ in 0..MAX_READS {
        let left = limit - u32::try_from(items.len()).unwrap_or(limit);
        let page = job::store::list(&api.table, before, left).await?;
        let has_more = page.next.is_some();
        before = page.items.last().map(|job| job.id).filter(|_| has_more);
        items.extend(page.items.into_iter().filter(is_asked).map(JobView::from));
        if before.is_none() || items.len() >= limit as usize {
            break;
        }
    }
    Ok(Json(JobPage { items, next_cursor: before.and_then(|id| cursors.write(&id)) }))
}

/// Show a job
#[utoipa::path(get, path = "/v1/jobs/{id}", operation_id = "getJob", tag = "Jobs",
    security(("api_key" = ["read"])),
    params(("id" = String, Path, description = "The job's id.")),
    responses((status = 200, description = "The job.", body = JobView)))]
pub(crate) async fn get(State(api): App, Id(id): Id<JobId>) -> Answer<Json<JobView>> {
    let found = job::store::get(&api.table, id).await?;
    Ok(Json(found.ok_or_else(|| Problem::not_found("job"))?.into()))
}

/// Cancel a job
///
/// What it did stays done. A job that is done stays as it is.
#[utoipa::path(post, path = "/v1/jobs/{id}/cancel", operation_id = "cancelJob", tag = "Jobs",
    security(("api_key" = ["send"])),
    params(("id" = String, Path, description = "The job's id.")), request_body = NoMembers,
    responses((status = 200, description = "The job.", body = JobView)))]
pub(crate) async fn cancel(
    State(api): App,
    Id(id): Id<JobId>,
    OptionalBody(NoMembers {}): OptionalBody<NoMembers>,
) -> Answer<Json<JobView>> {
    let job = job::store::cancel(&api.table, id, api.clock.now()).await?;
    Ok(Json(job.ok_or_else(|| Problem::not_found("job"))?.into()))
}
