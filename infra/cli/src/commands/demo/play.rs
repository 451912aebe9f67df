//! What a person would do: make the connection and the campaign, import the
//! contacts, start. All over HTTP.

use std::io::Cursor;

use serde_json::{Value, json};

use super::DemoArgs;
use super::contacts;
use super::stage::{Stage, ZONE};
use crate::client::ClientError;
use crate::commands::campaigns::upload::{Imported, Upload};
use crate::commands::error::CommandError;
use crate::commands::simulator::TEMPLATE;

/// The send window.
pub(super) const WINDOW: (&str, &str) = ("09:00", "18:00");

/// A campaign that is started.
pub(super) struct Campaign {
    pub(super) id: String,
    pub(super) imported: Imported,
}

pub(super) async fn prepare(stage: &Stage, args: &DemoArgs) -> Result<Campaign, CommandError> {
    let client = &stage.client;
    let connection: Value = client.post("/v1/connections", Some(&stage.connection)).await?;
    let settings = settings(&connection["id"], args.daily_limit);
    let campaign: Value = client.post("/v1/campaigns", Some(&settings)).await?;
    let id = campaign["id"].as_str().unwrap_or_default().to_owned();
    let csv = Cursor::new(contacts::csv(args.contacts));
    let imported = Upload::new(client, &id).run(csv, |_, _| {}).await?;
    let _: Value = client.post(&format!("/v1/campaigns/{id}/start"), None).await?;
    Ok(Campaign { id, imported })
}

fn settings(connection: &Value, daily_limit: u32) -> Value {
    json!({
        "name": "Spring offer",
        "connection_id": connection,
        "message": { "template": {
            "name": TEMPLATE,
            "language": "es",
            "components": [
                { "type": "body", "parameters": [{ "type": "text", "text": "{first_name}" }] }
            ]
        }},
        "daily_send_limit": daily_limit,
        "speed": "fast",
        "timezone": ZONE,
        "send_window": { "from": WINDOW.0, "to": WINDOW.1 }
    })
}

impl Stage {
    /// The campaign's report.
    pub(super) async fn report<T: serde::de::DeserializeOwned>(
        &self,
        campaign: &Campaign,
    ) -> Result<T, ClientError> {
        self.client.get(&format!("/v1/campaigns/{}/report", campaign.id)).await
    }
}
