//! Media: up, down and away.

use axum::Json;
use axum::extract::{Multipart, Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::{Answer, Shared};
use crate::errors::ApiError;
use crate::media::Media;

pub(super) async fn upload(
    State(world): Shared,
    Path(number): Path<String>,
    form: Multipart,
) -> Answer {
    world.state().number(&world.config, "post", &number)?;
    let media = read(form).await?;
    let mut state = world.state();
    let id = state.fresh_id("media");
    state.media.insert(id.clone(), media);
    Ok(Json(json!({ "id": id })))
}

async fn read(mut form: Multipart) -> Result<Media, ApiError> {
    let (mut product, mut kind, mut file) = (None, None, None);
    while let Some(field) = form.next_field().await.map_err(|_| malformed())? {
        match field.name() {
            Some("messaging_product") => product = field.text().await.ok(),
            Some("type") => kind = field.text().await.ok(),
            Some("file") => {
                let mime_type = field.content_type().map(str::to_owned);
                file = Some((mime_type, field.bytes().await.map_err(|_| malformed())?));
            }
            _ => {}
        }
    }
    product
        .filter(|name| name == "whatsapp")
        .ok_or_else(|| ApiError::required("messaging_product"))?;
    let (declared, bytes) = file.ok_or_else(|| ApiError::required("file"))?;
    let mime_type = declared.or(kind).ok_or_else(|| ApiError::required("type"))?;
    Ok(Media { mime_type, bytes })
}

fn malformed() -> ApiError {
    ApiError::with(100, "The request body is not a valid multipart form")
}

pub(super) async fn download(State(world): Shared, Path(id): Path<String>) -> Response {
    match world.state().media.get(&id).cloned() {
        Some(media) => ([(CONTENT_TYPE, media.mime_type)], media.bytes).into_response(),
        None => ApiError::unknown_object("get", &id).into_response(),
    }
}

pub(super) async fn remove(State(world): Shared, Path(id): Path<String>) -> Answer {
    match world.state().media.remove(&id) {
        Some(_) => Ok(Json(json!({ "success": true }))),
        None => Err(ApiError::unknown_object("delete", &id)),
    }
}
