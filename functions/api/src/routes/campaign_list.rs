use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use carillon::analytics::Report;
use carillon::campaign::store::Order;
use carillon::campaign::{self, Campaign, Status};
use carillon::ids::CampaignId;
use carillon::time::Timestamp;
use futures::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::campaign_view::CampaignView;
use super::plan;
use crate::body::{Asked, page_size};
use crate::cursor;
use crate::problem::Answer;
use crate::values::Time;
use crate::{Api, App};

/// How many campaigns' counts are read at once.
const COUNTED_AT_ONCE: usize = 8;

/// Which page of the campaigns.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageAsked {
    /// Only those of these statuses.
    #[serde(default)]
    #[param(required = false)]
    status: Vec<Status>,
    /// Only those that were created after this time.
    created_after: Option<Time>,
    /// The order; the newest first by default.
    #[param(inline)]
    sort: Option<Sort>,
    /// What each campaign has besides: `counts`, the funnel in numbers.
    #[serde(default)]
    #[param(required = false, inline)]
    include: Vec<Include>,
    /// The size of a page, 1 to 500; 50 by default.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// The order of campaigns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = CampaignSort)]
pub(crate) enum Sort {
    /// The newest first.
    #[default]
    #[serde(rename = "-created_at")]
    NewestFirst,
    /// The oldest first.
    #[serde(rename = "created_at")]
    OldestFirst,
}

impl Sort {
    fn order(self) -> Order {
        match self {
            Self::NewestFirst => Order::NewestFirst,
            Self::OldestFirst => Order::OldestFirst,
        }
    }
}

/// The lists of the statuses in the order in which they are read. A campaign that moves from one
/// list to another meanwhile is found in one of them: it moves on in this order, or becomes active
/// again.
const READ_ORDER: [Status; 8] = [
    Status::Draft,
    Status::Scheduled,
    Status::Active,
    Status::Paused,
    Status::Halted,
    Status::Completed,
    Status::Cancelled,
    Status::Active,
];

/// The highest id that a campaign of that millisecond may have.
fn last_id_of(at: Timestamp) -> CampaignId {
    let millis = u64::try_from(at.as_millisecond()).unwrap_or(0);
    let uuid = uuid::Builder::from_unix_timestamp_millis(millis, &[0xff; 10]).into_uuid();
    CampaignId::from_uuid(uuid)
}

/// What a campaign of a list can have besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CampaignInclude)]
pub(crate) enum Include {
    /// The funnel in numbers.
    Counts,
}

/// A page of campaigns.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CampaignPage {
    /// The campaigns.
    items: Vec<ListedCampaign>,
    /// Where the next page begins; null at the end.
    next_cursor: Option<String>,
}

/// A campaign of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ListedCampaign {
    #[serde(flatten)]
    campaign: CampaignView,
    /// The funnel in numbers, where the list was asked for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    counts: Option<CampaignCounts>,
}

/// The funnel in numbers. `recipients` is the sum of `pending`, `sending`, `unconfirmed`, `sent`,
/// `failed`, `skipped` and `cancelled`; from `sent` on the steps count cumulatively.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CampaignCounts {
    /// All recipients.
    recipients: u64,
    /// Not sent yet, or to be retried.
    pending: u64,
    /// Claimed: the request to the provider is in progress.
    sending: u64,
    /// Accepted by the provider.
    sent: u64,
    /// Delivered to the device.
    delivered: u64,
    /// Read.
    read: u64,
    /// Replied to.
    replied: u64,
    /// Closed by a user.
    closed: u64,
    /// Refused by the provider.
    failed: u64,
    /// Never sent to.
    skipped: u64,
    /// Outcome unknown.
    unconfirmed: u64,
    /// Cancelled with the campaign, or pending at its end.
    cancelled: u64,
}

impl From<Report> for CampaignCounts {
    fn from(report: Report) -> Self {
        Self {
            recipients: report.recipients,
            pending: report.pending,
            sending: report.sending,
            sent: report.sent,
            delivered: report.received,
            read: report.read,
            replied: report.replied,
            closed: report.closed,
            failed: report.failed,
            skipped: report.skipped,
            unconfirmed: report.unconfirmed,
            cancelled: report.cancelled,
        }
    }
}

