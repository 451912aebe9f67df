use axum::Json;
use axum::extract::State;
use axum::response::Html;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::OpenApi;

use crate::App;

/// How the API is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok` when it answers at all.
    status: &'static str,
    /// The version that answers.
    version: &'static str,
}

/// Whether the API answers
#[utoipa::path(get, path = "/health", operation_id = "health", tag = "About",
    responses((status = 200, description = "It does.", body = Health)))]
pub(crate) async fn health() -> Json<Health> {
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// This description
#[utoipa::path(get, path = "/openapi.json", operation_id = "describe", tag = "About",
    responses((status = 200, description = "The API as an OpenAPI 3.1 document.", content_type = "application/json", body = Object)))]
pub(crate) async fn description(State(api): App) -> Json<OpenApi> {
    Json(crate::openapi(api.routes.providers()))
}

/// A page for people
///
/// The place of the console.
#[utoipa::path(get, path = "/", operation_id = "console", tag = "About",
    responses((status = 200, description = "A web page.", content_type = "text/html", body = String)))]
pub(crate) async fn console() -> Html<&'static str> {
    Html(include_str!("home.html"))
}
