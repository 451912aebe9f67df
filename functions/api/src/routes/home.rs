use axum::Json;
use axum::extract::State;
use axum::response::{Html, IntoResponse};
use bytes::Bytes;
use http::header;
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use utoipa::openapi::OpenApi;

use crate::App;
use crate::body::Named;
use crate::problem::{self, Answer, Problem};

/// How the API is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok` when it answers at all.
    status: &'static str,
    /// The version that answers.
    version: &'static str,
}

/// Show whether the API answers
///
/// It reads nothing from the table.
#[utoipa::path(get, path = "/health", operation_id = "getHealth", tag = "About",
    responses((status = 200, description = "It does.", body = Health)))]
pub(crate) async fn health() -> Json<Health> {
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// The description as it is sent.
#[derive(Debug)]
pub(crate) struct Description {
    json: Bytes,
    etag: String,
}

impl Description {
    fn of(document: &OpenApi) -> Self {
        let json = serde_json::to_vec(document).unwrap_or_default();
        let etag = format!("\"{}\"", &hex::encode(Sha256::digest(&json))[..32]);
        Self { json: json.into(), etag }
    }
}

/// Show this description
///
/// As an OpenAPI 3.1 document.
#[utoipa::path(get, path = "/openapi.json", operation_id = "getDescription", tag = "About",
    responses((status = 200, description = "The API as an OpenAPI 3.1 document.", content_type = "application/json", body = Object)))]
pub(crate) async fn description(State(api): App) -> impl IntoResponse {
    let make = || Description::of(&crate::openapi(api.routes.providers()));
    let Description { json, etag } = api.description.get_or_init(make);
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::ETAG, etag.clone()),
        (header::CACHE_CONTROL, "public, max-age=300".to_owned()),
    ];
    (headers, json.clone())
}

/// Show a problem
///
/// What the code of a problem means and what to do about it, as a web page.
#[utoipa::path(get, path = "/problems/{code}", operation_id = "getProblem", tag = "About",
    params(("code" = String, Path, description = "The code of a problem.", example = "not_found")),
    responses((status = 200, description = "A web page.", content_type = "text/html", body = String)))]
pub(crate) async fn problem_page(Named(code): Named) -> Answer<Html<String>> {
    problem::page(&code).map(Html).ok_or_else(|| Problem::not_found("problem"))
}

/// List the problems
///
/// All codes of problems, as a web page.
#[utoipa::path(get, path = "/problems", operation_id = "listProblems", tag = "About",
    responses((status = 200, description = "A web page.", content_type = "text/html", body = String)))]
pub(crate) async fn problems() -> Html<String> {
    Html(problem::index())
}

/// A page for people
///
/// The place of the console.
#[utoipa::path(get, path = "/", operation_id = "getHome", tag = "About",
    responses((status = 200, description = "A web page.", content_type = "text/html", body = String)))]
pub(crate) async fn console() -> Html<&'static str> {
    Html(include_str!("home.html"))
}
