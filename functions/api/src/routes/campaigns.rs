use axum::extract::State;
use carillon::campaign::{self, Campaign, Settings, Status, shards_for};
use carillon::channel::{FieldCode, FieldProblem, TemplateRef};
use carillon::connection;
use carillon::ids::{CampaignId, ConnectionId};
use carillon::recipient;
use carillon::time::Timestamp;
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::campaign_view::{CampaignChanges, CampaignView, NewCampaign, fixed};
use super::media;
use crate::answer::Created;
use crate::body::{Body, Id, JsonBody, OptionalBody};
use crate::etag::{IfMatch, Tagged};
use crate::merge_patch::patched;
use crate::problem::{Answer, Code, Problem};
use crate::{Api, App};

/// Create a campaign
///
/// It is a draft until it is started.
#[utoipa::path(post, path = "/v1/campaigns", operation_id = "createCampaign", tag = "Campaigns",
    security(("api_key" = ["send"])), request_body(content = NewCampaign, example = json!({
        "name": "Opening in November", "connection_id": "con_01890a5d-ac96-774b-bcce-b302099a8057", "daily_send_limit": 250,
        "message": {"type": "template", "template": {"name": "opening", "language": "es", "components": [
            {"type": "body", "parameters": [{"type": "text", "text": "{first_name}"}]}]}}})),
    responses((status = 201, description = "The campaign.", body = CampaignView)))]
pub(crate) async fn create(
    State(api): App,
    Body(new): Body<NewCampaign>,
) -> Answer<Created<CampaignView>> {
    let now = api.clock.now();
    let (mut settings, problems) = new.settings();
    settings.template = check(&api, &settings, problems, now).await?;
    let id = CampaignId::from_uuid(api.ids.uuid(now));
    let shards = shards(&api, settings.connection_id).await?;
    let campaign = Campaign::draft(id, settings, shards, now);
    campaign::store::create(&api.table, &campaign).await?;
    Ok(Created(format!("/v1/campaigns/{id}"), CampaignView::from(campaign)))
}

/// Over how many shards the recipients of a campaign on a connection are spread.
async fn shards(api: &Api, connection: ConnectionId) -> Answer<u16> {
    let Some(connection) = connection::store::get(&api.table, connection).await? else {
        return Ok(shards_for(0));
    };
    let health = connection::store::health(&api.table, connection.id).await?;
    let provider = api.routes.providers().get(&connection.provider.provider);
    let default = provider.map_or(1, |one| one.capabilities().throughput.default_mps);
    Ok(shards_for(connection.throughput(&health, default)))
}

/// Checks settings, their message by the rules of the connection's provider. `found` are problems
/// of a message that cannot be parsed. Returns the template that the message sends, if any.
pub(super) async fn check(
    api: &Api,
    settings: &Settings,
    found: Vec<FieldProblem>,
    now: Timestamp,
) -> Answer<Option<TemplateRef>> {
    let connection = connection::store::get(&api.table, settings.connection_id).await?;
    let name = connection.map(|connection| connection.provider.provider);
    let provider = name.as_ref().and_then(|name| api.routes.providers().get(name));
    let is_parsed = found.is_empty();
    let mut problems = settings.problems(now);
    problems.extend(found);
    let Some(provider) = provider else {
        let reason = "names no connection; GET /v1/connections lists them";
        problems.push(FieldProblem::new("connection_id", FieldCode::NotFound, reason));
        return Err(Problem::fields(problems));
    };
    if is_parsed {
        let message = settings.message.check(|content| provider.validate(content));
        problems.extend(message.err().into_iter().flatten().map(in_message));
    }
    if !problems.is_empty() {
        return Err(Problem::fields(problems));
    }
    media::check(api, settings, now).await?;
    Ok(provider.template_of(&settings.message))
}

/// [`check`] for a campaign that is under way: times that have passed are no problem.
pub(super) async fn check_now(api: &Api, settings: &Settings, now: Timestamp) -> Answer<()> {
    let settings = without_passed_times(settings, settings, now);
    check(api, &settings, Vec::new(), now).await.map(drop)
}

fn in_message(problem: FieldProblem) -> FieldProblem {
    problem.under("message")
}

/// Problems of a campaign's message.
pub(super) fn under_message(problems: Vec<FieldProblem>) -> Problem {
    Problem::fields(problems.into_iter().map(in_message))
}

/// Show a campaign
#[utoipa::path(get, path = "/v1/campaigns/{id}", operation_id = "getCampaign", tag = "Campaigns",
    security(("api_key" = ["read"])),
    params(("id" = String, Path, description = "The campaign's id.")),
    responses((status = 200, description = "The campaign.", body = CampaignView)))]
pub(crate) async fn get(State(api): App, Id(id): Id<CampaignId>) -> Answer<Tagged<CampaignView>> {
    Ok(Tagged(super::campaign(&api, id).await?.into()))
}

/// Update a campaign
///
/// A JSON Merge Patch: absent members stay, `null` clears, objects merge; what `GET` answers can
/// be sent back. The message, the connection, the time zone and the default country can only be
/// changed of a draft; a message of another `type` replaces the old one. While a campaign is
/// active, its name, description, tag, limits, priority, speed, window and end can be changed, and
/// take effect with the next batch.
#[utoipa::path(patch, path = "/v1/campaigns/{id}", operation_id = "updateCampaign", tag = "Campaigns",
    security(("api_key" = ["send"])),
    params(("id" = String, Path, description = "The campaign's id.")), request_body = CampaignChanges,
    responses((status = 200, description = "The campaign.", body = CampaignView)))]
