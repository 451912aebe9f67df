//! Accounts, phone numbers, webhook subscriptions and tokens.

use axum::Json;
use axum::extract::{Path, Query, State};
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::auth::is_valid_token;
use super::extract::{ApiResult, QueryParameters, SharedApp};
use super::media;
use crate::app::App;
use crate::config::Number;
use crate::errors::ApiError;
use crate::state::WebhookTarget;

const SCOPES: [&str; 2] = ["whatsapp_business_messaging", "whatsapp_business_management"];

pub(super) async fn phone_numbers(
    State(app): SharedApp,
    Path(waba_id): Path<String>,
    Query(query): QueryParameters,
) -> ApiResult {
    let state = app.state();
    state.check_account(&app.config, "get", &waba_id)?;
    let fields = query.get("fields").map(String::as_str);
    let of_account = state.numbers.values().filter(|number| number.waba_id == waba_id);
    let data: Vec<_> =
        of_account.map(|number| select_fields(number_json(number), fields)).collect();
    Ok(Json(json!({ "data": data, "paging": { "cursors": { "before": "MA", "after": "MA" } } })))
}

/// The object with this id: a media file, a template, an account or a phone
/// number.
pub(super) async fn object(
    State(app): SharedApp,
    Path(id): Path<String>,
    Query(query): QueryParameters,
) -> ApiResult {
    if let Some(media) = media::info(&app, &id, query.get("phone_number_id")) {
        return media.map(Json);
    }
    let now = app.now();
    let mut state = app.state();
    let fields = query.get("fields").map(String::as_str);
    if let Some(template) = state.templates.iter().find(|template| template.id == id) {
        return Ok(Json(select_fields(template.to_json(now), fields)));
    }
    if let Some(account) = account_json(&app, state.numbers.values(), &id) {
        return Ok(Json(select_fields(account, fields)));
    }
    let (_, number) = state.number(&app.config, "get", &id)?;
    Ok(Json(select_fields(number_json(&number), fields)))
}

fn account_json<'a>(
    app: &App,
    mut numbers: impl Iterator<Item = &'a Number>,
    id: &str,
) -> Option<Value> {
    let number = numbers.find(|number| number.waba_id == id).cloned();
    let number = number.or_else(|| (id == app.config.waba_id).then(Number::default))?;
    Some(json!({
        "id": id,
        "name": number.verified_name,
        "timezone_id": "1",
        "message_template_namespace": "simulated",
        "whatsapp_business_manager_messaging_limit": number.messaging_limit,
    }))
}

/// A number in use with the WhatsApp Business app differs only in `is_on_biz_app`:
/// its throughput level stays `STANDARD`.
fn number_json(number: &Number) -> Value {
    let is_high = number.own_throughput().is_some_and(|rate| rate > 80);
    let level = if is_high { "HIGH" } else { "STANDARD" };
    json!({
        "id": number.id,
        "display_phone_number": number.display_phone_number,
        "verified_name": number.verified_name,
        "quality_rating": number.quality_rating,
        "code_verification_status": "VERIFIED",
        "name_status": "APPROVED",
        "status": number.status,
        "platform_type": "CLOUD_API",
        "is_on_biz_app": number.coexistence,
        "throughput": { "level": level },
        "whatsapp_business_manager_messaging_limit": number.messaging_limit,
        "messaging_limit_tier": number.messaging_limit,
        "health_status": {
            "can_send_message": number.can_send_message,
            "entities": [{
                "entity_type": "PHONE_NUMBER",
                "id": number.id,
                "can_send_message": number.can_send_message,
            }],
        },
    })
}

/// The requested fields (a comma-separated list) and the id.
fn select_fields(object: Value, fields: Option<&str>) -> Value {
    let (Value::Object(object), Some(fields)) = (&object, fields) else {
        return object;
    };
    let requested: Vec<&str> = fields.split(',').map(str::trim).collect();
    let selected =
        object.iter().filter(|(name, _)| *name == "id" || requested.contains(&name.as_str()));
    selected.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>().into()
}

/// Subscribes the app to webhooks. A callback URL in the request must pass the
/// verification request first.
pub(super) async fn subscribe(
    State(app): SharedApp,
    Path(waba_id): Path<String>,
    body: Bytes,
) -> ApiResult {
    app.state().check_account(&app.config, "post", &waba_id)?;
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    if let Some(url) = body["override_callback_uri"].as_str() {
        let verify_token = body["verify_token"].as_str().unwrap_or_default().to_owned();
        let target = WebhookTarget { url: url.to_owned(), verify_token };
        if !app.verify(&target).await {
            return Err(ApiError::new(2200));
        }
        app.state().webhook_target = Some(target);
    }
    Ok(Json(json!({ "success": true })))
}

pub(super) async fn subscriptions(State(app): SharedApp, Path(waba_id): Path<String>) -> ApiResult {
    app.state().check_account(&app.config, "get", &waba_id)?;
    let app = json!({ "id": app.config.app_id, "name": "Simulated app" });
    Ok(Json(json!({ "data": [{ "whatsapp_business_api_data": app }] })))
}

pub(super) async fn success() -> Json<Value> {
    Json(json!({ "success": true }))
}

pub(super) async fn debug_token(State(app): SharedApp, Query(query): QueryParameters) -> ApiResult {
    let token =
        query.get("input_token").ok_or_else(|| ApiError::missing_parameter("input_token"))?;
    let is_valid = is_valid_token(&app, token);
    let granular = |scope: &str| json!({ "scope": scope, "target_ids": [app.config.waba_id] });
    let mut data = json!({
        "app_id": app.config.app_id,
        "type": "SYSTEM_USER",
        "application": "Simulated app",
        "is_valid": is_valid,
        "expires_at": 0,
        "data_access_expires_at": 0,
        "scopes": SCOPES,
        "granular_scopes": SCOPES.map(granular),
    });
    if !is_valid {
        data["scopes"] = json!([]);
        data["granular_scopes"] = json!([]);
        data["error"] = json!({ "code": 190, "message": "Invalid OAuth access token." });
    }
    Ok(Json(json!({ "data": data })))
}
