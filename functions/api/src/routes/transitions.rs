use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use carillon::campaign::store::ChangeError;
use carillon::campaign::{self, Action, Campaign, Import, Settings, missing_columns};
use carillon::channel::cost::Warning;
use carillon::ids::CampaignId;
use carillon::recipient::{self, CursorRange};
use carillon::template;
use carillon::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::campaign_view::CampaignView;
use super::campaigns::{self, under_message};
use super::plan;
use crate::body::Id;
use crate::problem::{Answer, Problem};
use crate::{Api, App};

/// A campaign that was started.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StartedCampaign {
    #[serde(flatten)]
    campaign: CampaignView,
    /// What the provider will not do as one may expect.
    warnings: Vec<Warning>,
}

/// Start a campaign
///
/// Now, or at its `scheduled_start`. It is refused when something is not in
/// order, such as a variable of the message that some recipients have no value
/// for.
#[utoipa::path(post, path = "/v1/campaigns/{id}/start", operation_id = "startCampaign", tag = "Campaigns",
    params(("id" = String, Path, description = "The campaign's id.")),
    responses((status = 200, description = "The campaign, active or scheduled.", body = StartedCampaign)))]
pub(crate) async fn start(
    State(api): App,
    Id(id): Id<CampaignId>,
) -> Answer<Json<StartedCampaign>> {
    let now = api.clock.now();
    let campaign = super::campaign(&api, id).await?;
    let action = Action::Start { scheduled: is_scheduled(&campaign, now) };
    campaign.status.after(action).map_err(ChangeError::Illegal)?;
    campaigns::check(&api, &campaign.settings, now).await?;
    check_template(&api, &campaign.settings).await?;
    check_recipients(&api, &campaign).await?;
    let warnings = plan::warnings(&api, &campaign, now).await?;
    let Json(campaign) = execute(&api, id, action, now).await?;
    Ok(Json(StartedCampaign { campaign, warnings }))
}

/// Pause a campaign
///
/// Messages on their way still go out; no other is begun.
#[utoipa::path(post, path = "/v1/campaigns/{id}/pause", operation_id = "pauseCampaign", tag = "Campaigns",
    params(("id" = String, Path, description = "The campaign's id.")),
    responses((status = 200, description = "The campaign, paused.", body = CampaignView)))]
pub(crate) async fn pause(State(api): App, Id(id): Id<CampaignId>) -> Answer<Json<CampaignView>> {
    execute(&api, id, Action::Pause, api.clock.now()).await
}

/// Resume a campaign
///
/// One that was paused, or that was halted for a reason that is gone.
#[utoipa::path(post, path = "/v1/campaigns/{id}/resume", operation_id = "resumeCampaign", tag = "Campaigns",
    params(("id" = String, Path, description = "The campaign's id.")),
    responses((status = 200, description = "The campaign, active or scheduled.", body = CampaignView)))]
pub(crate) async fn resume(State(api): App, Id(id): Id<CampaignId>) -> Answer<Json<CampaignView>> {
    let now = api.clock.now();
    let campaign = super::campaign(&api, id).await?;
    execute(&api, id, Action::Resume { scheduled: is_scheduled(&campaign, now) }, now).await
}

/// Cancel a campaign
///
/// For good: whoever was not sent to yet is marked cancelled.
#[utoipa::path(post, path = "/v1/campaigns/{id}/cancel", operation_id = "cancelCampaign", tag = "Campaigns",
    params(("id" = String, Path, description = "The campaign's id.")),
    responses((status = 200, description = "The campaign, cancelled.", body = CampaignView)))]
pub(crate) async fn cancel(State(api): App, Id(id): Id<CampaignId>) -> Answer<Json<CampaignView>> {
    execute(&api, id, Action::Cancel, api.clock.now()).await
}

async fn execute(
    api: &Api,
    id: CampaignId,
    action: Action,
    now: Timestamp,
) -> Answer<Json<CampaignView>> {
    let changed = campaign::store::change_status(&api.table, id, action, None, now).await?;
    tracing::info!(campaign = %id, status = %changed.status, "campaign");
    Ok(Json(changed.into()))
}

fn is_scheduled(campaign: &Campaign, now: Timestamp) -> bool {
    campaign.settings.scheduled_start.is_some_and(|start| start > now)
}

/// The provider checks the same, but only when the first message is sent.
async fn check_template(api: &Api, settings: &Settings) -> Answer<()> {
    let Some(template) = &settings.template else { return Ok(()) };
    let Some(local) = template::store::get(&api.table, template).await? else { return Ok(()) };
    let provider = api.routes.providers().get(&local.provider);
    let Some(rules) = provider.and_then(|provider| provider.templates()) else { return Ok(()) };
    rules.fits(&local.definition, &settings.message).map_err(under_message)
}

async fn check_recipients(api: &Api, campaign: &Campaign) -> Answer<()> {
    let imports = campaign::store::imports(&api.table, campaign.id).await?;
    if !has_someone(api, campaign, &imports).await? {
        let detail = "The campaign has nobody to send to: POST its recipients first.";
        return Err(Problem::conflict(detail));
    }
    let variables = campaign.settings.message.variables();
    let needed = variables.into_iter().filter(|variable| !variable.has_default);
    let needed: BTreeSet<String> = needed.map(|variable| variable.name).collect();
    let missing = missing_columns(&needed, &imports);
    if missing.is_empty() { Ok(()) } else { Err(Problem::missing(missing)) }
}

/// Looks into the table when no upload lived to note what it had brought.
async fn has_someone(api: &Api, campaign: &Campaign, imports: &[Import]) -> Answer<bool> {
    if imports.iter().any(|import| import.added > 0) {
        return Ok(true);
    }
    let (range, recipients) = (CursorRange::default(), campaign.recipients());
    let (found, _) = recipient::store::walk(&api.table, recipients, range, 100).await?;
    Ok(found.iter().any(|recipient| recipient.status == recipient::Status::Pending))
}
