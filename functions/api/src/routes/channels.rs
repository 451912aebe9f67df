use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use carillon::channel::{Capabilities, Provider};
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;

/// All channels.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChannelList {
    /// The channels.
    items: Vec<ChannelView>,
    /// Always null: all channels are on one page.
    next_cursor: Option<String>,
}

/// A provider and what it can do.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChannelView {
    /// The provider's name, as in `provider.type` of a connection.
    name: &'static str,
    /// What it can do.
    capabilities: Capabilities,
}

/// List the channels
///
/// The providers that a connection may have, and what each can do.
#[utoipa::path(get, path = "/v1/channels", operation_id = "listChannels", tag = "Connections",
    security(("api_key" = ["read"])),
    responses((status = 200, description = "The channels.", body = ChannelList)))]
pub(crate) async fn list(State(api): App) -> Json<ChannelList> {
    let view = |provider: &Arc<dyn Provider>| ChannelView {
        name: provider.name(),
        capabilities: provider.capabilities().clone(),
    };
    Json(ChannelList { items: api.routes.providers().all().map(view).collect(), next_cursor: None })
}
