//! The simulator's own paths, for tests and people. They need no token.

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

use super::Shared;
use crate::behaviour::Behaviour;
use crate::config::{Limits, Number};
use crate::inbound::InboundMessage;
use crate::log::Summary;
use crate::queue::Change;
use crate::world::{Target, World};

const PAGE: usize = 500;

pub(super) fn router() -> Router<Arc<World>> {
    Router::new()
        .route("/_simulator/inbound", post(inbound))
        .route("/_simulator/preferences", post(preferences))
        .route("/_simulator/event", post(event))
        .route("/_simulator/templates", post(template))
        .route("/_simulator/numbers", post(number))
        .route("/_simulator/config", get(settings).post(configure))
        .route("/_simulator/log", get(log))
        .route("/_simulator/summary", get(summary))
}

async fn inbound(State(world): Shared, Json(message): Json<InboundMessage>) -> Json<Value> {
    let now = world.now();
    Json(json!({ "id": world.state().send_inbound(now, &message) }))
}

#[derive(Deserialize)]
struct Preference {
    phone: String,
    /// `stop` or `resume`.
    value: Choice,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Choice {
    Stop,
    Resume,
}

async fn preferences(State(world): Shared, Json(preference): Json<Preference>) -> Json<Value> {
    let now = world.now();
    world.state().prefer(now, &preference.phone, preference.value == Choice::Stop);
    done()
}

#[derive(Deserialize)]
struct AccountEvent {
    field: String,
    value: Value,
    waba_id: Option<String>,
}

async fn event(State(world): Shared, Json(event): Json<AccountEvent>) -> Json<Value> {
    let now = world.now();
    let waba_id = event.waba_id.unwrap_or_else(|| world.config.waba_id.clone());
    let change = Change { waba_id, field: event.field, value: event.value };
    world.state().announce(now, change);
    done()
}

async fn template(State(world): Shared, Json(template): Json<Value>) -> Response {
    match world.state().add_template(template) {
        Ok(()) => done().into_response(),
        Err(problem) => refused(problem),
    }
}

async fn number(State(world): Shared, Json(number): Json<Number>) -> Json<Value> {
    world.state().add_number(number);
    done()
}

/// What can be changed while the simulator runs.
#[derive(Deserialize, Serialize)]
struct Settings {
    behaviour: Behaviour,
    limits: Limits,
    webhook_url: Option<String>,
    verify_token: String,
}

impl Settings {
    fn of(world: &World) -> Self {
        let state = world.state();
        let target = state.target.clone();
        Self {
            behaviour: (*state.behaviour).clone(),
            limits: state.limits.clone(),
            webhook_url: target.as_ref().map(|target| target.url.clone()),
            verify_token: target
                .map_or_else(|| world.config.verify_token.clone(), |target| target.verify_token),
        }
    }

    fn apply(self, world: &World) {
        let verify_token = self.verify_token;
        let mut state = world.state();
        state.set_behaviour(self.behaviour);
        state.limits = self.limits;
        state.target = self.webhook_url.map(|url| Target { url, verify_token });
    }
}

async fn settings(State(world): Shared) -> Json<Settings> {
    Json(Settings::of(&world))
}

/// Changes the settings that are named, however deep, and leaves the others.
async fn configure(State(world): Shared, Json(changes): Json<Value>) -> Response {
    let mut settings = json!(Settings::of(&world));
    merge(&mut settings, changes);
    match serde_json::from_value::<Settings>(settings.clone()) {
        Ok(valid) => {
            valid.apply(&world);
            Json(settings).into_response()
        }
        Err(problem) => refused(&problem.to_string()),
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

async fn summary(State(world): Shared) -> Json<Summary> {
    Json(world.state().log.summary())
}

#[derive(Deserialize)]
struct From {
    #[serde(default)]
    from: usize,
}

/// The log as JSON lines, from one entry on, read a page at a time.
async fn log(State(world): Shared, Query(From { from }): Query<From>) -> Response {
    let lines = Body::from_stream(pages(world, from));
    ([(CONTENT_TYPE, "application/x-ndjson")], lines).into_response()
}

fn pages(world: Arc<World>, from: usize) -> impl Stream<Item = Result<String, Infallible>> {
    stream::unfold(from, move |from| {
        let entries = world.state().log.page(from, PAGE, world.config.seed);
        let lines: String = entries.iter().map(|entry| json!(entry).to_string() + "\n").collect();
        let next = (!entries.is_empty()).then_some((Ok(lines), from + entries.len()));
        async { next }
    })
}

fn done() -> Json<Value> {
    Json(json!({ "success": true }))
}

fn refused(problem: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({ "problem": problem }))).into_response()
}
