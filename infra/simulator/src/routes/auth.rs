//! Access tokens.

use axum::extract::{Query, Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::extract::{QueryParameters, SharedApp};
use crate::app::App;
use crate::errors::ApiError;

/// Refuses requests without a valid access token.
pub(super) async fn require_token(
    State(app): SharedApp,
    headers: HeaderMap,
    Query(query): QueryParameters,
    request: Request,
    next: Next,
) -> Response {
    let header = headers.get("authorization").and_then(|value| value.to_str().ok());
    let bearer = header.and_then(|value| value.strip_prefix("Bearer "));
    let token = bearer.or(query.get("access_token").map(String::as_str)).unwrap_or_default().trim();
    if is_valid_token(&app, token) {
        return next.run(request).await;
    }
    ApiError::invalid_token().into_response()
}

/// Whether a token is configured, or is the app access token `id|secret`. Without
/// configured tokens, any non-empty token is valid.
pub(super) fn is_valid_token(app: &App, token: &str) -> bool {
    let tokens = &app.config.tokens;
    let is_app_token = || format!("{}|{}", app.config.app_id, app.config.app_secret) == token;
    let is_configured = tokens.is_empty() || tokens.iter().any(|each| each == token);
    !token.is_empty() && (is_configured || is_app_token())
}
