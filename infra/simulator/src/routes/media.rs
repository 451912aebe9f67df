//! Media upload, download and deletion.

use axum::Json;
use axum::extract::{Multipart, Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::extract::{ApiResult, SharedApp};
use crate::errors::ApiError;
use crate::media::Media;

pub(super) async fn upload(
    State(app): SharedApp,
    Path(number): Path<String>,
    form: Multipart,
) -> ApiResult {
    app.state().number(&app.config, "post", &number)?;
    let media = read_form(form).await?;
    let mut state = app.state();
    let id = state.next_id("media");
    state.media.insert(id.clone(), media);
    Ok(Json(json!({ "id": id })))
}

async fn read_form(mut form: Multipart) -> Result<Media, ApiError> {
    let (mut product, mut kind, mut file) = (None, None, None);
    while let Some(field) = form.next_field().await.map_err(|_| invalid_form())? {
        match field.name() {
            Some("messaging_product") => product = field.text().await.ok(),
            Some("type") => kind = field.text().await.ok(),
            Some("file") => {
                let mime_type = field.content_type().map(str::to_owned);
                file = Some((mime_type, field.bytes().await.map_err(|_| invalid_form())?));
            }
            _ => {}
        }
    }
    product
        .filter(|name| name == "whatsapp")
        .ok_or_else(|| ApiError::missing_parameter("messaging_product"))?;
    let (declared, bytes) = file.ok_or_else(|| ApiError::missing_parameter("file"))?;
    let mime_type = declared.or(kind).ok_or_else(|| ApiError::missing_parameter("type"))?;
    Ok(Media { mime_type, bytes })
}

fn invalid_form() -> ApiError {
    ApiError::with_details(100, "The request body is not a valid multipart form")
}

pub(super) async fn download(State(app): SharedApp, Path(id): Path<String>) -> Response {
    match app.state().media.get(&id).cloned() {
        Some(media) => ([(CONTENT_TYPE, media.mime_type)], media.bytes).into_response(),
        None => ApiError::unknown_object("get", &id).into_response(),
    }
}

pub(super) async fn delete(State(app): SharedApp, Path(id): Path<String>) -> ApiResult {
    match app.state().media.remove(&id) {
        Some(_) => Ok(Json(json!({ "success": true }))),
        None => Err(ApiError::unknown_object("delete", &id)),
    }
}
