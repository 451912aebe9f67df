use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::body::{Body as Content, HttpBody as _};
use axum::extract::State;
use carillon::campaign::{self, Settings, Status};
use carillon::channel::{FieldCode, MediaError, MediaFile};
use carillon::delivery::{Route, upload_media};
use carillon::ids::{ConnectionId, MediaId};
use carillon::media::{self, Media, MediaUpload};
use carillon::time::Timestamp;
use futures::{StreamExt, TryStreamExt};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::{IntoParams, ToSchema};

use crate::answer::Created;
use crate::body::{Asked, Id, PageAsked, media_type, page_size};
use crate::etag::{IfMatch, Resource, Tagged};
use crate::problem::{Answer, Code, Problem};
use crate::request_id;
use crate::values::Time;
use crate::{Api, App};

/// The maximum length of a file's name, in characters: the provider's own for a document.
const MAX_FILENAME: usize = 240;

/// How many bytes of a refused file are read: more than a large photo has.
const MAX_DRAINED: usize = 64 * 1024 * 1024;

/// Where a file goes.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct UploadAsked {
    /// The connection that uploads it. Campaigns of other connections of the provider can
    /// send it too.
    #[param(value_type = String)]
    connection_id: ConnectionId,
    /// What the file is called, at most 240 characters.
    filename: Option<String>,
    /// The id of an uploaded file of the same type, which this one replaces: messages that name
    /// it send this one from then on.
    #[param(value_type = Option<String>)]
    replaces: Option<MediaId>,
}

/// A page of uploaded files.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MediaPage {
    /// The files, oldest first.
    items: Vec<MediaView>,
    /// Where the next page begins; null at the end.
    next_cursor: Option<String>,
}

/// An uploaded file. A message sends it by its id, where it names a file: `media.id`, or the
/// `id` of an `image`, `video` or `document` in a template.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UploadedMedia)]
pub(crate) struct MediaView {
    /// Its id.
    #[schema(value_type = String, example = "med_01890a5d-ac96-774b-bcce-b302099a8057")]
    id: MediaId,
    /// The provider that keeps it.
    provider: String,
    /// What it is called.
    filename: Option<String>,
    /// Its type.
    #[schema(example = "image/png")]
    mime_type: String,
    /// Its size in bytes.
    bytes: u64,
    /// The SHA-256 of its content, in hex.
    sha256: String,
    /// Whether the provider has it. It has not where no renewal succeeded for weeks.
    available: bool,
    /// When its uploads are renewed next.
    renews_at: Option<Time>,
    /// When it was uploaded.
    created_at: Time,
}

impl MediaView {
    fn of(media: Media, now: Timestamp) -> Self {
        Self {
            available: media.uploads.values().any(|upload| upload.is_kept(now)),
            id: media.id,
            provider: media.provider,
            filename: media.filename,
            mime_type: media.mime_type,
            bytes: media.bytes,
            sha256: media.sha256,
            renews_at: media.renew_at.map(Time),
            created_at: Time(media.created_at),
        }
    }
}

impl Resource for MediaView {
    fn tagged(&self) -> impl Serialize {
        (&self.id, &self.sha256, &self.filename)
    }
}

/// Upload a file
///
/// The body is the file, its `Content-Type` the file's type, and its `Content-Length` is
/// needed. The provider keeps it; its id there is renewed before it ends, and for each
/// connection that sends it. On AWS a file may have 4 MB.
#[utoipa::path(post, path = "/v1/media", operation_id = "uploadMedia", tag = "Media",
    security(("api_key" = ["send"])), params(UploadAsked),
    request_body(content = String, content_type = "*/*"),
    responses((status = 201, description = "The file.", body = MediaView)))]
