use axum::Json;
use axum::extract::State;
use carillon::campaign::{self, Campaign, Settings, Status};
use carillon::channel::{FieldProblem, TemplateRef};
use carillon::connection;
use carillon::ids::CampaignId;
use carillon::recipient::{self, CursorRange};
use carillon::time::Timestamp;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::campaign_view::{CampaignChanges, CampaignView, NewCampaign, fixed};
use super::media;
use crate::body::{Asked, Body, Id, cursor, page_size};
use crate::problem::{Answer, Problem};
use crate::{Api, App};

/// Over how many parts a campaign's recipients are spread.
const SHARDS: u16 = 8;

/// Which page of the campaigns.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageAsked {
    /// Only those of this status.
    status: Option<Status>,
    /// How many, 1 to 500; 50 when left out.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A page of campaigns.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CampaignPage {
    /// The campaigns: those at work first, then by status; newest first in each.
    items: Vec<CampaignView>,
    /// Where the next page begins; none at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// The start of a page: after a campaign, or before the first one of a status.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct PageStart {
    status: Status,
    after: Option<CampaignId>,
}

/// Make a campaign
///
/// It is a draft until it is started.
#[utoipa::path(post, path = "/v1/campaigns", operation_id = "createCampaign", tag = "Campaigns", request_body = NewCampaign,
    responses((status = 201, description = "The campaign.", body = CampaignView)))]
pub(crate) async fn create(
    State(api): App,
    Body(new): Body<NewCampaign>,
) -> Answer<(StatusCode, Json<CampaignView>)> {
    let now = api.clock.now();
    let mut settings = Settings::from(new);
    settings.template = check(&api, &settings, now).await?;
    let id = CampaignId::from_uuid(api.ids.uuid(now));
    let campaign = Campaign::draft(id, settings, SHARDS, now);
    campaign::store::create(&api.table, &campaign).await?;
    Ok((StatusCode::CREATED, Json(campaign.into())))
}

/// Checks settings, their message by the rules of the connection's provider. Returns the
/// template that the message sends, if any.
pub(super) async fn check(
    api: &Api,
    settings: &Settings,
    now: Timestamp,
) -> Answer<Option<TemplateRef>> {
    let connection = connection::store::get(&api.table, settings.connection_id).await?;
    let name = connection.map(|connection| connection.provider.provider);
    let provider = name.as_ref().and_then(|name| api.routes.providers().get(name));
    let mut problems = settings.problems(now);
    if let Some(provider) = provider {
        let message = settings.message.check(|content| provider.validate(content));
        problems.extend(message.err().into_iter().flatten().map(in_message));
    }
    if !problems.is_empty() {
        return Err(Problem::fields(problems));
    }
    media::check(api, settings, now).await?;
    let template = provider.map(|provider| provider.template_of(&settings.message));
    template.ok_or_else(|| {
        Problem::field("connection_id", "names no connection; GET /v1/connections lists them")
    })
}

fn in_message(problem: FieldProblem) -> FieldProblem {
    FieldProblem { field: format!("message.{}", problem.field), ..problem }
}

/// Problems of a campaign's message.
pub(super) fn under_message(problems: Vec<FieldProblem>) -> Problem {
    Problem::fields(problems.into_iter().map(in_message))
}

/// List the campaigns
#[utoipa::path(get, path = "/v1/campaigns", operation_id = "listCampaigns", tag = "Campaigns", params(PageAsked),
    responses((status = 200, description = "A page of campaigns.", body = CampaignPage)))]
pub(crate) async fn list(
    State(api): App,
    Asked(asked): Asked<PageAsked>,
) -> Answer<Json<CampaignPage>> {
    let limit = page_size(asked.limit)? as usize;
    let statuses = asked.status.map_or_else(|| Status::ALL.to_vec(), |status| vec![status]);
    let from: Option<PageStart> = cursor::read(asked.cursor.as_deref())?;
    let from = from.unwrap_or(PageStart { status: statuses[0], after: None });
    let start = statuses.iter().position(|status| *status == from.status);
    let statuses = &statuses[start.ok_or_else(cursor::unknown)?..];
    let (items, next) = read_page(&api, statuses, from, limit).await?;
    let next_cursor = next.and_then(|place| cursor::write(&place));
    Ok(Json(CampaignPage { items: items.into_iter().map(Into::into).collect(), next_cursor }))
}

