use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use carillon::analytics::{self, Report};
use carillon::batch;
use carillon::campaign::{self, Campaign, Import, Status};
use carillon::channel::EstimateRequest;
use carillon::channel::cost::{Estimate, Warning};
use carillon::connection::{self, Connection};
use carillon::country::Country;
use carillon::ids::CampaignId;
use carillon::plan::{Candidate, Forecast, Wait, WaitReason, forecast, wait};
use carillon::quota::{self, QuotaStatus};
use carillon::template;
use carillon::time::{Timestamp, date_in};
use serde::Serialize;
use utoipa::ToSchema;

use crate::body::Id;
use crate::problem::Answer;
use crate::{Api, App};

/// What a campaign will do if nothing changes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CampaignPlan {
    /// The campaign's status.
    status: Status,
    /// How many messages on which day.
    forecast: Forecast,
    /// The cost of a message to each imported recipient, if all are delivered; absent where
    /// the provider's prices are not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    estimate: Option<Estimate>,
    /// How many recipients were skipped, by reason.
    skipped_by_reason: BTreeMap<String, u64>,
    /// How many pending recipients wait, by what they wait for: `marketing_hold` are those
    /// from whom the provider holds marketing messages back.
    waiting_by_reason: BTreeMap<String, u64>,
    /// What the provider will not do as one may expect.
    warnings: Vec<Warning>,
    /// Why no message is sent at this moment, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits: Option<Waiting>,
}

/// Why no message of a campaign is sent at this moment.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Waiting {
    #[serde(flatten)]
    wait: Wait,
    /// The reason in words, in the campaign's time zone.
    #[schema(example = "quota exhausted, more from 14:05")]
    text: String,
}

/// Show the plan
///
/// A dry run: how many messages on which day, the end, the cost, and why recipients were
/// skipped. Other campaigns of the quota group are not counted.
#[utoipa::path(get, path = "/v1/campaigns/{id}/plan", operation_id = "getCampaignPlan", tag = "Reports",
    params(("id" = String, Path, description = "The campaign's id.")),
    responses((status = 200, description = "The plan.", body = CampaignPlan)))]
pub(crate) async fn plan(State(api): App, Id(id): Id<CampaignId>) -> Answer<Json<CampaignPlan>> {
    let now = api.clock.now();
    let campaign = super::campaign(&api, id).await?;
    let funnel = funnel(&api, &campaign).await?;
    let imports = campaign::store::imports(&api.table, id).await?;
    let resources = resources(&api, &campaign, now).await?;
    let pending = if campaign.status.is_final() { 0 } else { pending(&funnel, &imports) };
    let limit = resources.quotas.values().next().and_then(|quota| quota.limit);
    let (estimate, warnings) = ask_provider(&api, &campaign, &resources, &imports, now).await?;
    Ok(Json(CampaignPlan {
        status: campaign.status,
        forecast: forecast(&campaign, pending, limit, now),
        estimate,
        warnings,
        waits: waiting_for(&api, &campaign, &resources, now).await?,
        skipped_by_reason: funnel.skipped_by_reason,
        waiting_by_reason: funnel.waiting_by_reason,
    }))
}

/// The funnel of a campaign, from its counters.
pub(super) async fn funnel(api: &Api, campaign: &Campaign) -> Answer<Report> {
    let tally = analytics::store::read(&api.table, campaign.id, campaign.shards).await?;
    Ok(Report::of(&tally))
}

/// What a campaign sends with.
pub(super) struct Resources {
    connection: Option<Connection>,
    quotas: BTreeMap<String, QuotaStatus>,
}

pub(super) async fn resources(api: &Api, campaign: &Campaign, now: Timestamp) -> Answer<Resources> {
    let connection = connection::store::get(&api.table, campaign.settings.connection_id).await?;
    let mut quotas = BTreeMap::new();
    if let Some(group) = connection.as_ref().and_then(|one| one.quota_group.as_ref()) {
        let quota = quota::store::get(&api.table, group).await?;
        quotas.insert(group.clone(), quota.status(now));
    }
    Ok(Resources { connection, quotas })
}

