//! The account's templates.

use axum::Json;
use axum::extract::{Path, Query, State};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{Answer, Parameters, Shared};
use crate::errors::ApiError;
use crate::queue::Change;
use crate::templates::Template;
use crate::world::World;

const USUAL_LIMIT: usize = 25;

pub(super) async fn list(
    State(world): Shared,
    Path(waba_id): Path<String>,
    Query(query): Parameters,
) -> Answer {
    let state = world.state();
    state.account(&world.config, "get", &waba_id)?;
    let limit =
        query.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(USUAL_LIMIT).max(1);
    let after = query.get("after").map(|cursor| position(cursor)).transpose()?.unwrap_or(0);
    let matches = |template: &Value| {
        ["name", "status", "category", "language"].iter().all(|field| {
            let wanted = query.get(*field).map(String::as_str);
            wanted.is_none_or(|wanted| template[*field].as_str() == Some(wanted))
        })
    };
    let now = world.now();
    let all: Vec<Value> =
        state.templates.iter().map(|each| each.listed(now)).filter(matches).collect();
    Ok(Json(page(&world, &waba_id, &all, after, limit)))
}

fn page(world: &World, waba_id: &str, all: &[Value], after: usize, limit: usize) -> Value {
    let end = after.saturating_add(limit).min(all.len());
    let data = all.get(after..end).unwrap_or_default();
    if data.is_empty() {
        return json!({ "data": [] });
    }
    let mut paging = json!({ "cursors": { "before": cursor(after), "after": cursor(end) } });
    if end < all.len() {
        let next = cursor(end);
        paging["next"] =
            format!("{}/v26.0/{waba_id}/message_templates?limit={limit}&after={next}", world.url)
                .into();
    }
    json!({ "data": data, "paging": paging })
}

fn cursor(position: usize) -> String {
    URL_SAFE_NO_PAD.encode(format!("template {position}"))
}

fn position(cursor: &str) -> Result<usize, ApiError> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).unwrap_or_default();
    let text = String::from_utf8(bytes).unwrap_or_default();
    let position = text.strip_prefix("template ").and_then(|position| position.parse().ok());
    position.ok_or_else(|| ApiError::of(131_059))
}

/// Takes a template for review; it is approved after a while, which is told.
pub(super) async fn create(
    State(world): Shared,
    Path(waba_id): Path<String>,
    Json(template): Json<Value>,
) -> Answer {
    let approved_at = world.now() + world.config.template_review_ms;
    let mut state = world.state();
    state.account(&world.config, "post", &waba_id)?;
    let template =
        Template::read(template, state.seed).ok_or_else(|| ApiError::required("name"))?;
    let answer = json!({ "id": template.id, "status": "PENDING", "category": category(&template) });
    state.announce(approved_at, approval(waba_id, &template));
    state.templates.put(template.pending_until(approved_at));
    Ok(Json(answer))
}

fn category(template: &Template) -> String {
    template.category.word().to_ascii_uppercase()
}

fn approval(waba_id: String, template: &Template) -> Change {
    let value = json!({
        "event": "APPROVED",
        "message_template_id": template.id.parse::<u64>().unwrap_or_default(),
        "message_template_name": &*template.name,
        "message_template_language": template.language,
        "message_template_category": category(template),
        "reason": "NONE",
    });
    Change { waba_id, field: "message_template_status_update".into(), value }
}

pub(super) async fn remove(
    State(world): Shared,
    Path(waba_id): Path<String>,
    Query(query): Parameters,
) -> Answer {
    let name = query.get("name").ok_or_else(|| ApiError::required("name"))?;
    let id = query.get("hsm_id");
    let mut state = world.state();
    state.account(&world.config, "delete", &waba_id)?;
    let chosen =
        |template: &Template| *template.name == **name && id.is_none_or(|id| template.id == *id);
    if state.templates.remove(chosen) {
        return Ok(Json(json!({ "success": true })));
    }
    Err(ApiError::with(100, "Message Template Not Found"))
}
