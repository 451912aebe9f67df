//! The message endpoints.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Json;
use axum::extract::{ConnectInfo, Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use tokio::time::sleep;

use super::extract::SharedApp;
use crate::app::App;
use crate::listener::AbortHandle;
use crate::rng::Rng;
use crate::send::{SendRequest, SendResponse};
use crate::validate::Endpoint;

pub(super) async fn send(
    State(app): SharedApp,
    Path(id): Path<String>,
    ConnectInfo(connection): ConnectInfo<AbortHandle>,
    body: Bytes,
) -> Response {
    let endpoint = Endpoint::Messages;
    let request = SendRequest { phone_number_id: &id, endpoint, body: &body };
    respond(&app, &request, &connection).await
}

pub(super) async fn send_marketing(
    State(app): SharedApp,
    Path(id): Path<String>,
    ConnectInfo(connection): ConnectInfo<AbortHandle>,
    body: Bytes,
) -> Response {
    let endpoint = Endpoint::MarketingMessages;
    let request = SendRequest { phone_number_id: &id, endpoint, body: &body };
    respond(&app, &request, &connection).await
}

async fn respond(app: &App, request: &SendRequest<'_>, connection: &AbortHandle) -> Response {
    let response = app.send(request);
    wait_for_latency(app).await;
    match response {
        Ok(SendResponse::Body(body)) => Json(body).into_response(),
        Ok(SendResponse::Lost) => {
            connection.abort();
            ().into_response()
        }
        Err(error) => error.into_response(),
    }
}

async fn wait_for_latency(app: &App) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let (latency_ms, jitter_ms) = {
        let faults = &app.state().behaviour.faults;
        (faults.latency_ms, faults.latency_jitter_ms)
    };
    let ordinal = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut rng = Rng::new(app.config.seed, "latency", "", ordinal);
    let jitter_ms = rng.below(jitter_ms as usize + 1) as u64;
    let latency = Duration::from_millis(latency_ms + jitter_ms);
    if !latency.is_zero() {
        sleep(latency).await;
    }
}
