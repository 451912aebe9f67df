//! The HTTP API: JSON in, JSON out, described by `GET /openapi.json`. Errors are
//! `application/problem+json`; every change needs a key with the right scope.

mod answer;
mod audit;
mod auth;
mod auth_throttle;
mod body;
mod cursor;
mod docs;
mod enumerations;
mod etag;
mod headers;
mod idempotent;
mod links;
mod merge_patch;
mod operations;
mod problem;
mod request_id;
mod routes;
mod storable;
mod values;
mod variants;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use carillon::AwsConfig;
use carillon::address_key::{AddressKeyError, AddressKeys};
use carillon::channel::Providers;
use carillon::config::Config;
use carillon::connection::Vault;
use carillon::delivery::{Routes, SendQueue};
use carillon::http_client::Timeouts;
use carillon::ids::IdSource;
use carillon::jobs::Launcher;
use carillon::parameter::ParameterError;
use carillon::table::{StoreError, Table};
use carillon::time::Clock;
use tokio::sync::OnceCell;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use utoipa::openapi::OpenApi;

pub use crate::cursor::Cursors;
use crate::operations::Operations;
use crate::problem::{Code, Problem};

/// The timeouts for requests to providers: shorter than API Gateway's own.
pub const PROVIDER_TIMEOUTS: Timeouts =
    Timeouts { connect: Duration::from_secs(5), request: Duration::from_secs(15) };

/// What the handlers work with.
#[derive(Debug)]
pub struct Api {
    table: Table,
    vault: Arc<Vault>,
    routes: Routes,
    queue: SendQueue,
    launcher: Launcher,
    keys: auth::Keys,
    admin_key: Option<auth::AdminKey>,
    auth_throttle: auth_throttle::AuthThrottle,
    audited: audit::Remembered,
    webhooks_url: Option<String>,
    description: OnceLock<routes::Description>,
    clock: Clock,
    ids: IdSource,
    addresses: AddressKeys,
    cursors: OnceCell<Arc<Cursors>>,
}

/// How a handler takes the API.
pub(crate) type App = State<Arc<Api>>;

/// Why the API can't be set up.
pub type SetUpError = Box<dyn std::error::Error + Send + Sync>;

impl Api {
    /// The API as the environment describes it.
    pub fn new(
        config: &Config,
        aws: &AwsConfig,
        clock: Clock,
        ids: IdSource,
        providers: Providers,
        launcher: Launcher,
    ) -> Result<Self, SetUpError> {
        let addresses = AddressKeys::of(config, aws, &clock, &ids)?;
        let table = Table::new(aws, &config.table()?).with_addresses(addresses.clone());
        let vault = Arc::new(Vault::of(config, aws, &clock)?);
        Ok(Self {
            routes: Routes::new(table.clone(), vault.clone(), providers),
            queue: SendQueue::of(config, aws)?,
            launcher,
            table,
            vault,
            keys: auth::Keys::default(),
            admin_key: auth::AdminKey::of(config),
            auth_throttle: auth_throttle::AuthThrottle::default(),
            audited: audit::Remembered::default(),
            webhooks_url: config.webhooks_url(),
            description: OnceLock::new(),
            clock,
            ids,
            addresses,
            cursors: OnceCell::new(),
        })
    }

    /// The cursors of this deployment.
    async fn cursors(&self) -> Result<Arc<Cursors>, StoreError> {
        let make = async || Cursors::of(&self.addresses, &self.ids).await.map(Arc::new);
        match self.cursors.get_or_try_init(make).await {
            Ok(cursors) => Ok(cursors.clone()),
            // Not kept: the key may be made at any moment.
            Err(AddressKeyError::Parameter(ParameterError::Missing(_))) => {
                Ok(Arc::new(Cursors::before_the_key(&self.ids)))
            }
            Err(error) => Err(StoreError::AddressKey(error)),
        }
    }
}

/// All routes.
pub fn router(api: Arc<Api>) -> Router {
    let operations = Operations::of(&described());
    let shared = Arc::new(operations.clone());
    let guarded = routes::guarded()
        .layer(DefaultBodyLimit::max(body::BODY_LIMIT))
        .route_layer(from_fn_with_state(api.clone(), idempotent::replay))
        .route_layer(from_fn_with_state((api.clone(), shared.clone()), audit::record))
        .route_layer(from_fn_with_state((api.clone(), shared), auth::check));
    let (router, _) = routes::open().merge(guarded).split_for_parts();
    router
        .fallback(|| async { unknown_route() })
        .method_not_allowed_fallback(|| async { wrong_method() })
        .layer(from_fn(move |request, next| {
            operations::check_query(operations.clone(), request, next)
        }))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(etag::not_modified))
        .layer(CompressionLayer::new().gzip(true))
        .layer(map_response(headers::secure))
        .layer(from_fn_with_state(api.clone(), request_id::assign))
        .with_state(api)
}

/// The operations as the routes describe them.
fn described() -> OpenApi {
    routes::open().merge(routes::guarded()).into_openapi()
}

/// The OpenAPI document: the routes, and the schemas of the providers.
pub fn openapi(providers: &Providers) -> OpenApi {
    docs::describe(described(), providers)
}

fn unknown_route() -> Problem {
    Problem::new(Code::NotFound, "There is no such route; GET /openapi.json lists all of them.")
}

fn wrong_method() -> Problem {
    let detail = "This route knows other methods; GET /openapi.json lists all of them.";
    Problem::new(Code::MethodNotAllowed, detail)
}

/// What went wrong is on the standard error already; here it would leak.
fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("a handler panicked");
    Problem::failed().into_response()
}
