//! Template management.

use axum::Json;
use axum::extract::{Path, Query, State};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::extract::{ApiResult, QueryParameters, SharedApp};
use crate::app::App;
use crate::errors::ApiError;
use crate::templates::Template;

const DEFAULT_LIMIT: usize = 25;

pub(super) async fn list(
    State(app): SharedApp,
    Path(waba_id): Path<String>,
    Query(query): QueryParameters,
) -> ApiResult {
    let state = app.state();
    state.check_account(&app.config, "get", &waba_id)?;
    let limit =
        query.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(DEFAULT_LIMIT).max(1);
    let after = query.get("after").map(|cursor| position(cursor)).transpose()?.unwrap_or(0);
    let matches = |template: &Value| {
        ["name", "status", "category", "language"].iter().all(|field| {
            let requested = query.get(*field).map(String::as_str);
            requested.is_none_or(|value| template[*field].as_str() == Some(value))
        })
    };
    let now = app.now();
    let all: Vec<Value> =
        state.templates.iter().map(|template| template.to_json(now)).filter(matches).collect();
    Ok(Json(page(&app, &waba_id, &all, after, limit)))
}

fn page(app: &App, waba_id: &str, all: &[Value], after: usize, limit: usize) -> Value {
    let end = after.saturating_add(limit).min(all.len());
    let data = all.get(after..end).unwrap_or_default();
    if data.is_empty() {
        return json!({ "data": [] });
    }
    let mut paging = json!({ "cursors": { "before": cursor(after), "after": cursor(end) } });
    if end < all.len() {
        let next = cursor(end);
        paging["next"] =
            format!("{}/v26.0/{waba_id}/message_templates?limit={limit}&after={next}", app.url)
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
    position.ok_or_else(|| ApiError::new(131_059))
}

/// Creates a `PENDING` template. It is approved after
/// [`crate::config::Config::template_review_ms`], and a webhook reports the approval.
pub(super) async fn create(
    State(app): SharedApp,
    Path(waba_id): Path<String>,
    Json(template): Json<Value>,
) -> ApiResult {
    let approved_at = app.now() + app.config.template_review_ms;
    let mut state = app.state();
    state.check_account(&app.config, "post", &waba_id)?;
    let template =
        Template::parse(template, state.seed).ok_or_else(|| ApiError::missing_parameter("name"))?;
    let response =
        json!({ "id": template.id, "status": "PENDING", "category": category(&template) });
    state.queue_change(approved_at, template.status_change(waba_id, "APPROVED"));
    state.templates.insert(template.pending_until(approved_at));
    Ok(Json(response))
}

fn category(template: &Template) -> String {
    template.category.as_str().to_ascii_uppercase()
}

pub(super) async fn delete(
    State(app): SharedApp,
    Path(waba_id): Path<String>,
    Query(query): QueryParameters,
) -> ApiResult {
    let name = query.get("name").ok_or_else(|| ApiError::missing_parameter("name"))?;
    let id = query.get("hsm_id");
    let mut state = app.state();
    state.check_account(&app.config, "delete", &waba_id)?;
    let is_match = |template: &Template| {
        *template.name.name == **name && id.is_none_or(|id| template.id == *id)
    };
    if state.templates.remove(is_match) {
        return Ok(Json(json!({ "success": true })));
    }
    Err(ApiError::with_details(100, "Message Template Not Found"))
}
