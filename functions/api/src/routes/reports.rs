use axum::Json;
use axum::extract::State;
use carillon::analytics::{self, DayCounts, Report};
use carillon::batch::{self, Batch, BatchStatus, CloseReason};
use carillon::campaign::{Campaign, Status};
use carillon::connection::Lane;
use carillon::ids::CampaignId;
use carillon::time::Date;
use serde::Serialize;
use utoipa::ToSchema;

use super::campaign_view::HaltView;
use super::plan::{self, Waiting};
use crate::App;
use crate::body::{Asked, Id, PageAsked, page_size};
use crate::problem::Answer;
use crate::values::Time;

/// A campaign's funnel and status.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CampaignReport {
    /// The campaign's status.
    status: Status,
    /// Why it was halted; null where it was not.
    halt: Option<HaltView>,
    /// What happens next, or what the user has to do.
    next_step: &'static str,
    /// Why no message is sent at the moment; null where messages are sent.
    waiting: Option<Waiting>,
    /// How much of it is done, in percent: the share of recipients who are neither pending nor
    /// being sent to.
    #[schema(minimum = 0, maximum = 100)]
    progress: u8,
    #[serde(flatten)]
    funnel: Report,
}

/// The counts by day.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Days {
    /// The days with counts, in the campaign's time zone.
    items: Vec<DayCounts>,
    /// Always null: all days are on one page.
    next_cursor: Option<String>,
}

/// A page of a campaign's batches.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BatchPage {
    /// The batches, by day and number.
    items: Vec<BatchView>,
    /// Where the next page begins; null at the end.
    next_cursor: Option<String>,
}

/// A batch: at most 250 recipients of one day.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BatchView {
    /// The day it counts for.
    #[schema(value_type = String, format = Date)]
    date: Date,
    /// Its number that day, from 1.
    number: u32,
    /// Whether it is open or done.
    status: BatchStatus,
    /// Its lane: `fast`, `normal` or `slow`.
    #[schema(value_type = String)]
    lane: Lane,
    /// The maximum number of messages.
    size: u32,
    /// How many of its reservations were used, once it is done.
    used: Option<u32>,
    /// When it was created.
    created_at: Time,
    /// When it was enqueued last.
    enqueued_at: Option<Time>,
    /// When it was done.
    done_at: Option<Time>,
    /// Why it was closed before the end of its range.
    close_reason: Option<CloseReason>,
}

impl From<Batch> for BatchView {
    fn from(batch: Batch) -> Self {
        Self {
            date: batch.name.date,
            number: batch.name.number,
            status: batch.status,
            lane: batch.lane,
            size: batch.size,
            used: batch.used,
            created_at: Time(batch.created_at),
            enqueued_at: batch.enqueued_at.map(Time),
            done_at: batch.done_at.map(Time),
            close_reason: batch.close_reason,
        }
    }
}

/// Show the funnel
///
/// The counts lag by a few seconds. `recipients` is the sum of `pending`,
/// `sending`, `unconfirmed`, `sent`, `failed`, `skipped` and `cancelled`; from
/// `sent` on the steps count cumulatively.
#[utoipa::path(get, path = "/v1/campaigns/{id}/report", operation_id = "getCampaignReport", tag = "Reports",
    security(("api_key" = ["read"])),
    params(("id" = String, Path, description = "The campaign's id.")),
    responses((status = 200, description = "The funnel.", body = CampaignReport)))]
pub(crate) async fn report(
    State(api): App,
    Id(id): Id<CampaignId>,
) -> Answer<Json<CampaignReport>> {
    let campaign = super::campaign(&api, id).await?;
    let funnel = plan::funnel(&api, &campaign).await?;
    let next_step = next_step(campaign.status, &funnel);
    let now = api.clock.now();
    let resources = plan::resources(&api, &campaign, now).await?;
    let waiting = plan::waiting_for(&api, &campaign, &resources, now).await?;
    let Campaign { status, halt, .. } = campaign;
    let halt = halt.map(Into::into);
    let progress = progress(&funnel);
    Ok(Json(CampaignReport { status, halt, next_step, waiting, progress, funnel }))
}

/// The share of recipients whose message is settled, in percent; never 100 before all are.
fn progress(funnel: &Report) -> u8 {
    let open = funnel.pending + funnel.sending;
    let done = funnel.recipients.saturating_sub(open);
    u8::try_from((done * 100).checked_div(funnel.recipients).unwrap_or(0)).unwrap_or(100)
}

fn next_step(status: Status, funnel: &Report) -> &'static str {
    match status {
        Status::Draft if funnel.recipients == 0 => "Add recipients, then start the campaign.",
        Status::Draft => "Start the campaign.",
        Status::Scheduled => "The campaign starts at its scheduled start.",
        Status::Active => {
            "The campaign sends within its limits; the plan shows how many messages on which day."
        }
        Status::Paused => "Resume the campaign to go on.",
        Status::Halted => "Fix the reason of the halt, then resume the campaign.",
        Status::Completed if funnel.unconfirmed > 0 => {
            "The campaign is over. Some recipients are unconfirmed: a person may retry them."
        }
        Status::Completed | Status::Cancelled => "The campaign is over.",
    }
}

/// Show the counts by day
#[utoipa::path(get, path = "/v1/campaigns/{id}/analytics", operation_id = "getCampaignAnalytics", tag = "Reports",
    security(("api_key" = ["read"])),
    params(("id" = String, Path, description = "The campaign's id.")),
    responses((status = 200, description = "The days.", body = Days)))]
pub(crate) async fn days(State(api): App, Id(id): Id<CampaignId>) -> Answer<Json<Days>> {
    let campaign = super::campaign(&api, id).await?;
    let tally = analytics::store::read(&api.table, id, campaign.shards).await?;
    Ok(Json(Days { items: DayCounts::of(&tally), next_cursor: None }))
}

/// List the batches
#[utoipa::path(get, path = "/v1/campaigns/{id}/batches", operation_id = "listBatches", tag = "Reports",
    security(("api_key" = ["read"])),
    params(("id" = String, Path, description = "The campaign's id."), PageAsked),
    responses((status = 200, description = "A page of batches.", body = BatchPage)))]
pub(crate) async fn batches(
    State(api): App,
    Id(id): Id<CampaignId>,
    Asked(asked): Asked<PageAsked>,
) -> Answer<Json<BatchPage>> {
    super::campaign(&api, id).await?;
    let cursors = api.cursors().await?;
    let (limit, after) = (page_size(asked.limit)?, cursors.read(asked.cursor.as_deref())?);
    let (batches, has_more) = batch::store::page(&api.table, id, after, limit).await?;
    let last = batches.last().filter(|_| has_more);
    let next_cursor = last.and_then(|one| cursors.write(&(one.name.date, one.name.number)));
    Ok(Json(BatchPage { items: batches.into_iter().map(Into::into).collect(), next_cursor }))
}
