use std::collections::BTreeSet;

use axum::extract::State;
use carillon::campaign::{self, Action, Campaign, Import, Settings, missing_columns};
use carillon::channel::cost::Warning;
use carillon::channel::{FieldCode, FieldProblem};
use carillon::ids::CampaignId;
use carillon::recipient;
use carillon::template;
use carillon::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::campaign_view::CampaignView;
use super::campaigns::{self, under_message};
use super::plan;
use crate::body::{Id, NoMembers, OptionalBody};
use crate::etag::{IfMatch, Resource, Tagged};
use crate::problem::{Answer, Code, Problem};
use crate::values::{Money, Time};
use crate::{Api, App};

/// How a campaign is started.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StartOptions {
    /// When it starts; replaces the campaign's own `scheduled_start`.
    scheduled_start: Option<Time>,
    /// How many recipients are to be sent to: it is refused where there are more or fewer.
    expected_recipients: Option<u64>,
    /// The highest cost, if every message is delivered: it is refused where the estimate is
    /// higher, in another currency, or unknown.
    max_cost: Option<Money>,
}

/// How a campaign is resumed.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResumeOptions {
    /// Whether its message is checked again first, as at the start; `true` by default.
    #[schema(default = true)]
    check: Option<bool>,
}

/// A campaign that was started.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StartedCampaign {
    #[serde(flatten)]
    campaign: CampaignView,
    /// What the provider will not do as one may expect.
    warnings: Vec<Warning>,
}

impl Resource for StartedCampaign {
    fn tagged(&self) -> impl Serialize {
        self.campaign.tagged()
    }
}

/// Start a campaign
///
/// Now, or at its `scheduled_start`. It is refused when something is not in order, such as a
/// variable of the message that some recipients have no value for.
#[utoipa::path(post, path = "/v1/campaigns/{id}/start", operation_id = "startCampaign", tag = "Campaigns",
    security(("api_key" = ["send"])),
    params(("id" = String, Path, description = "The campaign's id.")), request_body = StartOptions,
    responses((status = 200, description = "The campaign, active or scheduled.", body = StartedCampaign)))]
pub(crate) async fn start(
    State(api): App,
    Id(id): Id<CampaignId>,
    if_match: IfMatch,
    OptionalBody(start): OptionalBody<StartOptions>,
) -> Answer<Tagged<StartedCampaign>> {
    let now = api.clock.now();
    check_amount(&start)?;
    loop {
        let mut campaign = super::campaign(&api, id).await?;
        if_match.check(&CampaignView::from(campaign.clone()))?;
        if let Some(Time(at)) = start.scheduled_start {
            campaign.settings.scheduled_start = Some(at);
        }
        let action = Action::Start { scheduled: is_scheduled(&campaign, now) };
        campaign.status.after(action).map_err(campaign::store::ChangeError::Illegal)?;
        campaigns::check(&api, &campaign.settings, Vec::new(), now).await?;
        check_template(&api, &campaign.settings).await?;
        check_recipients(&api, &campaign).await?;
        check_expectations(&api, &campaign, &start, now).await?;
        let warnings = plan::warnings(&api, &campaign, now).await?;
        if start.scheduled_start.is_some() {
            let settings = campaign.settings.clone();
            if !campaign::store::replace_settings(&api.table, &campaign, settings).await? {
                continue;
            }
            // What was checked is started, and nothing that was changed since.
            campaign.version += 1;
        }
        if let Some(campaign) = attempt(&api, &campaign, action, now).await? {
            return Ok(Tagged(StartedCampaign { campaign, warnings }));
        }
        if start.scheduled_start.is_some() {
            let detail = "The campaign was changed at this moment. It is not started.";
            return Err(Problem::new(Code::ChangedMeanwhile, detail));
        }
    }
}

/// Pause a campaign
///
/// Messages on their way still go out; after a quarter of a second no other is begun.
#[utoipa::path(post, path = "/v1/campaigns/{id}/pause", operation_id = "pauseCampaign", tag = "Campaigns",
    security(("api_key" = ["send"])),
    params(("id" = String, Path, description = "The campaign's id.")), request_body = NoMembers,
    responses((status = 200, description = "The campaign, paused.", body = CampaignView)))]
pub(crate) async fn pause(
    State(api): App,
    Id(id): Id<CampaignId>,
    if_match: IfMatch,
    OptionalBody(NoMembers {}): OptionalBody<NoMembers>,
) -> Answer<Tagged<CampaignView>> {
    execute(&api, id, &if_match, |_| Action::Pause).await
}

/// Resume a campaign
///
/// One that was paused, or that was halted for a reason that is gone.
#[utoipa::path(post, path = "/v1/campaigns/{id}/resume", operation_id = "resumeCampaign", tag = "Campaigns",
    security(("api_key" = ["send"])),
    params(("id" = String, Path, description = "The campaign's id.")), request_body = ResumeOptions,
    responses((status = 200, description = "The campaign, active or scheduled.", body = CampaignView)))]
pub(crate) async fn resume(
    State(api): App,
    Id(id): Id<CampaignId>,
    if_match: IfMatch,
    OptionalBody(resume): OptionalBody<ResumeOptions>,
) -> Answer<Tagged<CampaignView>> {
    let now = api.clock.now();
    let action = |campaign: &Campaign| Action::Resume { scheduled: is_scheduled(campaign, now) };
    if resume.check.unwrap_or(true) {
        let campaign = super::campaign(&api, id).await?;
        if_match.check(&CampaignView::from(campaign.clone()))?;
        campaign.status.after(action(&campaign)).map_err(campaign::store::ChangeError::Illegal)?;
        campaigns::check_now(&api, &campaign.settings, now).await?;
        check_template(&api, &campaign.settings).await?;
    }
    execute(&api, id, &if_match, action).await
}