/// Where a page ended.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct PageEnd {
    sort: Sort,
    last: CampaignId,
}

/// List the campaigns
#[utoipa::path(get, path = "/v1/campaigns", operation_id = "listCampaigns", tag = "Campaigns",
    security(("api_key" = ["read"])), params(PageAsked),
    responses((status = 200, description = "A page of campaigns.", body = CampaignPage)))]
pub(crate) async fn list(
    State(api): App,
    Asked(asked): Asked<PageAsked>,
) -> Answer<Json<CampaignPage>> {
    let limit = page_size(asked.limit)? as usize;
    let sort = asked.sort.unwrap_or_default();
    let cursors = api.cursors().await?;
    let from: Option<PageEnd> = cursors.read(asked.cursor.as_deref())?;
    if from.is_some_and(|from| from.sort != sort) {
        return Err(cursor::unknown());
    }
    let mut found = listed(&api, &asked, sort, from.map(|from| from.last), limit).await?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| has_more);
    let next_cursor = last.and_then(|last| cursors.write(&PageEnd { sort, last: last.id }));
    let items = listed_campaigns(&api, found, asked.include.contains(&Include::Counts)).await?;
    Ok(Json(CampaignPage { items, next_cursor }))
}

/// The campaigns after one, in order: `limit` at least, if there are as many. Each status has a
/// list of its own.
async fn listed(
    api: &Api,
    asked: &PageAsked,
    sort: Sort,
    after: Option<CampaignId>,
    limit: usize,
) -> Answer<Vec<Campaign>> {
    let mut found: BTreeMap<CampaignId, Campaign> = BTreeMap::new();
    let is_asked = |status: &Status| asked.status.is_empty() || asked.status.contains(status);
    let since = asked.created_after.map(|Time(since)| since);
    let order = sort.order();
    // Ids begin with the time at which they were made.
    let first = since.filter(|_| order == Order::OldestFirst).map(last_id_of);
    let after = after.max(first);
    for status in READ_ORDER.into_iter().filter(is_asked) {
        let mut start = after.map(|id| campaign::store::start_after(status, id));
        let mut of_status = 0;
        while of_status <= limit {
            let left = u32::try_from(limit + 1 - of_status).unwrap_or(u32::MAX);
            let page = campaign::store::list(&api.table, status, order, start, left).await?;
            // Times are shown, and asked for, in milliseconds.
            let is_past = |one: &Campaign| {
                since.is_some_and(|since| one.created_at.as_millisecond() <= since.as_millisecond())
            };
            let ends = order == Order::NewestFirst && page.items.last().is_some_and(is_past);
            let asked_for = page.items.into_iter().filter(|one| !is_past(one));
            for one in asked_for {
                of_status += 1;
                found.insert(one.id, one);
            }
            start = page.next.filter(|_| !ends);
            if start.is_none() {
                break;
            }
        }
    }
    Ok(match sort {
        Sort::NewestFirst => found.into_values().rev().collect(),
        Sort::OldestFirst => found.into_values().collect(),
    })
}

/// Campaigns as lists show them.
pub(super) async fn listed_campaigns(
    api: &Api,
    campaigns: impl IntoIterator<Item = Campaign>,
    with_counts: bool,
) -> Answer<Vec<ListedCampaign>> {
    let listed = |campaign| listed_campaign(api, campaign, with_counts);
    let listed: Vec<_> = campaigns.into_iter().map(listed).collect();
    stream::iter(listed).buffered(COUNTED_AT_ONCE).try_collect().await
}

async fn listed_campaign(
    api: &Api,
    campaign: Campaign,
    with_counts: bool,
) -> Answer<ListedCampaign> {
    let counts = if with_counts { Some(plan::funnel(api, &campaign).await?.into()) } else { None };
    Ok(ListedCampaign { campaign: campaign.into(), counts })
}
