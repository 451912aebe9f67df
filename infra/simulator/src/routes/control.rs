//! The simulator's control API. It needs no access token.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::{Stream, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::extract::SharedApp;
use crate::app::App;
use crate::behaviour::Behaviour;
use crate::config::{Limits, Number};
use crate::event_queue::Change;
use crate::inbound::{InboundMessage, MarketingPreference};
use crate::log::Summary;
use crate::state::WebhookTarget;

/// Log entries read under one lock.
const PAGE_SIZE: usize = 500;

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/_simulator/inbound", post(inbound))
        .route("/_simulator/preferences", post(preferences))
        .route("/_simulator/event", post(account_event))
        .route("/_simulator/templates", post(template))
        .route("/_simulator/numbers", post(number))
        .route("/_simulator/number_changes", post(number_change))
        .route("/_simulator/recycled_numbers", post(recycled_number))
        .route("/_simulator/hidden_phones", post(hidden_phone))
        .route("/_simulator/paused_templates", post(paused_template))
        .route("/_simulator/config", get(settings).post(configure))
        .route("/_simulator/log", get(log))
        .route("/_simulator/summary", get(summary))
}

async fn inbound(State(app): SharedApp, Json(message): Json<InboundMessage>) -> Json<Value> {
    let now = app.now();
    Json(json!({ "id": app.state().send_inbound(now, &message) }))
}

#[derive(Deserialize)]
struct Preference {
    phone: String,
    value: MarketingPreference,
}

async fn preferences(State(app): SharedApp, Json(preference): Json<Preference>) -> Json<Value> {
    let now = app.now();
    app.state().set_preference(now, &preference.phone, preference.value);
    success()
}

#[derive(Deserialize)]
struct AccountEvent {
    field: String,
    value: Value,
    waba_id: Option<String>,
}

async fn account_event(State(app): SharedApp, Json(event): Json<AccountEvent>) -> Json<Value> {
    let now = app.now();
    let waba_id = event.waba_id.unwrap_or_else(|| app.config.waba_id.clone());
    let change = Change { waba_id, field: event.field, value: event.value };
    app.state().queue_change(now, change);
    success()
}

async fn template(State(app): SharedApp, Json(template): Json<Value>) -> Response {
    match app.state().add_template(template) {
        Ok(()) => success().into_response(),
        Err(error) => bad_request(error),
    }
}

async fn number(State(app): SharedApp, Json(number): Json<Number>) -> Json<Value> {
    app.state().add_number(number);
    success()
}

#[derive(Deserialize)]
struct NumberChange {
    old: String,
    new: String,
}

async fn number_change(State(app): SharedApp, Json(change): Json<NumberChange>) -> Json<Value> {
    let now = app.now();
    let identity = app.state().change_number(now, &change.old, &change.new);
    Json(json!({ "user_id": identity.user_id }))
}

#[derive(Deserialize)]
struct Phone {
    phone: String,
}

async fn recycled_number(State(app): SharedApp, Json(Phone { phone }): Json<Phone>) -> Json<Value> {
    let identity = app.state().recycle_number(&phone);
    Json(json!({ "user_id": identity.user_id }))
}

async fn hidden_phone(State(app): SharedApp, Json(Phone { phone }): Json<Phone>) -> Json<Value> {
    app.state().set_phone_hidden(&phone, true);
    success()
}

#[derive(Deserialize)]
struct PausedTemplate {
    name: String,
    language: String,
}

async fn paused_template(
    State(app): SharedApp,
    Json(template): Json<PausedTemplate>,
) -> Json<Value> {
    let now = app.now();
    let PausedTemplate { name, language } = template;
    let found = app.state().pause_template(now, &app.config.waba_id, &name, &language);
    Json(json!({ "success": found }))
}

/// The settings that may change while the simulator runs.
#[derive(Deserialize, Serialize)]
struct Settings {
    behaviour: Behaviour,
    limits: Limits,
    webhook_url: Option<String>,
    verify_token: String,
}

impl Settings {
    fn of(app: &App) -> Self {
        let state = app.state();
        let target = state.webhook_target.clone();
        Self {
            behaviour: (*state.behaviour).clone(),
            limits: state.limits.clone(),
            webhook_url: target.as_ref().map(|target| target.url.clone()),
            verify_token: target
                .map_or_else(|| app.config.verify_token.clone(), |target| target.verify_token),
        }
    }

    fn apply(self, app: &App) {
        let verify_token = self.verify_token;
        let mut state = app.state();
        state.set_behaviour(self.behaviour);
        state.limits = self.limits;
        state.webhook_target = self.webhook_url.map(|url| WebhookTarget { url, verify_token });
    }
}

async fn settings(State(app): SharedApp) -> Json<Settings> {
    Json(Settings::of(&app))
}

/// Merges the request's JSON into the settings. Absent fields keep their values.
async fn configure(State(app): SharedApp, Json(changes): Json<Value>) -> Response {
    let mut settings = json!(Settings::of(&app));
    merge(&mut settings, changes);
    match serde_json::from_value::<Settings>(settings.clone()) {
        Ok(valid) => {
            valid.apply(&app);
            Json(settings).into_response()
        }
        Err(error) => bad_request(&error.to_string()),
    }
}

fn merge(into: &mut Value, changes: Value) {
    match (into, changes) {
        (Value::Object(into), Value::Object(changes)) => {
            for (name, change) in changes {
                merge(into.entry(name).or_insert(Value::Null), change);
            }
        }
        (into, changes) => *into = changes,
    }
}

async fn summary(State(app): SharedApp) -> Json<Summary> {
    Json(app.state().log.summary())
}

#[derive(Deserialize)]
struct LogQuery {
    #[serde(default)]
    from: usize,
}

/// Streams the log as JSON Lines, from the entry with index `from`.
async fn log(State(app): SharedApp, Query(LogQuery { from }): Query<LogQuery>) -> Response {
    let lines = Body::from_stream(pages(app, from));
    ([(CONTENT_TYPE, "application/x-ndjson")], lines).into_response()
}

fn pages(app: Arc<App>, from: usize) -> impl Stream<Item = Result<String, Infallible>> {
    stream::unfold(from, move |from| {
        let entries = app.state().log.page(from, PAGE_SIZE, app.config.seed);
        let lines: String = entries.iter().map(|entry| json!(entry).to_string() + "\n").collect();
        let next = (!entries.is_empty()).then_some((Ok(lines), from + entries.len()));
        async { next }
    })
}

fn success() -> Json<Value> {
    Json(json!({ "success": true }))
}

fn bad_request(error: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({ "problem": error }))).into_response()
}
