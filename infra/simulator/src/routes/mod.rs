//! The HTTP routes: Meta's Graph API in any version, and the simulator's control
//! API.

mod account;
mod auth;
mod control;
mod extract;
mod media;
mod messages;
mod templates;
mod version;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::Uri;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

pub(crate) use version::strip_version;

use crate::app::App;
use crate::errors::ApiError;

/// The maximum size of an uploaded media file, in bytes.
const MEDIA_LIMIT: usize = 100 * 1024 * 1024;

pub(crate) fn router(app: Arc<App>) -> Router {
    graph_api(&app).merge(control::router()).with_state(app)
}

fn graph_api(app: &Arc<App>) -> Router<Arc<App>> {
    Router::new()
        .route("/{id}/messages", post(messages::send))
        .route("/{id}/marketing_messages", post(messages::send_marketing))
        .route("/{id}/media", post(media::upload).layer(DefaultBodyLimit::max(MEDIA_LIMIT)))
        .route("/_media/{id}", get(media::download))
        .route(
            "/{id}/message_templates",
            get(templates::list).post(templates::create).delete(templates::delete),
        )
        .route("/{id}/phone_numbers", get(account::phone_numbers))
        .route("/{id}/register", post(account::success))
        .route(
            "/{id}/subscribed_apps",
            get(account::subscriptions).post(account::subscribe).delete(account::success),
        )
        .route("/debug_token", get(account::debug_token))
        .route("/{id}", get(account::object).delete(media::delete))
        .fallback(unknown_path)
        .layer(from_fn_with_state(Arc::clone(app), auth::require_token))
}

async fn unknown_path(uri: Uri) -> ApiError {
    ApiError::unknown_object("request", uri.path().trim_start_matches('/'))
}
