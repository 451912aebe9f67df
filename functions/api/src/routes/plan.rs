use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use carillon::analytics::{self, Report};
use carillon::batch;
use carillon::campaign::{self, Campaign, Import, MissingColumn, Status, missing_columns};
use carillon::channel::cost::{Estimate, UnpricedCountry, Warning};
use carillon::channel::{EstimateRequest, Provider};
use carillon::connection::{self, Connection};
use carillon::country::Country;
use carillon::ids::CampaignId;
use carillon::plan::{Candidate, Forecast, Wait, WaitReason, Work, forecast, wait};
use carillon::quota::{self, QuotaStatus};
use carillon::recipient;
use carillon::template;
use carillon::time::{Date, Timestamp, date_in};
use serde::Serialize;
use utoipa::ToSchema;

use crate::body::Id;
use crate::problem::Answer;
use crate::values::{Money, Time};
use crate::{Api, App};

/// What a campaign will do if nothing changes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CampaignPlan {
    /// The campaign's status.
    status: Status,
    /// How many messages on which day.
    forecast: Forecast,
    /// The cost of a message to each imported recipient, if all are delivered; null where the
    /// provider's prices are not known.
    estimate: Option<EstimateView>,
    /// How many recipients were skipped, by reason.
    skipped_by_reason: BTreeMap<String, u64>,
    /// How many pending recipients wait, by what they wait for: `marketing_hold` are those
    /// from whom the provider holds marketing messages back.
    waiting_by_reason: BTreeMap<String, u64>,
    /// What the provider will not do as one may expect.
    warnings: Vec<Warning>,
    /// Why no message is sent at this moment; null where messages are sent.
    waiting: Option<Waiting>,
}

/// Why no message of a campaign is sent at this moment.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Waiting {
    /// Why.
    code: WaitReason,
    /// Until when; null where it is not known.
    until: Option<Time>,
    /// The reason in words, in the campaign's time zone.
    #[schema(example = "quota exhausted, more from 14:05")]
    detail: String,
}

/// The cost of a campaign if every message is delivered and none is free.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Estimate)]
pub(crate) struct EstimateView {
    /// The provider's category of the message, such as `marketing`.
    category: &'static str,
    /// Whether the category is known from a template; otherwise it is the most expensive one.
    category_known: bool,
    /// The cost of all messages, without the countries in `unpriced`.
    total: Money,
    /// The cost in each country.
    by_country: Vec<CountryCostView>,
    /// The countries whose price is not known.
    unpriced: Vec<UnpricedCountry>,
    /// The first day of the prices; null where no prices are known for the day.
    #[schema(value_type = Option<String>, format = Date)]
    rates_from: Option<Date>,
    /// The source of the prices.
    rates_source: Option<&'static str>,
}

/// The cost of the messages to one country.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CountryCost)]
pub(crate) struct CountryCostView {
    /// The country.
    country: Country,
    /// The provider's market.
    market: &'static str,
    /// The number of recipients.
    recipients: u64,
    /// The price of one message.
    rate: Money,
    /// The price of all messages.
    cost: Money,
}

impl From<Estimate> for EstimateView {
    fn from(estimate: Estimate) -> Self {
        let currency = estimate.currency;
        let by_country = estimate.by_country.into_iter().map(|one| CountryCostView {
            country: one.country,
            market: one.market,
            recipients: one.recipients,
            rate: Money::of(one.rate, currency),
            cost: Money::of(one.cost, currency),
        });
        Self {
            category: estimate.category,
            category_known: estimate.category_known,
            total: Money::of(estimate.total, currency),
            by_country: by_country.collect(),
            unpriced: estimate.unpriced,
            rates_from: estimate.rates_from,
            rates_source: estimate.rates_source,
        }
    }
}

/// Show the plan
///
/// A dry run: how many messages on which day, the end, the cost, and why recipients were
/// skipped. Other campaigns of the quota group are not counted.
#[utoipa::path(get, path = "/v1/campaigns/{id}/plan", operation_id = "getCampaignPlan", tag = "Reports",
    security(("api_key" = ["read"])),
    params(("id" = String, Path, description = "The campaign's id.")),
    responses((status = 200, description = "The plan.", body = CampaignPlan)))]
pub(crate) async fn plan(State(api): App, Id(id): Id<CampaignId>) -> Answer<Json<CampaignPlan>> {
    let now = api.clock.now();
    let campaign = super::campaign(&api, id).await?;
    let funnel = funnel(&api, &campaign).await?;
    let imported = campaign::store::imported(&api.table, id).await?;
    let imports = imported.as_slice();
    let resources = resources(&api, &campaign, now).await?;
    let pending = if campaign.status.is_final() { 0 } else { pending(&funnel, imports) };
    let limit = resources.quotas.values().next().and_then(|quota| quota.limit);
    let (estimate, warnings) = ask_provider(&api, &campaign, &resources, imports, now).await?;
    Ok(Json(CampaignPlan {
        status: campaign.status,
        forecast: forecast(&campaign, pending, limit, now),
        estimate: estimate.map(Into::into),
        warnings,
        waiting: waiting_for(&api, &campaign, &resources, now).await?,
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
pub(super) fn pending(funnel: &Report, imports: &[Import]) -> u64 {
    let added: u64 = imports.iter().map(|import| import.added).sum();
    funnel.pending + added.saturating_sub(funnel.recipients)
}

/// What the provider says of a campaign: the cost, and what to expect.
pub(super) async fn ask_provider(
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
    let mut warnings = provider.warnings(&request);
    warnings.extend(invalid_messages(campaign, provider.as_ref(), imports));
    Ok((provider.estimate(&request), warnings))
}

/// The recipients without a value whose message would not be valid with the default.
fn invalid_messages(
    campaign: &Campaign,
    provider: &dyn Provider,
    imports: &[Import],
) -> Vec<Warning> {
    let message = &campaign.settings.message;
    let invalid = message.invalid_defaults(|content| provider.validate(content));
    let missing = missing_columns(&invalid.keys().cloned().collect(), imports);
    let warning = |one: MissingColumn| {
        let reason = invalid.get(&one.variable).map_or("is not valid", |found| &found.reason);
        let text = format!(
            "Who has no value for {{{}}} is skipped: the value in the message {reason}.",
            one.variable
        );
        Warning { code: "invalid_message", text, recipients: one.recipients }
    };
    missing.into_iter().map(warning).collect()
}

/// What will not happen as one may expect of a campaign.
pub(super) async fn warnings(
    api: &Api,
    campaign: &Campaign,
    now: Timestamp,
) -> Answer<Vec<Warning>> {
    let imported = campaign::store::imported(&api.table, campaign.id).await?;
    let imports = imported.as_slice();
    let resources = resources(api, campaign, now).await?;
    Ok(ask_provider(api, campaign, &resources, imports, now).await?.1)
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
    let ranges = open.iter().filter(|batch| batch.name.campaign == campaign.id && batch.is_range());
    let open_ranges = ranges.count() as u32;
    let requeues = campaign::store::requeues(&api.table, campaign.id).await?;
    let before_walk = recipient::store::before_walk(&api.table, campaign.id, now, 1).await?;
    let before_walk = before_walk.len() as u64;
    let work = Work { pending: 0, before_walk, open_ranges, requeues };
    let candidate = Candidate::of(campaign, resources.connection.as_ref(), work, now);
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
        let detail = at.map_or_else(|| what.to_owned(), |at| format!("{what}, {then} {at}"));
        Self { code: wait.reason, until: wait.until.map(Time), detail }
    }
}
