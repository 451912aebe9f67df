use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use carillon::delivery::{Depth, Redriven, redrive};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Api;
use crate::problem::{Answer, Problem};

/// The queues.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Queues {
    /// All of them.
    items: Vec<QueueView>,
}

/// A queue.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueueView {
    /// What it is called.
    #[schema(example = "sends")]
    name: &'static str,
    #[serde(flatten)]
    depth: Depth,
    /// Why those of `failed` that come first could not be handled, at most 10.
    failures: Vec<FailureView>,
}

/// A message that could not be handled.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FailureView {
    /// The message.
    message: String,
    /// Why, where that was noted; otherwise the function that had it crashed or
    /// ran out of time.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// List the queues
///
/// How full they are, and what could not be handled. Queues are only triggers:
/// what is missing from them is found in the table and put back.
#[utoipa::path(get, path = "/v1/queues", operation_id = "listQueues", tag = "Queues",
    responses((status = 200, description = "The queues.", body = Queues)))]
pub(crate) async fn list(State(api): State<Arc<Api>>) -> Answer<Json<Queues>> {
    let unavailable = |error| Problem::internal(&error);
    let depth = api.queue.depth().await.map_err(unavailable)?;
    let failed = match depth.failed {
        0 => Vec::new(),
        _ => api.queue.failures(0).await.map_err(unavailable)?,
    };
    let failures = failed
        .into_iter()
        .map(|failed| FailureView { message: failed.body, reason: failed.reason });
    let sends = QueueView { name: "sends", depth, failures: failures.collect() };
    Ok(Json(Queues { items: vec![sends] }))
}

/// Bring back what could not be handled
///
/// Batches whose messages were laid aside are put on the queue again. Nobody is
/// sent to twice by that, however often it is done.
#[utoipa::path(post, path = "/v1/queues/sends/redrive", operation_id = "redriveSends", tag = "Queues",
    responses((status = 200, description = "What became of them.", body = Redriven)))]
pub(crate) async fn redrive_sends(State(api): State<Arc<Api>>) -> Answer<Json<Redriven>> {
    let now = api.clock.now();
    let outcome = redrive(&api.table, &api.queue, now).await;
    outcome.map(Json).map_err(|error| Problem::internal(&error))
}
