//! Media upload, download and deletion.

use axum::Json;
use axum::extract::{Multipart, Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::extract::{ApiResult, QueryParameters, SharedApp};
use crate::app::App;
use crate::errors::ApiError;
use crate::media::{Media, MediaOrigin};

pub(super) async fn upload(
    State(app): SharedApp,
    Path(number): Path<String>,
    form: Multipart,
) -> ApiResult {
    app.state().number(&app.config, "post", &number)?;
    let (mime_type, bytes) = read_form(form).await?;
    let expires_at = app.now() + app.config.media_ttl_ms;
    let origin = MediaOrigin::Uploaded { phone_number_id: number };
    let mut state = app.state();
    let id = state.next_id("media");
    state.media.insert(id.clone(), Media { mime_type, bytes, origin, expires_at });
    Ok(Json(json!({ "id": id })))
}

/// The MIME type and the bytes of the file.
async fn read_form(mut form: Multipart) -> Result<(String, Bytes), ApiError> {
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
    Ok((mime_type, bytes))
}

fn invalid_form() -> ApiError {
    ApiError::with_details(100, "The request body is not a valid multipart form")
}

/// The media file with this id. `None`: unknown or expired.
pub(super) fn info(
    app: &App,
    id: &str,
    phone_number_id: Option<&String>,
) -> Option<Result<Value, ApiError>> {
    let now = app.now();
    let state = app.state();
    let media = state.media.get(id, now)?;
    Some(check_owner(media, phone_number_id).map(|()| media.info(id, &app.url, now)))
}

/// A `phone_number_id` in the query must be the number that uploaded the media. For
/// media from users, developers report that every number is refused.
fn check_owner(media: &Media, phone_number_id: Option<&String>) -> Result<(), ApiError> {
    match phone_number_id {
        Some(id) if !media.is_uploaded_for(id) => {
            Err(ApiError::invalid_id("phone_number_id", "whatsapp business phone number id ID"))
        }
        _ => Ok(()),
    }
}

#[derive(Deserialize)]
pub(super) struct DownloadQuery {
    expires: u64,
}

pub(super) async fn download(
    State(app): SharedApp,
    Path(id): Path<String>,
    Query(DownloadQuery { expires }): Query<DownloadQuery>,
) -> Response {
    let now = app.now();
    let media = app.state().media.get(&id, now).filter(|_| now < expires).cloned();
    match media {
        Some(media) => ([(CONTENT_TYPE, media.mime_type)], media.bytes).into_response(),
        None => ApiError::unknown_object("get", &id).into_response(),
    }
}

pub(super) async fn delete(
    State(app): SharedApp,
    Path(id): Path<String>,
    Query(query): QueryParameters,
) -> ApiResult {
    let now = app.now();
    let mut state = app.state();
    let unknown = || ApiError::unknown_object("delete", &id);
    let media = state.media.get(&id, now).ok_or_else(unknown)?;
    check_owner(media, query.get("phone_number_id"))?;
    state.media.remove(&id);
    Ok(Json(json!({ "success": true })))
}
