//! Accounts, numbers and tokens.

use axum::Json;
use axum::extract::{Path, Query, State};
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{Answer, Parameters, Shared, is_known};
use crate::config::Number;
use crate::errors::ApiError;
use crate::world::{Target, World};

const SCOPES: [&str; 2] = ["whatsapp_business_messaging", "whatsapp_business_management"];

pub(super) async fn phone_numbers(
    State(world): Shared,
    Path(waba_id): Path<String>,
    Query(query): Parameters,
) -> Answer {
    let state = world.state();
    state.account(&world.config, "get", &waba_id)?;
    let fields = query.get("fields").map(String::as_str);
    let of_account = state.numbers.values().filter(|number| number.waba_id == waba_id);
    let data: Vec<_> = of_account.map(|number| select(info(number), fields)).collect();
    Ok(Json(json!({ "data": data, "paging": { "cursors": { "before": "MA", "after": "MA" } } })))
}

/// Whatever has this id: media, a template, an account or a number.
pub(super) async fn object(
    State(world): Shared,
    Path(id): Path<String>,
    Query(query): Parameters,
) -> Answer {
    let now = world.now();
    let mut state = world.state();
    let fields = query.get("fields").map(String::as_str);
    if let Some(media) = state.media.get(&id) {
        return Ok(Json(media.info(&id, &world.url)));
    }
    if let Some(template) = state.templates.iter().find(|template| template.id == id) {
        return Ok(Json(select(template.listed(now), fields)));
    }
    if let Some(account) = account(&world, state.numbers.values(), &id) {
        return Ok(Json(select(account, fields)));
    }
    let (_, number) = state.number(&world.config, "get", &id)?;
    Ok(Json(select(info(&number), fields)))
}

fn account<'a>(
    world: &World,
    mut numbers: impl Iterator<Item = &'a Number>,
    id: &str,
) -> Option<Value> {
    let number = numbers.find(|number| number.waba_id == id).cloned();
    let number = number.or_else(|| (id == world.config.waba_id).then(Number::default))?;
    Some(json!({
        "id": id,
        "name": number.verified_name,
        "timezone_id": "1",
        "message_template_namespace": "simulated",
        "whatsapp_business_manager_messaging_limit": number.messaging_limit,
    }))
}

fn info(number: &Number) -> Value {
    let level = if number.throughput.is_some_and(|rate| rate > 80) { "HIGH" } else { "STANDARD" };
    json!({
        "id": number.id,
        "display_phone_number": number.display_phone_number,
        "verified_name": number.verified_name,
        "quality_rating": number.quality_rating,
        "code_verification_status": "VERIFIED",
        "name_status": "APPROVED",
        "status": number.status,
        "platform_type": "CLOUD_API",
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

/// Only the fields asked for, and always the id.
fn select(object: Value, fields: Option<&str>) -> Value {
    let (Value::Object(object), Some(fields)) = (&object, fields) else {
        return object;
    };
    let wanted: Vec<&str> = fields.split(',').map(str::trim).collect();
    let kept = object.iter().filter(|(name, _)| *name == "id" || wanted.contains(&name.as_str()));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>().into()
}

/// Subscribes the app. A callback of its own must prove itself first.
pub(super) async fn subscribe(
    State(world): Shared,
    Path(waba_id): Path<String>,
    body: Bytes,
) -> Answer {
    world.state().account(&world.config, "post", &waba_id)?;
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    if let Some(url) = body["override_callback_uri"].as_str() {
        let verify_token = body["verify_token"].as_str().unwrap_or_default().to_owned();
        let target = Target { url: url.to_owned(), verify_token };
        if !world.verify(&target).await {
            return Err(ApiError::of(2200));
        }
        world.state().target = Some(target);
    }
    Ok(Json(json!({ "success": true })))
}

pub(super) async fn subscriptions(State(world): Shared, Path(waba_id): Path<String>) -> Answer {
    world.state().account(&world.config, "get", &waba_id)?;
    let app = json!({ "id": world.config.app_id, "name": "Simulated app" });
    Ok(Json(json!({ "data": [{ "whatsapp_business_api_data": app }] })))
}

pub(super) async fn succeed() -> Json<Value> {
    Json(json!({ "success": true }))
}

pub(super) async fn debug_token(State(world): Shared, Query(query): Parameters) -> Answer {
    let token = query.get("input_token").ok_or_else(|| ApiError::required("input_token"))?;
    let granular = |scope: &str| json!({ "scope": scope, "target_ids": [world.config.waba_id] });
    let mut data = json!({
        "app_id": world.config.app_id,
        "type": "SYSTEM_USER",
        "application": "Simulated app",
        "is_valid": is_known(&world, token),
        "expires_at": 0,
        "data_access_expires_at": 0,
        "scopes": SCOPES,
        "granular_scopes": SCOPES.map(granular),
    });
    if !is_known(&world, token) {
        data["scopes"] = json!([]);
        data["granular_scopes"] = json!([]);
        data["error"] = json!({ "code": 190, "message": "Invalid OAuth access token." });
    }
    Ok(Json(json!({ "data": data })))
}
