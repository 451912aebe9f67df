//! Creates, imports and starts the demo's campaign through the HTTP API.

use std::io::Cursor;

use serde_json::{Value, json};

use super::args::DemoArgs;
use super::clock::{SEND_WINDOW, TIME_ZONE};
use super::contacts;
use super::environment::Environment;
use crate::client::{ApiPath, Client, ClientError, Request};
use crate::error::CommandError;
use crate::report::CampaignReport;
use crate::simulator_config::TEMPLATE;
use crate::upload::{UploadResult, upload};

/// The demo's campaign, started.
pub(super) struct Campaign {
    path: ApiPath,
    pub(super) imported: UploadResult,
}

pub(super) async fn start(
    environment: &Environment,
    args: &DemoArgs,
) -> Result<Campaign, CommandError> {
    let client = &environment.client;
    let connections = ApiPath::new("connections");
    let connection = client.post(&connections, environment.connection_request.clone()).await?;
    let request = campaign_request(&connection["id"], args.daily_limit);
    let campaign = client.post(&ApiPath::new("campaigns"), request).await?;
    let path =
        ApiPath::raw(&format!("/v1/campaigns/{}", campaign["id"].as_str().unwrap_or_default()));
    let csv = Cursor::new(contacts::csv(args.contacts));
    let imported = upload(client, &Request::post(&path.then("recipients")), csv, |_, _| {}).await?;
    client.post(&path.then("start"), json!({})).await?;
    Ok(Campaign { path, imported })
}

fn campaign_request(connection: &Value, daily_limit: u32) -> Value {
    json!({
        "name": "Spring offer",
        "connection_id": connection,
        "message": { "type": "template", "template": {
            "name": TEMPLATE,
            "language": "es",
            "components": [
                { "type": "body", "parameters": [{ "type": "text", "text": "{first_name}" }] }
            ]
        }},
        "daily_send_limit": daily_limit,
        "speed": "fast",
        "timezone": TIME_ZONE,
        "send_window": { "from": SEND_WINDOW.0, "to": SEND_WINDOW.1 }
    })
}

impl Campaign {
    pub(super) async fn report(&self, client: &Client) -> Result<CampaignReport, ClientError> {
        client.get(&self.path.then("report")).await
    }
}
