//! Uploaded files: upload, the provider's id for a connection, and renewal.

use std::sync::Arc;

use carillon_channel::{MediaError, MediaFile, MediaFiles, Provider};
use carillon_foundations::ids::{ConnectionId, MediaId};
use carillon_foundations::time::Clock;
use carillon_nouns::media::{self, Media, MediaUpload};
use carillon_table::{StoreError, Table};
use jiff::{SignedDuration, Timestamp};

use super::routes::{Route, RouteError, Routes};

/// When a renewal that failed is repeated.
const RENEWAL_REPEATED_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// The provider's id of a file, or why there is none.
pub(super) type LookedUp = Result<String, Arc<MediaFault>>;

/// Why a file cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum MediaFault {
    /// There is no such file.
    #[error("there is no uploaded file {0}")]
    Unknown(MediaId),
    /// The provider of the connection does not have it.
    #[error("the uploaded file {0} belongs to another provider")]
    OtherProvider(MediaId),
    /// The provider has forgotten it, or refuses to give it out.
    #[error("the provider no longer has the uploaded file {0}: upload it again ({1})")]
    Lost(MediaId, String),
    /// The provider does not take it over the connection.
    #[error("the provider refused the uploaded file {0}: {1}")]
    Refused(MediaId, String),
    /// The provider refuses the connection, whatever the file.
    #[error("{0}")]
    ConnectionBroken(String),
    /// It is not available at the moment. A later attempt may succeed.
    #[error("an uploaded file is not available: {0}")]
    Unavailable(String),
    /// There is no route to the provider.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// The table failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl MediaFault {
    /// Whether the message can never be sent with that file.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Unknown(_) | Self::OtherProvider(_) | Self::Lost(..) | Self::Refused(..) => true,
            Self::ConnectionBroken(_) | Self::Unavailable(_) | Self::Route(_) | Self::Store(_) => {
                false
            }
        }
    }
}

/// Uploads a file over a connection and returns its upload.
pub async fn upload_media(
    route: &Route,
    file: MediaFile,
    now: Timestamp,
) -> Result<MediaUpload, MediaError> {
    let until = now + lifetime(route.provider.as_ref());
    let id = route.upload(file).await?;
    Ok(MediaUpload { id, at: now, until })
}

/// The provider's id of a file for a connection. A file that was uploaded over another
/// connection, or some weeks ago, is uploaded anew.
pub async fn provider_media_id(
    table: &Table,
    routes: &Routes,
    id: MediaId,
    connection: ConnectionId,
    now: Timestamp,
) -> Result<String, MediaFault> {
    let known = media::store::get(table, id).await?.ok_or(MediaFault::Unknown(id))?;
    let own = known.uploads.get(&connection);
    if let Some(upload) = own.filter(|upload| upload.is_fresh(now)) {
        return Ok(upload.id.clone());
    }
    match (copy(routes, &known, connection, now).await, own.filter(|one| one.is_kept(now))) {
        (Ok(upload), _) => {
            media::store::add_upload(table, id, connection, &upload, now).await?;
            Ok(upload.id)
        }
        (Err(fault), Some(kept)) => {
            let error = &fault as &dyn std::error::Error;
            tracing::warn!(media = %id, error, "a file was not renewed");
            Ok(kept.id.clone())
        }
        (Err(fault), None) => Err(fault),
    }
}

/// Renews the uploads of a file that end soon. What fails, or is not done until `until`, is
/// repeated an hour later, until the provider forgets the file.
pub async fn renew_media(
    table: &Table,
    routes: &Routes,
    id: MediaId,
    clock: &Clock,
    until: Timestamp,
) -> Result<(), StoreError> {
    let Some(known) = media::store::get(table, id).await? else { return Ok(()) };
    let mut has_failed = false;
    for (connection, upload) in &known.uploads {
        let now = clock.now();
        if upload.is_fresh(now) {
            continue;
        }
        if now >= until {
            has_failed = true;
            break;
        }
        match copy(routes, &known, *connection, now).await {
            Ok(upload) => {
                media::store::add_upload(table, id, *connection, &upload, now).await?;
            }
            Err(MediaFault::Route(RouteError::UnknownConnection)) => {
                media::store::forget_upload(table, id, *connection, now).await?;
            }
            Err(fault) => {
                let error = &fault as &dyn std::error::Error;
                tracing::warn!(media = %id, connection = %connection, error, "a file was not renewed");
                has_failed = true;
            }
        }
    }
    if has_failed && let Some(found) = media::store::get(table, id).await? {
        let at = clock.now() + RENEWAL_REPEATED_AFTER;
        media::store::postpone(table, &found, at).await?;
    }
    Ok(())
}

/// Uploads a file over a connection, from wherever the provider has it.
async fn copy(
    routes: &Routes,
    known: &Media,
    connection: ConnectionId,
    now: Timestamp,
) -> Result<MediaUpload, MediaFault> {
    let target = routes.route(connection, now).await?;
    if target.provider.name() != known.provider {
        return Err(MediaFault::OtherProvider(known.id));
    }
    let (mut lost, mut unavailable) = ("its uploads have ended".to_owned(), None);
    for (source, provider_id) in known.sources(connection, now) {
        let file = match routes.route(source, now).await {
            Ok(source) => source.download(provider_id).await,
            Err(RouteError::UnknownConnection) => continue,
            Err(error) => Err(MediaError::Unavailable(error.to_string())),
        };
        match file {
            Ok(file) => {
                let file = MediaFile { mime_type: known.mime_type.clone(), ..file };
                let uploaded = upload_media(&target, file, now).await;
                return uploaded.map_err(|error| not_uploaded(known.id, error));
            }
            Err(MediaError::Refused(refusal)) => lost = refusal.to_string(),
            Err(error) => unavailable = Some(error.to_string()),
        }
    }
    Err(match unavailable {
        Some(reason) => MediaFault::Unavailable(reason),
        None => MediaFault::Lost(known.id, lost),
    })
}

fn not_uploaded(id: MediaId, error: MediaError) -> MediaFault {
    match error {
        MediaError::Refused(refusal) => MediaFault::Refused(id, refusal.to_string()),
        MediaError::SenderBroken(refusal) => MediaFault::ConnectionBroken(refusal.to_string()),
        MediaError::Unavailable(reason) => MediaFault::Unavailable(reason),
    }
}

fn lifetime(provider: &dyn Provider) -> SignedDuration {
    let lifetime = provider.media_files().map(MediaFiles::lifetime);
    lifetime.and_then(|lifetime| SignedDuration::try_from(lifetime).ok()).unwrap_or_default()
}
