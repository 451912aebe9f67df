//! Sending.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Json;
use axum::extract::{ConnectInfo, Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use tokio::time::sleep;

use super::Shared;
use crate::acceptance::Receipt;
use crate::dice::Dice;
use crate::listener::Fuse;
use crate::validate::Endpoint;
use crate::world::World;

pub(super) async fn send(
    State(world): Shared,
    Path(id): Path<String>,
    ConnectInfo(fuse): ConnectInfo<Fuse>,
    body: Bytes,
) -> Response {
    answer(&world, &id, Endpoint::Messages, &fuse, &body).await
}

pub(super) async fn send_marketing(
    State(world): Shared,
    Path(id): Path<String>,
    ConnectInfo(fuse): ConnectInfo<Fuse>,
    body: Bytes,
) -> Response {
    answer(&world, &id, Endpoint::MarketingMessages, &fuse, &body).await
}

async fn answer(
    world: &Arc<World>,
    id: &str,
    endpoint: Endpoint,
    fuse: &Fuse,
    body: &[u8],
) -> Response {
    let receipt = world.receive(id, endpoint, body);
    linger(world).await;
    match receipt {
        Ok(Receipt::Answer(value)) => Json(value).into_response(),
        Ok(Receipt::Lost) => {
            fuse.blow();
            ().into_response()
        }
        Err(error) => error.into_response(),
    }
}

/// Waits as long as an answer is to take.
async fn linger(world: &World) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let behaviour = Arc::clone(&world.state().behaviour);
    let faults = &behaviour.faults;
    let mut dice =
        Dice::new(world.config.seed, "latency", "", COUNT.fetch_add(1, Ordering::Relaxed));
    let jitter = dice.below(faults.latency_jitter_ms as usize + 1) as u64;
    let wait = Duration::from_millis(faults.latency_ms + jitter);
    if !wait.is_zero() {
        sleep(wait).await;
    }
}