pub(crate) async fn update(
    State(api): App,
    Id(id): Id<CampaignId>,
    if_match: IfMatch,
    JsonBody(patch): JsonBody,
) -> Answer<Tagged<CampaignView>> {
    let now = api.clock.now();
    loop {
        let campaign = super::campaign(&api, id).await?;
        let view = CampaignView::from(campaign.clone());
        if_match.check(&view)?;
        let new: NewCampaign = patched(&before_patch(&view, &patch)?, patch.clone(), &[])?;
        let (mut settings, problems) = new.settings();
        settings.template = check_change(&api, &campaign, &settings, problems, now).await?;
        if campaign::store::replace_settings(&api.table, &campaign, settings).await? {
            return Ok(Tagged(super::campaign(&api, id).await?.into()));
        }
    }
}

/// The document that a patch is applied to: without the message where the patch brings one of
/// another type.
fn before_patch(view: &CampaignView, patch: &Value) -> Answer<Value> {
    let mut document = serde_json::to_value(view).map_err(Problem::internal)?;
    let kind = patch.pointer("/message/type");
    if kind.is_some() && kind != document.pointer("/message/type") {
        document["message"] = Value::Null;
    }
    Ok(document)
}

async fn check_change(
    api: &Api,
    campaign: &Campaign,
    settings: &Settings,
    problems: Vec<FieldProblem>,
    now: Timestamp,
) -> Answer<Option<TemplateRef>> {
    let status = campaign.status;
    let current = || CampaignView::from(campaign.clone());
    if status.is_final() {
        let detail = format!("The campaign is {status}: it cannot be changed.");
        return Err(Problem::new(Code::CampaignStatus, detail).with_current(&current()));
    }
    let fixed =
        if problems.is_empty() { fixed(status, &campaign.settings, settings) } else { Vec::new() };
    if !fixed.is_empty() {
        let fixed = fixed.join(", ");
        let detail = format!("The campaign is {status}: {fixed} cannot be changed any more.");
        return Err(Problem::new(Code::SettingFixed, detail).with_current(&current()));
    }
    check(api, &without_passed_times(&campaign.settings, settings, now), problems, now).await
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

/// How a campaign is duplicated.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Duplication {
    /// The name of the new campaign; by default that of the other one with `(copy)`.
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
}

/// Duplicate a campaign
///
/// Makes a draft with the same settings: without recipients, and without times that have passed.
#[utoipa::path(post, path = "/v1/campaigns/{id}/duplicate", operation_id = "duplicateCampaign", tag = "Campaigns",
    security(("api_key" = ["send"])),
    params(("id" = String, Path, description = "The campaign's id.")), request_body = Duplication,
    responses((status = 201, description = "The new campaign.", body = CampaignView)))]
pub(crate) async fn duplicate(
    State(api): App,
    Id(id): Id<CampaignId>,
    if_match: IfMatch,
    OptionalBody(asked): OptionalBody<Duplication>,
) -> Answer<Created<CampaignView>> {
    let now = api.clock.now();
    let campaign = super::campaign(&api, id).await?;
    if_match.check(&CampaignView::from(campaign.clone()))?;
    let mut settings = without_passed_times(&campaign.settings, &campaign.settings, now);
    settings.name = asked.name.unwrap_or_else(|| copy_of(&settings.name));
    settings.template = check(&api, &settings, Vec::new(), now).await?;
    let id = CampaignId::from_uuid(api.ids.uuid(now));
    let shards = shards(&api, settings.connection_id).await?;
    let draft = Campaign::draft(id, settings, shards, now);
    campaign::store::create(&api.table, &draft).await?;
    Ok(Created(format!("/v1/campaigns/{id}"), CampaignView::from(draft)))
}

/// The name of a copy, not longer than a name may be.
fn copy_of(name: &str) -> String {
    let kept: String = name.chars().take(193).collect();
    format!("{} (copy)", kept.trim_end())
}

/// Delete a campaign
///
/// Only a draft that was never given recipients.
#[utoipa::path(delete, path = "/v1/campaigns/{id}", operation_id = "deleteCampaign", tag = "Campaigns",
    security(("api_key" = ["send"])),
    params(("id" = String, Path, description = "The campaign's id.")),
    responses((status = 204, description = "It is gone.")))]
pub(crate) async fn delete(
    State(api): App,
    Id(id): Id<CampaignId>,
    if_match: IfMatch,
) -> Answer<StatusCode> {
    let now = api.clock.now();
    let campaign = super::campaign(&api, id).await?;
    let view = CampaignView::from(campaign.clone());
    if_match.check(&view)?;
    let status = campaign.status;
    if status != Status::Draft {
        let detail =
            format!("The campaign is {status}: only a draft without recipients can be deleted.");
        return Err(Problem::new(Code::CampaignStatus, detail).with_current(&view));
    }
    let uploading = campaign.uploading_until.is_some_and(|until| until > now);
    // An upload that broke off early has stored no summary.
    let (found, _) = recipient::store::walk(&api.table, campaign.recipients(), None, 1).await?;
    let used = !found.is_empty() || campaign::store::has_imports(&api.table, id).await?;
    if uploading || used {
        let detail = "The campaign has recipients, or some are being added.";
        return Err(Problem::new(Code::CampaignUsed, detail).with_current(&view));
    }
    if campaign::store::delete(&api.table, &campaign).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::new(Code::ChangedMeanwhile, "The campaign was changed at this moment."))
}