/// The pending recipients: those that are counted, and those that were added so lately that
/// they are not.
fn pending(funnel: &Report, imports: &[Import]) -> u64 {
    let added: u64 = imports.iter().map(|import| import.added).sum();
    funnel.pending + added.saturating_sub(funnel.recipients)
}

/// What the provider says of a campaign: the cost, and what to expect.
async fn ask_provider(
    api: &Api,
    campaign: &Campaign,
    resources: &Resources,
    imports: &[Import],
    now: Timestamp,
) -> Answer<(Option<Estimate>, Vec<Warning>)> {
    let providers = api.routes.providers();
    let provider =
        resources.connection.as_ref().and_then(|one| providers.get(&one.provider.provider));
    let Some(provider) = provider else { return Ok((None, Vec::new())) };
    let local = match &campaign.settings.template {
        Some(template) => template::store::get(&api.table, template).await?,
        None => None,
    };
    let request = EstimateRequest {
        content: &campaign.settings.message,
        category: local.as_ref().map(|template| template.category.as_str()),
        recipients: &countries(imports),
        day: campaign.today(now),
    };
    Ok((provider.estimate(&request), provider.warnings(&request)))
}

/// What the provider will not do as one may expect of a campaign.
pub(super) async fn warnings(
    api: &Api,
    campaign: &Campaign,
    now: Timestamp,
) -> Answer<Vec<Warning>> {
    let imports = campaign::store::imports(&api.table, campaign.id).await?;
    let resources = resources(api, campaign, now).await?;
    Ok(ask_provider(api, campaign, &resources, &imports, now).await?.1)
}

fn countries(imports: &[Import]) -> BTreeMap<Country, u64> {
    let mut countries = BTreeMap::new();
    for (country, count) in imports.iter().flat_map(|import| &import.countries) {
        *countries.entry(*country).or_default() += count;
    }
    countries
}

/// Why no message of a campaign is sent at `now`, if so: by the planner's own rule.
pub(super) async fn waiting_for(
    api: &Api,
    campaign: &Campaign,
    resources: &Resources,
    now: Timestamp,
) -> Answer<Option<Waiting>> {
    if campaign.status != Status::Active {
        return Ok(None);
    }
    let open = batch::store::open(&api.table).await?;
    let open = open.iter().filter(|batch| batch.name.campaign == campaign.id).count() as u32;
    let candidate = Candidate::of(campaign, resources.connection.as_ref(), 0, open, now);
    Ok(wait(&candidate, &resources.quotas).map(|wait| Waiting::of(wait, campaign, now)))
}

impl Waiting {
    fn of(wait: Wait, campaign: &Campaign, now: Timestamp) -> Self {
        let at = wait.until.map(|until| {
            let zone = campaign.zone();
            let format = if date_in(until, &zone) == date_in(now, &zone) {
                "%H:%M"
            } else {
                "%H:%M on %-d %B"
            };
            zone.to_datetime(until).strftime(format).to_string()
        });
        let (what, then) = match wait.reason {
            WaitReason::WindowClosed => ("send window closed", "it opens at"),
            WaitReason::DailyLimit => ("daily limit reached", "the next day begins at"),
            WaitReason::QuotaExhausted => ("quota exhausted", "more from"),
            WaitReason::LaneBusy => ("lane busy", "more from"),
            WaitReason::Deferred => ("all pending recipients are deferred", "the first is due at"),
            WaitReason::Finishing => ("the last batches are being sent", "until"),
            WaitReason::NoConnection => ("the connection does not exist", "until"),
        };
        let text = at.map_or_else(|| what.to_owned(), |at| format!("{what}, {then} {at}"));
        Self { wait, text }
    }
}
