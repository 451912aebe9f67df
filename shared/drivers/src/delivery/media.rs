//! Uploaded files: upload, the provider's id for a connection, and renewal.

use carillon_channel::{MediaError, MediaFile, MediaFiles, Provider};
use carillon_foundations::ids::{ConnectionId, MediaId};
use carillon_nouns::media::{self, Media, MediaUpload};
use carillon_table::{StoreError, Table};
use jiff::{SignedDuration, Timestamp};

use super::routes::{Route, RouteError, Routes};

/// When a renewal that failed is repeated.
const RENEWAL_REPEATED_AFTER: SignedDuration = SignedDuration::from_hours(1);
/// How often a change that met another one is repeated.
const MAX_TRIES: u32 = 5;

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
    /// The provider could not be reached. A later attempt may succeed.
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
            Self::Unavailable(_) | Self::Route(_) | Self::Store(_) => false,
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
    for _ in 0..MAX_TRIES {
        let known = media::store::get(table, id).await?.ok_or(MediaFault::Unknown(id))?;
        let own = known.uploads.get(&connection);
        if let Some(upload) = own.filter(|upload| upload.is_fresh(now)) {
            return Ok(upload.id.clone());
        }
        let kept = own.filter(|upload| upload.is_kept(now)).map(|upload| upload.id.clone());
        let upload = match (copy(routes, &known, connection, now).await, kept) {
            (Ok(upload), _) => upload,
            (Err(fault), Some(kept)) => {
                tracing::warn!(media = %id, error = &fault as &dyn std::error::Error, "a file was not renewed");
                return Ok(kept);
            }
            (Err(fault), None) => return Err(fault),
        };
        let (seen, copied) = (known.version, upload.id.clone());
        let changed = known.uploaded(connection, upload).changed(now);
        if media::store::replace(table, &changed, seen).await? {
            return Ok(copied);
        }
    }
    Err(MediaFault::Unavailable("it is being changed".to_owned()))
}

/// Renews the uploads of a file that end soon. What fails is repeated an hour later, until
/// the provider forgets the file.
pub async fn renew_media(
    table: &Table,
    routes: &Routes,
    id: MediaId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(known) = media::store::get(table, id).await? else { return Ok(()) };
    let seen = known.version;
    let mut renewed = known.clone();
    let mut has_failed = false;
    for (connection, upload) in &known.uploads {
        if upload.is_fresh(now) {
            continue;
        }
        match copy(routes, &known, *connection, now).await {
            Ok(upload) => renewed = renewed.uploaded(*connection, upload),
            Err(MediaFault::Route(RouteError::UnknownConnection)) => {
                renewed.uploads.remove(connection);
            }
            Err(fault) => {
                let error = &fault as &dyn std::error::Error;
                tracing::warn!(media = %id, connection = %connection, error, "a file was not renewed");
                has_failed = true;
            }
        }
    }
    let mut changed = renewed.changed(now);
    if has_failed {
        changed.renew_at = changed.renew_at.map(|at| at.max(now + RENEWAL_REPEATED_AFTER));
    }
    if !media::store::replace(table, &changed, seen).await? {
        tracing::info!(media = %id, "a file was changed during its renewal");
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
    let mut reason = "its uploads have ended".to_owned();
    for (source, provider_id) in known.sources(connection, now) {
        let source = match routes.route(source, now).await {
            Ok(source) => source,
            Err(RouteError::UnknownConnection) => continue,
            Err(error) => return Err(error.into()),
        };
        let file = match source.download(provider_id).await {
            Ok(file) => file,
            Err(MediaError::Refused(refusal)) => {
                reason = refusal.to_string();
                continue;
            }
            Err(MediaError::Unavailable(reason)) => return Err(MediaFault::Unavailable(reason)),
        };
        return upload_media(&target, file, now).await.map_err(|error| match error {
            MediaError::Refused(refusal) => MediaFault::Refused(known.id, refusal.to_string()),
            MediaError::Unavailable(reason) => MediaFault::Unavailable(reason),
        });
    }
    Err(MediaFault::Lost(known.id, reason))
}

fn lifetime(provider: &dyn Provider) -> SignedDuration {
    let lifetime = provider.media_files().map(MediaFiles::lifetime);
    lifetime.and_then(|lifetime| SignedDuration::try_from(lifetime).ok()).unwrap_or_default()
}
