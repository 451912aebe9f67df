use axum::Json;
use axum::extract::State;
use carillon::analytics::{self, DayCounts, Report};
use carillon::batch::{self, Batch, BatchStatus, CloseReason};
use carillon::campaign::{Campaign, Status};
use carillon::connection::Lane;
use carillon::ids::CampaignId;
use carillon::time::{Date, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::plan::{self, Waiting};
use crate::App;
use crate::body::Id;
use crate::problem::Answer;

/// A campaign's funnel and status.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CampaignReport {
    /// The campaign's status.
    status: Status,
    /// Why it was halted.
    #[serde(skip_serializing_if = "Option::is_none")]
    halted_for: Option<String>,
    /// What happens next, or what the user has to do.
    next_step: &'static str,
    /// Why no message is sent at the moment, where one reason holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits: Option<Waiting>,
    #[serde(flatten)]
    funnel: Report,
}

/// The counts by day.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Days {
    /// The days with counts, in the campaign's time zone.
    items: Vec<DayCounts>,
}

/// The batches of a campaign.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Batches {
    /// The batches, by day and number.
    items: Vec<BatchView>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    used: Option<u32>,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was enqueued last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    enqueued_at: Option<Timestamp>,
    /// When it was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    done_at: Option<Timestamp>,
    /// Why it was closed before the end of its range.
    #[serde(skip_serializing_if = "Option::is_none")]
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
            created_at: batch.created_at,
            enqueued_at: batch.enqueued_at,
            done_at: batch.done_at,
            close_reason: batch.close_reason,
        }
    }
}

/// Show the funnel
///
/// The counts lag by a few seconds. `recipients` is the sum of `pending`,
/// `sending`, `unconfirmed`, `sent`, `failed`, `skipped` and `cancelled`; from
/// `sent` on the steps count cumulatively.
#[utoipa::path(get, path = "/v1/campaigns/{id}/report", operation_id = "reportCampaign", tag = "Reports",
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
    let waits = plan::waiting_for(&api, &campaign, &resources, now).await?;
    let Campaign { status, halted_for, .. } = campaign;
    Ok(Json(CampaignReport { status, halted_for, next_step, waits, funnel }))
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
#[utoipa::path(get, path = "/v1/campaigns/{id}/analytics", operation_id = "analyseCampaign", tag = "Reports",
    params(("id" = String, Path, description = "The campaign's id.")),
    responses((status = 200, description = "The days.", body = Days)))]
pub(crate) async fn days(State(api): App, Id(id): Id<CampaignId>) -> Answer<Json<Days>> {
    let campaign = super::campaign(&api, id).await?;
    let tally = analytics::store::read(&api.table, id, campaign.shards).await?;
    Ok(Json(Days { items: DayCounts::of(&tally) }))
}

/// List the batches
#[utoipa::path(get, path = "/v1/campaigns/{id}/batches", operation_id = "listBatches", tag = "Reports",
    params(("id" = String, Path, description = "The campaign's id.")),
    responses((status = 200, description = "The batches.", body = Batches)))]
pub(crate) async fn batches(State(api): App, Id(id): Id<CampaignId>) -> Answer<Json<Batches>> {
    super::campaign(&api, id).await?;
    let batches = batch::store::of_campaign(&api.table, id, None).await?;
    Ok(Json(Batches { items: batches.into_iter().map(Into::into).collect() }))
}
