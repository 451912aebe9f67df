//! The HTTP surface: Meta's paths under any version, and the simulator's own.

mod account;
mod control;
mod media;
mod messages;
mod templates;

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Query, Request, State};
use axum::http::{HeaderMap, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::Value;

use crate::errors::ApiError;
use crate::world::World;

type Answer = Result<Json<Value>, ApiError>;
type Shared = State<Arc<World>>;
type Parameters = Query<HashMap<String, String>>;

const MEDIA_LIMIT: usize = 100 * 1024 * 1024;

pub(crate) fn router(world: Arc<World>) -> Router {
    graph(&world).merge(control::router()).with_state(world)
}

fn graph(world: &Arc<World>) -> Router<Arc<World>> {
    Router::new()
        .route("/{id}/messages", post(messages::send))
        .route("/{id}/marketing_messages", post(messages::send_marketing))
        .route("/{id}/media", post(media::upload).layer(DefaultBodyLimit::max(MEDIA_LIMIT)))
        .route("/_media/{id}", get(media::download))
        .route(
            "/{id}/message_templates",
            get(templates::list).post(templates::create).delete(templates::remove),
        )
        .route("/{id}/phone_numbers", get(account::phone_numbers))
        .route("/{id}/register", post(account::succeed))
        .route(
            "/{id}/subscribed_apps",
            get(account::subscriptions).post(account::subscribe).delete(account::succeed),
        )
        .route("/debug_token", get(account::debug_token))
        .route("/{id}", get(account::object).delete(media::remove))
        .fallback(nowhere)
        .layer(from_fn_with_state(Arc::clone(world), require_token))
}

async fn nowhere(uri: Uri) -> ApiError {
    ApiError::unknown_object("request", uri.path().trim_start_matches('/'))
}

/// Refuses requests to Meta's paths that have no token, or an unknown one.
async fn require_token(
    State(world): Shared,
    headers: HeaderMap,
    Query(query): Parameters,
    request: Request,
    next: Next,
) -> Response {
    let header = headers.get("authorization").and_then(|value| value.to_str().ok());
    let bearer = header.and_then(|value| value.strip_prefix("Bearer "));
    let token = bearer.or(query.get("access_token").map(String::as_str)).unwrap_or_default().trim();
    if is_known(&world, token) {
        return next.run(request).await;
    }
    ApiError::invalid_token().into_response()
}

/// An app's own `id|secret` is as good as a user's token.
fn is_known(world: &World, token: &str) -> bool {
    let known = &world.config.tokens;
    let of_app = || format!("{}|{}", world.config.app_id, world.config.app_secret) == token;
    !token.is_empty() && (known.is_empty() || known.iter().any(|each| each == token) || of_app())
}

/// Takes `/vNN.N` off a request's path.
pub(crate) fn without_version(mut request: Request) -> Request {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let unversioned = path.strip_prefix("/v").and_then(|rest| {
        let (version, rest) = rest.split_once('/')?;
        let is_version = |c: char| c.is_ascii_digit() || c == '.';
        (!version.is_empty() && version.chars().all(is_version)).then(|| format!("/{rest}"))
    });
    if let Some(uri) = unversioned.and_then(|path| path.parse().ok()) {
        *request.uri_mut() = uri;
    }
    request
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn any_version_or_none_will_do() {
        let path = |path: &str| {
            let request = Request::builder().uri(path).body(Body::empty()).unwrap();
            without_version(request).uri().to_string()
        };
        assert_eq!(path("/v26.0/12/messages?x=1"), "/12/messages?x=1");
        assert_eq!(path("/v9/12"), "/12");
        assert_eq!(path("/12/messages"), "/12/messages");
        assert_eq!(path("/values/12"), "/values/12");
    }
}
