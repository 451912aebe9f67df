//! The HTTP API: JSON in, JSON out, described by `GET /openapi.json`. Errors are
//! `application/problem+json`; every change needs a key with the right scope.

mod attempts;
mod auth;
mod body;
mod docs;
mod headers;
mod idempotent;
mod problem;
mod routes;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use carillon::channel::{Timeouts, http_client};
use carillon::config::Config;
use carillon::connection::Vault;
use carillon::delivery::{Channels, SendQueue};
use carillon::ids::IdSource;
use carillon::table::Table;
use carillon::time::Clock;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::OpenApi;

use crate::auth::Keys;
use crate::problem::{Kind, Problem};

/// How long the API waits for a provider: less than API Gateway waits for it.
const PROVIDER_TIMEOUTS: Timeouts =
    Timeouts { connect: Duration::from_secs(5), request: Duration::from_secs(15) };

/// What the handlers work with.
#[derive(Debug)]
pub struct Api {
    table: Table,
    vault: Arc<Vault>,
    channels: Channels,
    queue: SendQueue,
    keys: Keys,
    first_key: Option<auth::FirstKey>,
    attempts: attempts::Attempts,
    webhook_url: Option<String>,
    clock: Clock,
    ids: IdSource,
}

/// Why the API can't be set up.
pub type SetUpError = Box<dyn std::error::Error + Send + Sync>;

impl Api {
    /// The API as the environment describes it.
    pub fn new(
        config: &Config,
        aws: &carillon::AwsConfig,
        clock: Clock,
        ids: IdSource,
    ) -> Result<Self, SetUpError> {
        let table = Table::new(aws, &config.table()?);
        let vault = Arc::new(Vault::of(config, aws, &clock)?);
        let http = http_client(PROVIDER_TIMEOUTS)?;
        let channels = Channels::new(table.clone(), vault.clone(), http, &config.graph_url());
        let failures_url = config.sends_failures_url();
        let queue = SendQueue::new(aws, &config.sends_queue_url()?, failures_url.as_deref());
        let first_key = config.admin_key_hash().map(auth::FirstKey::new);
        let webhook_url = config.webhook_url();
        let (keys, attempts) = (Keys::default(), attempts::Attempts::default());
        Ok(Self {
            table,
            vault,
            channels,
            queue,
            keys,
            first_key,
            attempts,
            webhook_url,
            clock,
            ids,
        })
    }
}

/// All routes.
pub fn router(api: Arc<Api>) -> Router {
    let guarded = routes::guarded()
        .layer(DefaultBodyLimit::max(body::BODY_LIMIT))
        .route_layer(from_fn_with_state(api.clone(), idempotent::replay))
        .route_layer(from_fn_with_state(api.clone(), auth::check));
    let (router, _) = routes::open().merge(guarded).split_for_parts();
    router
        .fallback(|| async { unknown_route() })
        .method_not_allowed_fallback(|| async { wrong_method() })
        .layer(CatchPanicLayer::custom(panicked))
        .layer(map_response(headers::secure))
        .with_state(api)
}

/// The description of the API, made of the same routes.
pub fn openapi() -> OpenApi {
    docs::describe(routes::open().merge(routes::guarded()).into_openapi())
}

fn unknown_route() -> Problem {
    Problem::new(Kind::NotFound, "There is no such route; GET /openapi.json lists all of them.")
}

fn wrong_method() -> Problem {
    let detail = "This route knows other methods; GET /openapi.json lists all of them.";
    Problem::new(Kind::MethodNotAllowed, detail)
}

/// What went wrong is on the standard error already; here it would leak.
fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("a handler panicked");
    Problem::failed().into_response()
}
