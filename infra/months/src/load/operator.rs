//! Creates the connections and the campaigns of a load, and starts them.

use std::fmt::Write;
use std::ops::Range;

use axum::http::Method;
use carillon::ids::CampaignId;
use serde_json::{Value, json};
use tower::BoxError;

use super::LoadPlan;
use super::person::LoadPerson;
use crate::api_client::{ApiClient, ApiResponse};
use crate::fixture::APP_SECRET;
use crate::whatsapp::WABA_ID;

/// The most recipients of one upload.
const UPLOAD: u64 = 5_000;

/// Creates the connections.
pub(super) async fn connect(api: &ApiClient, plan: &LoadPlan) -> Result<Vec<String>, BoxError> {
    let mut connections = Vec::new();
    for number in 0..plan.numbers {
        let body = connection_body(number, plan);
        let path = "/v1/connections?check=false";
        connections.push(created_id(&api.send_json(Method::POST, path, &body).await?)?);
    }
    Ok(connections)
}

/// Creates a campaign, by its number, with its recipients.
pub(super) async fn create(
    api: &ApiClient,
    plan: &LoadPlan,
    campaign: u64,
    connection: &str,
) -> Result<CampaignId, BoxError> {
    let body = campaign_body(campaign, connection);
    let id = created_id(&api.send_json(Method::POST, "/v1/campaigns", &body).await?)?;
    let end = plan.recipients * (campaign + 1) / plan.campaigns;
    let mut next = plan.recipients * campaign / plan.campaigns;
    while next < end {
        let until = end.min(next + UPLOAD);
        accepted(&api.import(&id, csv(next..until, plan)).await?)?;
        next = until;
    }
    Ok(id.parse()?)
}

/// Starts all campaigns.
pub(super) async fn start(api: &ApiClient, campaigns: &[CampaignId]) -> Result<(), BoxError> {
    for id in campaigns {
        accepted(&api.send(Method::POST, &format!("/v1/campaigns/{id}/start")).await?)?;
    }
    Ok(())
}

fn csv(recipients: Range<u64>, plan: &LoadPlan) -> String {
    let mut csv = "contact,bsuid,first_name\n".to_owned();
    for person in recipients.map(|recipient| LoadPerson(recipient % plan.people)) {
        let user_id = if plan.knows_user_ids { person.user_id() } else { String::new() };
        // Writing to a string cannot fail.
        let _ = writeln!(csv, "+{},{user_id},Person {}", person.wa_id(), person.0);
    }
    csv
}

fn connection_body(number: u64, plan: &LoadPlan) -> Value {
    let settings =
        json!({ "phone_number_id": format!("8000000000{number:05}"), "waba_id": WABA_ID });
    json!({
        "name": "Shop",
        "provider": { "type": "whatsapp_cloud", "whatsapp_cloud": settings },
        "credentials": { "access_token": "token", "app_secret": APP_SECRET },
        "quota_group": "everyone", "throughput_mps": plan.throughput, "quota_limit": plan.quota_limit,
    })
}

fn campaign_body(number: u64, connection: &str) -> Value {
    let parameters = json!([{ "type": "text", "text": "{first_name}" }]);
    let components = json!([{ "type": "body", "parameters": parameters }]);
    json!({
        "name": format!("Spring {number}"), "connection_id": connection,
        "message": { "type": "template", "template":
            { "name": "spring_offer", "language": "en_US", "components": components } },
        "daily_send_limit": 1_000_000, "speed": "fast",
    })
}

fn accepted((status, response): &ApiResponse) -> Result<(), BoxError> {
    match status {
        200..300 => Ok(()),
        _ => Err(format!("the API refused a request: {status} {response}").into()),
    }
}

fn created_id(response: &ApiResponse) -> Result<String, BoxError> {
    accepted(response)?;
    let id = response.1["id"].as_str().ok_or("the API created nothing")?;
    Ok(id.to_owned())
}
