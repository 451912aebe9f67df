use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use carillon::analytics::Report;
use carillon::campaign::{self, Campaign, Import, Status};
use carillon::connection::{self, Connection};
use carillon::ids::CampaignId;
use carillon::message::Content;
use carillon::plan::cost::{Category, Estimate, estimate};
use carillon::plan::ledger::Ledger;
use carillon::plan::{self, Forecast, Reason, Wait, forecast};
use carillon::template;
use carillon::time::{Timestamp, date_in};
use serde::Serialize;
use utoipa::ToSchema;

use super::reports::funnel;
use crate::Api;
use crate::body::Id;
use crate::problem::Answer;

/// What a campaign will do if nothing changes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Outlook {
    /// Where the campaign stands.
    status: Status,
    /// Which day how many.
    forecast: Forecast,
    /// What it costs to write to everyone it was given, if all is delivered.
    estimate: Estimate,
    /// Whether the message's category is known from a local template, or taken
    /// to be marketing, the dearest.
    category_known: bool,
    /// Who is left out, by reason.
    left_out: BTreeMap<String, u64>,
    /// Why nobody is sent to at this moment, where that is plain.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits: Option<Waiting>,
}

/// Why nobody of a campaign is sent to at this moment.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Waiting {
    #[serde(flatten)]
    wait: Wait,
    /// The same in words, in the campaign's time zone.
    #[schema(example = "portfolio limit, next places at 14:05")]
    text: String,
}

/// Show the plan
///
/// A dry run: which day how many, when it ends, what it costs, who is left out
/// and why. What other campaigns take of the portfolio's limit is not foreseen.
#[utoipa::path(get, path = "/v1/campaigns/{id}/plan", operation_id = "planCampaign", tag = "Reports",
    params(("id" = String, Path, description = "The campaign's id.")),
    responses((status = 200, description = "The plan.", body = Outlook)))]
pub(crate) async fn plan(
    State(api): State<Arc<Api>>,
    Id(id): Id<CampaignId>,
) -> Answer<Json<Outlook>> {
    let now = api.clock.now();
    let campaign = super::campaign(&api, id).await?;
    let funnel = funnel(&api, &campaign).await?;
    let imports = campaign::store::imports(&api.table, id).await?;
    let connection = connection::store::get(&api.table, campaign.settings.connection_id).await?;
    let ledger = ledger(&api, connection.as_ref()).await?;
    let (category, category_known) = category(&api, &campaign.settings.message).await?;
    let waiting = if campaign.status.is_final() { 0 } else { waiting(&funnel, &imports) };
    Ok(Json(Outlook {
        status: campaign.status,
        forecast: forecast(&campaign, waiting, ledger.people(), now),
        estimate: estimate(&countries(&imports), category, campaign.today(now)),
        category_known,
        waits: waits(&campaign, connection.as_ref(), &ledger, now)
            .map(|wait| Waiting::of(wait, &campaign, now)),
        left_out: funnel.skipped_for,
    }))
}

async fn ledger(api: &Api, connection: Option<&Connection>) -> Answer<Ledger> {
    match connection {
        Some(connection) => Ok(plan::store::ledger(&api.table, &connection.portfolio).await?),
        None => Ok(Ledger::default()),
    }
}

/// Who waits: as counted, and who was added so lately that nobody counted them.
fn waiting(funnel: &Report, imports: &[Import]) -> u64 {
    let added: u64 = imports.iter().map(|import| import.added).sum();
    funnel.pending + added.saturating_sub(funnel.recipients)
}

fn countries(imports: &[Import]) -> BTreeMap<String, u64> {
    let mut countries = BTreeMap::new();
    for (country, count) in imports.iter().flat_map(|import| &import.countries) {
        *countries.entry(country.clone()).or_default() += count;
    }
    countries
}

async fn category(api: &Api, message: &Content) -> Answer<(Category, bool)> {
    let Content::Template(content) = message else { return Ok((Category::Service, true)) };
    let local = template::store::get(&api.table, &content.name, &content.language).await?;
    Ok(match local {
        Some(definition) => (definition.category.into(), true),
        None => (Category::Marketing, false),
    })
}

/// Why nobody of a campaign is sent to at `now`, where that is plain.
pub(super) async fn waiting_for(
    api: &Api,
    campaign: &Campaign,
    now: Timestamp,
) -> Answer<Option<Waiting>> {
    if campaign.status != Status::Active {
        return Ok(None);
    }
    let connection = connection::store::get(&api.table, campaign.settings.connection_id).await?;
    let ledger = ledger(api, connection.as_ref()).await?;
    let wait = waits(campaign, connection.as_ref(), &ledger, now);
    Ok(wait.map(|wait| Waiting::of(wait, campaign, now)))
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
            Reason::WindowClosed => ("send window closed", "it opens at"),
            Reason::DailyLimit => ("daily limit", "the next day begins at"),
            Reason::PortfolioLimit => ("portfolio limit", "next places at"),
            Reason::LaneBusy => ("lane busy", "more at"),
            Reason::PutOff => ("everyone left was put off", "the first is due at"),
            Reason::Finishing => ("its last batches are being sent", "until"),
            Reason::NoConnection => ("its connection is gone", "until"),
        };
        let text = at.map_or_else(|| what.to_owned(), |at| format!("{what}, {then} {at}"));
        Self { wait, text }
    }
}

fn waits(
    campaign: &Campaign,
    connection: Option<&Connection>,
    ledger: &Ledger,
    now: Timestamp,
) -> Option<Wait> {
    if campaign.status != Status::Active {
        return None;
    }
    if connection.is_none() {
        return Some(Wait { reason: Reason::NoConnection, until: None });
    }
    let window = campaign.settings.send_window.as_ref();
    if let Some(opens) = window.and_then(|window| window.opens(now, &campaign.zone())) {
        return Some(Wait { reason: Reason::WindowClosed, until: Some(opens) });
    }
    if campaign.day_at(now).planned >= campaign.settings.daily_send_limit {
        return Some(Wait { reason: Reason::DailyLimit, until: tomorrow(campaign, now) });
    }
    if let Some(until) = campaign.asleep_until(now) {
        return Some(Wait { reason: Reason::PutOff, until: Some(until) });
    }
    let used_up = ledger.free(now) == 0;
    used_up.then(|| Wait { reason: Reason::PortfolioLimit, until: ledger.next_free(now) })
}

fn tomorrow(campaign: &Campaign, now: Timestamp) -> Option<Timestamp> {
    let date = campaign.today(now).tomorrow().ok()?;
    date.to_zoned(campaign.zone()).ok().map(|zoned| zoned.timestamp())
}
