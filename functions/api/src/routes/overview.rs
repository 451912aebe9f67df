use axum::Json;
use axum::extract::State;
use carillon::campaign::{self, Status};
use carillon::connection;
use carillon::delivery::{QueueDepth, QueueDepths};
use serde::Serialize;
use utoipa::ToSchema;

use super::campaign_list::{ListedCampaign, listed_campaigns};
use super::connection_view::ConnectionView;
use super::connections;
use super::quota_groups::{self, QuotaGroupView};
use crate::App;
use crate::problem::Answer;

/// How many campaigns of a status are shown.
const SHOWN: usize = 20;

/// What is going on.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Overview {
    /// How many campaigns are under way.
    campaigns: CampaignsUnderWay,
    /// The campaigns that are halted, the newest first, at most 20.
    halted: Vec<ListedCampaign>,
    /// The campaigns that are active, the newest first, at most 20.
    active: Vec<ListedCampaign>,
    /// The connections, at most 20.
    connections: Vec<ConnectionView>,
    /// The quota groups of all connections, at most 20.
    quota_groups: Vec<QuotaGroupView>,
    /// The queues of batches together; null where they cannot be reached.
    queue: Option<QueueDepth>,
}

/// How many campaigns are under way, by status.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CampaignsUnderWay {
    /// To start later.
    scheduled: usize,
    /// Sending within their limits.
    active: usize,
    /// Paused by a person.
    paused: usize,
    /// Halted for a reason.
    halted: usize,
}

/// Show what is going on
///
/// The campaigns under way with their funnels, the connections and their quotas: what a start page
/// needs, in one request.
#[utoipa::path(get, path = "/v1/overview", operation_id = "getOverview", tag = "Reports",
    security(("api_key" = ["read"])),
    responses((status = 200, description = "The overview.", body = Overview)))]
pub(crate) async fn get(State(api): App) -> Answer<Json<Overview>> {
    let of = |status| campaign::store::all(&api.table, status);
    let (scheduled, active) = (of(Status::Scheduled).await?, of(Status::Active).await?);
    let (paused, halted) = (of(Status::Paused).await?, of(Status::Halted).await?);
    let campaigns = CampaignsUnderWay {
        scheduled: scheduled.len(),
        active: active.len(),
        paused: paused.len(),
        halted: halted.len(),
    };
    let mut connections = Vec::new();
    for connection in connection::store::all(&api.table).await?.into_iter().take(SHOWN) {
        connections.push(connections::view(&api, connection).await?);
    }
    Ok(Json(Overview {
        campaigns,
        halted: listed_campaigns(&api, halted.into_iter().take(SHOWN), true).await?,
        active: listed_campaigns(&api, active.into_iter().take(SHOWN), true).await?,
        connections,
        quota_groups: quota_groups::first(&api, SHOWN).await?,
        queue: api.queue.depths().await.ok().map(QueueDepths::total),
    }))
}