pub(crate) async fn upload(
    State(api): App,
    Asked(asked): Asked<UploadAsked>,
    headers: HeaderMap,
    body: Content,
) -> Answer<Created<MediaView>> {
    let now = api.clock.now();
    let route = api.routes.route(asked.connection_id, now).await?;
    if asked.filename.as_ref().is_some_and(|name| name.chars().count() > MAX_FILENAME) {
        let reason = "must have at most 240 characters";
        return Err(Problem::parameter("filename", FieldCode::WrongLength, reason));
    }
    let checked = match asked.replaces {
        Some(id) => fits(&known(&api, id).await?, &route, &headers),
        None => Ok(()),
    };
    let (mime_type, bytes) = match checked.and_then(|()| checked_file(&route, &headers, &body)) {
        Ok(checked) => checked,
        Err(problem) => {
            drain(body).await;
            return Err(problem);
        }
    };
    let digest = Arc::new(Mutex::new(Sha256::new()));
    let content = hashed(body, &digest);
    let file = MediaFile { mime_type: mime_type.clone(), bytes, content };
    // A task of its own, so that the file is noted even when the client goes away.
    let work = request_id::spawn(async move {
        let upload = upload_media(&route, file, now).await.map_err(|error| refused(&error))?;
        let sha256 = lock(&digest).clone().finalize();
        let id = asked.replaces.unwrap_or_else(|| MediaId::from_uuid(api.ids.uuid(now)));
        let media = Media {
            id,
            provider: route.provider.name().to_owned(),
            filename: asked.filename,
            mime_type,
            bytes,
            sha256: hex::encode(sha256),
            created_at: now,
            uploads: [(route.connection.id, upload)].into(),
            renew_at: None,
            version: 0,
        };
        let media = store(&api, media, asked.replaces.is_some(), now).await?;
        tracing::info!(media = %media.id, bytes, "file uploaded");
        Ok(Created(format!("/v1/media/{}", media.id), MediaView::of(media, now)))
    });
    work.await.map_err(Problem::internal)?
}

/// Stores a new file, or replaces the one with its id.
async fn store(api: &Api, media: Media, replaces: bool, now: Timestamp) -> Answer<Media> {
    if !replaces {
        let media = media.changed(now);
        media::store::create(&api.table, &media).await?;
        return Ok(media);
    }
    loop {
        let known = known(api, media.id).await?;
        let seen = known.version;
        let media = Media { created_at: known.created_at, version: seen, ..media.clone() };
        let media = media.changed(now);
        if media::store::replace(&api.table, &media, seen).await? {
            return Ok(media);
        }
    }
}

/// Whether a file may replace another one.
fn fits(known: &Media, route: &Route, headers: &HeaderMap) -> Answer<()> {
    let is_same = media_type(headers).as_deref() == Some(&known.mime_type)
        && route.provider.name() == known.provider;
    let detail = "is a file of another type or provider";
    if is_same { Ok(()) } else { Err(Problem::parameter("replaces", FieldCode::Invalid, detail)) }
}

async fn known(api: &Api, id: MediaId) -> Answer<Media> {
    let found = media::store::get(&api.table, id).await?;
    found.ok_or_else(|| Problem::not_found("uploaded file"))
}

/// The type and the size of a file that the provider takes.
fn checked_file(route: &Route, headers: &HeaderMap, body: &Content) -> Answer<(String, u64)> {
    let Some(files) = route.provider.media_files() else {
        let reason = "is of a provider that keeps no files";
        return Err(Problem::parameter("connection_id", FieldCode::Invalid, reason));
    };
    let mime_type = media_type(headers).unwrap_or_default();
    let Some(bytes) = body.size_hint().exact() else {
        let reason = "is missing: it is the file's size in bytes";
        return Err(Problem::parameter("Content-Length", FieldCode::Required, reason));
    };
    match files.check(&mime_type, bytes) {
        Ok(()) => Ok((mime_type, bytes)),
        Err(reason) => Err(Problem::new(Code::FileRefused, format!("The file {reason}."))),
    }
}

/// Reads a file that is refused: an answer before its end would be lost with the connection.
async fn drain(body: Content) {
    let mut content = body.into_data_stream();
    let mut left = MAX_DRAINED;
    while let Some(Ok(bytes)) = content.next().await {
        left = left.saturating_sub(bytes.len());
        if left == 0 {
            return;
        }
    }
}

