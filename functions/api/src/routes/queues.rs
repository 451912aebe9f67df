use axum::Json;
use axum::extract::State;
use carillon::delivery::{QueueDepth, Redriven, redrive};
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::body::{Named, NoMembers, OptionalBody};
use crate::problem::{Answer, Problem};

/// The queue of batches of fast campaigns.
const SENDS: &str = "sends";
/// The queue of batches of normal and slow campaigns.
const PACED: &str = "paced";

/// The queues.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Queues {
    /// All of them.
    items: Vec<QueueView>,
    /// Always null: all queues are on one page.
    next_cursor: Option<String>,
}

/// A queue.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueueView {
    /// What it is called.
    #[schema(example = "sends")]
    name: &'static str,
    #[serde(flatten)]
    depth: QueueDepth,
    /// The first messages of the dead-letter queue, at most 10; those of all queues are shown
    /// with `sends`.
    first_dead_letters: Vec<DeadLetterView>,
}

/// A message of the dead-letter queue.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeadLetterView {
    /// Its body.
    message: String,
    /// Why it could not be processed; null where the function crashed or timed out.
    reason: Option<String>,
}

/// List the queues
///
/// Their depths and dead letters: `sends` has the batches of fast campaigns, `paced` those of normal
/// and slow ones, and both have the same dead-letter queue, which is shown with `sends`. Queues are
/// only triggers: the scheduler finds in the table what is missing from them, and enqueues it again.
#[utoipa::path(get, path = "/v1/queues", operation_id = "listQueues", tag = "Queues",
    security(("api_key" = ["read"])),
    responses((status = 200, description = "The queues.", body = Queues)))]
pub(crate) async fn list(State(api): App) -> Answer<Json<Queues>> {
    let depths = api.queue.depths().await?;
    let letters = match depths.sends.dead_letters {
        0 => Vec::new(),
        _ => api.queue.dead_letters(0).await?,
    };
    let first = letters
        .into_iter()
        .map(|letter| DeadLetterView { message: letter.body, reason: letter.reason });
    let first_dead_letters = first.collect();
    let sends = QueueView { name: SENDS, depth: depths.sends, first_dead_letters };
    let paced = QueueView { name: PACED, depth: depths.paced, first_dead_letters: Vec::new() };
    Ok(Json(Queues { items: vec![sends, paced], next_cursor: None }))
}

/// Redrive the dead-letter queue
///
/// Enqueues the batches of all dead letters again, those of all queues. Idempotent: no recipient is
/// sent to twice.
#[utoipa::path(post, path = "/v1/queues/{name}/redrive", operation_id = "redriveQueue", tag = "Queues",
    security(("api_key" = ["settings"])),
    params(("name" = String, Path, description = "The queue's name.", example = "sends")), request_body = NoMembers,
    responses((status = 200, description = "What became of them.", body = Redriven)))]
pub(crate) async fn redrive_queue(
    State(api): App,
    Named(name): Named,
    OptionalBody(NoMembers {}): OptionalBody<NoMembers>,
) -> Answer<Json<Redriven>> {
    if ![SENDS, PACED].contains(&name.as_str()) {
        return Err(Problem::not_found("queue"));
    }
    let now = api.clock.now();
    Ok(Json(redrive(&api.table, &api.queue, now).await?))
}