/// Reads on through the lists of several statuses until the page is full.
async fn read_page(
    api: &Api,
    statuses: &[Status],
    from: PageStart,
    limit: usize,
) -> Answer<(Vec<Campaign>, Option<PageStart>)> {
    let mut found: Vec<Campaign> = Vec::new();
    for status in statuses {
        let begin = from.after.filter(|_| *status == from.status);
        let mut after = begin.map(|id| campaign::store::start_after(*status, id));
        loop {
            if found.len() >= limit {
                let last = found.last().filter(|last| last.status == *status);
                let place = PageStart { status: *status, after: last.map(|last| last.id) };
                return Ok((found, Some(place)));
            }
            let left = u32::try_from(limit - found.len()).unwrap_or(u32::MAX);
            let page = campaign::store::list(&api.table, *status, after, left).await?;
            found.extend(page.items);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok((found, None))
}

/// Show a campaign
#[utoipa::path(get, path = "/v1/campaigns/{id}", operation_id = "getCampaign", tag = "Campaigns",
    params(("id" = String, Path, description = "The campaign's id.")),
    responses((status = 200, description = "The campaign.", body = CampaignView)))]
pub(crate) async fn get(State(api): App, Id(id): Id<CampaignId>) -> Answer<Json<CampaignView>> {
    Ok(Json(super::campaign(&api, id).await?.into()))
}

/// Change a campaign
///
/// The message, the connection, the time zone and the default country can only
/// be changed of a draft. While a campaign is active, its name, description,
/// tag, limits, priority, speed, window and end can be changed, and take effect
/// with the next batch.
#[utoipa::path(patch, path = "/v1/campaigns/{id}", operation_id = "updateCampaign", tag = "Campaigns",
    params(("id" = String, Path, description = "The campaign's id.")), request_body = CampaignChanges,
    responses((status = 200, description = "The campaign.", body = CampaignView)))]
pub(crate) async fn change(
    State(api): App,
    Id(id): Id<CampaignId>,
    Body(changes): Body<CampaignChanges>,
) -> Answer<Json<CampaignView>> {
    let now = api.clock.now();
    loop {
        let campaign = super::campaign(&api, id).await?;
        let mut settings = changes.clone().applied_to(&campaign.settings);
        settings.template = check_change(&api, &campaign, &settings, now).await?;
        if campaign::store::replace_settings(&api.table, &campaign, settings).await? {
            return Ok(Json(super::campaign(&api, id).await?.into()));
        }
    }
}

async fn check_change(
    api: &Api,
    campaign: &Campaign,
    settings: &Settings,
    now: Timestamp,
) -> Answer<Option<TemplateRef>> {
    let status = campaign.status;
    if status.is_final() {
        return Err(Problem::conflict(format!("The campaign is {status}: it can't be changed.")));
    }
    if let Some(field) = fixed(status, &campaign.settings, settings) {
        let detail = format!("The campaign is {status}: its {field} can't be changed any more.");
        return Err(Problem::conflict(detail));
    }
    check(api, &without_passed_times(&campaign.settings, settings, now), now).await
}

/// The new settings without the times that have passed and that the change does not set. An
/// end stays where the change sets a start that is not before it.
fn without_passed_times(old: &Settings, new: &Settings, now: Timestamp) -> Settings {
    let mut settings = new.clone();
    let has_passed = |time: Option<Timestamp>| time.is_some_and(|time| time <= now);
    if new.scheduled_start == old.scheduled_start && has_passed(new.scheduled_start) {
        settings.scheduled_start = None;
    }
    if new.scheduled_end == old.scheduled_end
        && has_passed(new.scheduled_end)
        && settings.scheduled_start < new.scheduled_end
    {
        settings.scheduled_end = None;
    }
    settings
}

/// Delete a campaign
///
/// Only a draft that was never given recipients.
#[utoipa::path(delete, path = "/v1/campaigns/{id}", operation_id = "deleteCampaign", tag = "Campaigns",
    params(("id" = String, Path, description = "The campaign's id.")),
    responses((status = 204, description = "It is gone.")))]
pub(crate) async fn delete(State(api): App, Id(id): Id<CampaignId>) -> Answer<StatusCode> {
    let now = api.clock.now();
    let campaign = super::campaign(&api, id).await?;
    let status = campaign.status;
    if status != Status::Draft {
        let detail =
            format!("The campaign is {status}: only a draft without recipients can be deleted.");
        return Err(Problem::conflict(detail));
    }
    let uploading = campaign.uploading_until.is_some_and(|until| until > now);
    // An upload that broke off early has left no note of itself.
    let (range, recipients) = (CursorRange::default(), campaign.recipients());
    let (found, _) = recipient::store::walk(&api.table, recipients, range, 1).await?;
    let used = !found.is_empty() || !campaign::store::imports(&api.table, id).await?.is_empty();
    if uploading || used {
        return Err(Problem::conflict(
            "The campaign has recipients, or is being given some: cancel it instead.",
        ));
    }
    if campaign::store::delete(&api.table, &campaign).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::conflict("The campaign was changed at this moment. Look at it and try again."))
}