/// Cancel a campaign
///
/// For good: whoever was not sent to yet is marked cancelled.
#[utoipa::path(post, path = "/v1/campaigns/{id}/cancel", operation_id = "cancelCampaign", tag = "Campaigns",
    security(("api_key" = ["send"])),
    params(("id" = String, Path, description = "The campaign's id.")), request_body = NoMembers,
    responses((status = 200, description = "The campaign, cancelled.", body = CampaignView)))]
pub(crate) async fn cancel(
    State(api): App,
    Id(id): Id<CampaignId>,
    if_match: IfMatch,
    OptionalBody(NoMembers {}): OptionalBody<NoMembers>,
) -> Answer<Tagged<CampaignView>> {
    execute(&api, id, &if_match, |_| Action::Cancel).await
}

async fn execute(
    api: &Api,
    id: CampaignId,
    if_match: &IfMatch,
    action: impl Fn(&Campaign) -> Action,
) -> Answer<Tagged<CampaignView>> {
    let now = api.clock.now();
    loop {
        let campaign = super::campaign(api, id).await?;
        if_match.check(&CampaignView::from(campaign.clone()))?;
        if let Some(changed) = attempt(api, &campaign, action(&campaign), now).await? {
            return Ok(Tagged(changed));
        }
    }
}

/// Executes an action; `None` where the campaign was changed meanwhile.
async fn attempt(
    api: &Api,
    campaign: &Campaign,
    action: Action,
    now: Timestamp,
) -> Answer<Option<CampaignView>> {
    let changed = campaign::store::try_status(&api.table, campaign, action, None, now).await?;
    Ok(changed.map(|changed| {
        tracing::info!(campaign = %changed.id, status = %changed.status, "campaign");
        changed.into()
    }))
}

/// Refuses an amount of money that is none.
fn check_amount(start: &StartOptions) -> Answer<()> {
    let Some(max) = &start.max_cost else { return Ok(()) };
    let mut problems = Vec::new();
    if max.millionths().is_none() {
        let reason = "must be a decimal number such as 12.50";
        problems.push(FieldProblem::new("max_cost.amount", FieldCode::Invalid, reason));
    }
    if max.currency.len() != 3 || !max.currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
        let reason = "must be three capital letters such as USD";
        problems.push(FieldProblem::new("max_cost.currency", FieldCode::Invalid, reason));
    }
    if problems.is_empty() { Ok(()) } else { Err(Problem::fields(problems)) }
}

/// Refuses where the recipients or the cost are not what the caller expects.
async fn check_expectations(
    api: &Api,
    campaign: &Campaign,
    start: &StartOptions,
    now: Timestamp,
) -> Answer<()> {
    if start.expected_recipients.is_none() && start.max_cost.is_none() {
        return Ok(());
    }
    let funnel = plan::funnel(api, campaign).await?;
    let imported = campaign::store::imported(&api.table, campaign.id).await?;
    let imports = imported.as_slice();
    if let Some(expected) = start.expected_recipients {
        let pending = plan::pending(&funnel, imports);
        if pending != expected {
            let detail = format!("{pending} recipients are to be sent to, and not {expected}.");
            let current = serde_json::json!({ "recipients": pending });
            return Err(Problem::new(Code::RecipientsDiffer, detail).with_current(&current));
        }
    }
    let Some(max) = &start.max_cost else { return Ok(()) };
    let resources = plan::resources(api, campaign, now).await?;
    let (estimate, _) = plan::ask_provider(api, campaign, &resources, imports, now).await?;
    let Some(estimate) = estimate else {
        let detail = "The provider's prices are not known, so the cost cannot be limited.";
        return Err(Problem::new(Code::CostUnknown, detail));
    };
    let total = Money::of(estimate.total, estimate.currency);
    let priced: u64 = imports.iter().map(|import| import.added).sum();
    if !estimate.unpriced.is_empty() || priced < funnel.pending {
        let detail = "The prices of some recipients are not known, so the cost cannot be limited.";
        return Err(Problem::new(Code::CostUnknown, detail));
    }
    let is_within = total.millionths().is_some_and(|total| Some(total) <= max.millionths());
    if max.currency != total.currency || !is_within {
        let detail = format!("The messages may cost {total}, and {max} is the limit.");
        let current = serde_json::json!({ "cost": total });
        return Err(Problem::new(Code::CostTooHigh, detail).with_current(&current));
    }
    Ok(())
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
    let imported = campaign::store::imported(&api.table, campaign.id).await?;
    let imports = imported.as_slice();
    if !has_someone(api, campaign, imports).await? {
        let detail = "The campaign has no pending recipients.";
        return Err(Problem::new(Code::NoRecipients, detail));
    }
    let variables = campaign.settings.message.variables();
    let needed = variables.into_iter().filter(|variable| !variable.has_default);
    let needed: BTreeSet<String> = needed.map(|variable| variable.name).collect();
    let missing = missing_columns(&needed, imports);
    if missing.is_empty() { Ok(()) } else { Err(Problem::missing(missing)) }
}

/// Looks into the table when no upload lived to note what it had brought.
async fn has_someone(api: &Api, campaign: &Campaign, imports: &[Import]) -> Answer<bool> {
    if imports.iter().any(|import| import.added > 0) {
        return Ok(true);
    }
    let (found, _) = recipient::store::walk(&api.table, campaign.recipients(), None, 100).await?;
    Ok(found.iter().any(|recipient| recipient.status == recipient::Status::Pending))
}
