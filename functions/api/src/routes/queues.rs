use axum::Json;
use axum::extract::State;
use carillon::delivery::{QueueDepth, Redriven, redrive};
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
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
    depth: QueueDepth,
    /// The first messages of the dead-letter queue, at most 10.
    first_dead_letters: Vec<DeadLetterView>,
}

/// A message of the dead-letter queue.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeadLetterView {
    /// Its body.
    message: String,
    /// Why it could not be processed; absent where the function crashed or timed out.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// List the queues
///
/// Their depths and dead letters. Queues are only triggers: the scheduler finds in the table
/// what is missing from them, and enqueues it again.
#[utoipa::path(get, path = "/v1/queues", operation_id = "listQueues", tag = "Queues",
    responses((status = 200, description = "The queues.", body = Queues)))]
pub(crate) async fn list(State(api): App) -> Answer<Json<Queues>> {
    let depth = api.queue.depth().await.map_err(Problem::internal)?;
    let letters = match depth.dead_letters {
        0 => Vec::new(),
        _ => api.queue.dead_letters(0).await.map_err(Problem::internal)?,
    };
    let first = letters
        .into_iter()
        .map(|letter| DeadLetterView { message: letter.body, reason: letter.reason });
    let sends = QueueView { name: "sends", depth, first_dead_letters: first.collect() };
    Ok(Json(Queues { items: vec![sends] }))
}

/// Redrive the dead-letter queue
///
/// Enqueues the batches of all dead letters again. Idempotent: no recipient is sent to twice.
#[utoipa::path(post, path = "/v1/queues/sends/redrive", operation_id = "redriveSends", tag = "Queues",
    responses((status = 200, description = "What became of them.", body = Redriven)))]
pub(crate) async fn redrive_sends(State(api): App) -> Answer<Json<Redriven>> {
    let now = api.clock.now();
    let outcome = redrive(&api.table, &api.queue, now).await;
    outcome.map(Json).map_err(Problem::internal)
}