/// The content, hashed on its way.
fn hashed(
    body: Content,
    digest: &Arc<Mutex<Sha256>>,
) -> futures::stream::BoxStream<'static, io::Result<bytes::Bytes>> {
    let digest = digest.clone();
    let content = body.into_data_stream().map_err(io::Error::other);
    content.inspect_ok(move |bytes| lock(&digest).update(bytes)).boxed()
}

fn lock(digest: &Mutex<Sha256>) -> std::sync::MutexGuard<'_, Sha256> {
    digest.lock().unwrap_or_else(PoisonError::into_inner)
}

fn refused(error: &MediaError) -> Problem {
    let detail = format!("The file was not uploaded: {error}.");
    match error {
        MediaError::Refused(_) | MediaError::SenderBroken(_) => {
            Problem::new(Code::FileRefused, detail)
        }
        MediaError::Unavailable(_) => Problem::new(Code::Unavailable, detail),
    }
}

/// List the uploaded files
#[utoipa::path(get, path = "/v1/media", operation_id = "listMedia", tag = "Media",
    security(("api_key" = ["read"])), params(PageAsked),
    responses((status = 200, description = "A page of files.", body = MediaPage)))]
pub(crate) async fn list(
    State(api): App,
    Asked(asked): Asked<PageAsked>,
) -> Answer<Json<MediaPage>> {
    let (limit, now) = (page_size(asked.limit)?, api.clock.now());
    let cursors = api.cursors().await?;
    let after: Option<MediaId> = cursors.read(asked.cursor.as_deref())?;
    let page = media::store::list(&api.table, after.map(media::store::start_after), limit).await?;
    let last = page.items.last().filter(|_| page.next.is_some());
    let next_cursor = last.and_then(|last| cursors.write(&last.id));
    let items = page.items.into_iter().map(|media| MediaView::of(media, now)).collect();
    Ok(Json(MediaPage { items, next_cursor }))
}

/// Show an uploaded file
#[utoipa::path(get, path = "/v1/media/{id}", operation_id = "getMedia", tag = "Media",
    security(("api_key" = ["read"])),
    params(("id" = String, Path, description = "The file's id.")),
    responses((status = 200, description = "The file.", body = MediaView)))]
pub(crate) async fn get(State(api): App, Id(id): Id<MediaId>) -> Answer<Tagged<MediaView>> {
    Ok(Tagged(MediaView::of(known(&api, id).await?, api.clock.now())))
}

/// Delete an uploaded file
///
/// Not while a campaign that has not ended sends it. The provider forgets it within 30 days.
#[utoipa::path(delete, path = "/v1/media/{id}", operation_id = "deleteMedia", tag = "Media",
    security(("api_key" = ["send"])),
    params(("id" = String, Path, description = "The file's id.")),
    responses((status = 204, description = "It is gone.")))]
pub(crate) async fn delete(
    State(api): App,
    Id(id): Id<MediaId>,
    if_match: IfMatch,
) -> Answer<StatusCode> {
    if_match.check(&MediaView::of(known(&api, id).await?, api.clock.now()))?;
    for status in Status::ALL.into_iter().filter(|status| !status.is_final()) {
        for campaign in campaign::store::all(&api.table, status).await? {
            if campaign.settings.message.media_ids().contains(&id) {
                let detail = format!("The campaign {} sends this file.", campaign.id);
                return Err(Problem::new(Code::FileInUse, detail));
            }
        }
    }
    media::store::delete(&api.table, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Checks that the provider has the files that a message names.
pub(super) async fn check(api: &Api, settings: &Settings, now: Timestamp) -> Answer<()> {
    for id in settings.message.media_ids() {
        let found = media::store::get(&api.table, id).await?;
        let is_kept = |upload: &MediaUpload| upload.is_kept(now);
        let problem = match found {
            None => "is not an uploaded file: POST /v1/media uploads one",
            Some(media) if !media.uploads.values().any(is_kept) => {
                "is no longer at the provider: upload it again"
            }
            Some(_) => continue,
        };
        return Err(Problem::new(Code::FileMissing, format!("The file {id} {problem}.")));
    }
    Ok(())
}
