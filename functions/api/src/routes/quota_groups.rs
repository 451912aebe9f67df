use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use carillon::connection;
use carillon::ids::ConnectionId;
use carillon::quota::{self, Quota};
use serde::Serialize;
use utoipa::ToSchema;

use crate::body::{Asked, Named, PageAsked, page_of};
use crate::problem::{Answer, Problem};
use crate::values::Time;
use crate::{Api, App};

/// A page of quota groups.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QuotaGroupPage {
    /// The quota groups, by name.
    items: Vec<QuotaGroupView>,
    /// Where the next page begins; null at the end.
    next_cursor: Option<String>,
}

/// Connections that share a quota: how many different contacts they may begin a conversation with
/// in 24 hours.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QuotaGroup)]
pub(crate) struct QuotaGroupView {
    /// Its name, such as the id of a business portfolio.
    name: String,
    /// The connections that share it.
    #[schema(value_type = Vec<String>)]
    connection_ids: Vec<ConnectionId>,
    /// How many contacts in 24 hours: the lower one of the configured and the reported limit; null
    /// where neither limits it.
    limit: Option<u64>,
    /// The limit that was configured.
    configured_limit: Option<u64>,
    /// The limit that the provider reported, or that is assumed until it reports one.
    reported_limit: Option<u64>,
    /// How many contacts were counted in the last 24 hours, reservations of open batches among
    /// them.
    reserved: u64,
    /// How many may be counted now; null without a limit.
    free: Option<u64>,
    /// When the next contacts leave the 24 hours; null where none is counted.
    next_free_at: Option<Time>,
}

/// List the quota groups
#[utoipa::path(get, path = "/v1/quota-groups", operation_id = "listQuotaGroups", tag = "Connections",
    security(("api_key" = ["read"])), params(PageAsked),
    responses((status = 200, description = "A page of quota groups.", body = QuotaGroupPage)))]
pub(crate) async fn list(
    State(api): App,
    Asked(asked): Asked<PageAsked>,
) -> Answer<Json<QuotaGroupPage>> {
    let groups: Vec<_> = groups(&api).await?.into_iter().collect();
    let cursors = api.cursors().await?;
    let (page, next_cursor) = page_of(&cursors, groups, &asked, |(name, _)| name.clone())?;
    let mut items = Vec::with_capacity(page.len());
    for (name, connections) in page {
        items.push(view(&api, name, connections).await?);
    }
    Ok(Json(QuotaGroupPage { items, next_cursor }))
}

/// Show a quota group
#[utoipa::path(get, path = "/v1/quota-groups/{name}", operation_id = "getQuotaGroup", tag = "Connections",
    security(("api_key" = ["read"])),
    params(("name" = String, Path, description = "The quota group's name.")),
    responses((status = 200, description = "The quota group.", body = QuotaGroupView)))]
pub(crate) async fn get(State(api): App, Named(name): Named) -> Answer<Json<QuotaGroupView>> {
    let connections = groups(&api).await?.remove(&name);
    let connections = connections.ok_or_else(|| Problem::not_found("quota group"))?;
    Ok(Json(view(&api, name, connections).await?))
}

/// The first quota groups, by name.
pub(super) async fn first(api: &Api, count: usize) -> Answer<Vec<QuotaGroupView>> {
    let mut items = Vec::new();
    for (name, connections) in groups(api).await?.into_iter().take(count) {
        items.push(view(api, name, connections).await?);
    }
    Ok(items)
}

/// The connections of each group.
async fn groups(api: &Api) -> Answer<BTreeMap<String, Vec<ConnectionId>>> {
    let mut groups: BTreeMap<String, Vec<ConnectionId>> = BTreeMap::new();
    for connection in connection::store::all(&api.table).await? {
        if let Some(group) = connection.quota_group {
            groups.entry(group).or_default().push(connection.id);
        }
    }
    Ok(groups)
}

async fn view(
    api: &Api,
    name: String,
    connection_ids: Vec<ConnectionId>,
) -> Answer<QuotaGroupView> {
    let now = api.clock.now();
    let quota: Quota = quota::store::get(&api.table, &name).await?;
    let limit = quota.effective_limit();
    Ok(QuotaGroupView {
        name,
        connection_ids,
        limit,
        configured_limit: quota.limit,
        reported_limit: quota.reported_limit,
        reserved: quota.reserved(now),
        free: limit.map(|_| quota.free(now)),
        next_free_at: quota.next_free_at(now).map(Time),
    })
}
