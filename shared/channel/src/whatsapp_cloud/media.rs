//! Uploaded files. Source: Meta, "Media": types, sizes, and how long ids are valid.

use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _};

use super::client::CloudApiError;
use super::provider::WhatsappCloud;
use crate::media_files::{MediaError, MediaFile, MediaFiles};
use crate::outcome::Verdict;
use crate::sender::SenderAccess;

/// How long an id is valid.
const LIFETIME: Duration = Duration::from_hours(30 * 24);

const KB: u64 = 1024;
const MB: u64 = 1024 * KB;

/// The maximum size of each type in bytes.
const TYPES: [(&str, u64); 18] = [
    ("image/jpeg", 5 * MB),
    ("image/png", 5 * MB),
    ("image/webp", 500 * KB),
    ("video/mp4", 16 * MB),
    ("video/3gpp", 16 * MB),
    ("audio/aac", 16 * MB),
    ("audio/amr", 16 * MB),
    ("audio/mp4", 16 * MB),
    ("audio/mpeg", 16 * MB),
    ("audio/ogg", 16 * MB),
    ("text/plain", 100 * MB),
    ("application/pdf", 100 * MB),
    ("application/msword", 100 * MB),
    ("application/vnd.ms-excel", 100 * MB),
    ("application/vnd.ms-powerpoint", 100 * MB),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", 100 * MB),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", 100 * MB),
    ("application/vnd.openxmlformats-officedocument.presentationml.presentation", 100 * MB),
];

impl MediaFiles for WhatsappCloud {
    fn lifetime(&self) -> Duration {
        LIFETIME
    }

    fn check(&self, mime_type: &str, bytes: u64) -> Result<(), String> {
        let Some((_, limit)) = TYPES.iter().find(|(known, _)| *known == mime_type) else {
            let known: Vec<_> = TYPES.iter().map(|(known, _)| *known).collect();
            return Err(format!("WhatsApp takes files of the types {}", known.join(", ")));
        };
        match bytes {
            0 => Err("the file is empty".to_owned()),
            bytes if bytes > *limit => {
                Err(format!("WhatsApp takes at most {} KB of {mime_type}", limit / KB))
            }
            _ => Ok(()),
        }
    }

    fn upload<'a>(
        &'a self,
        sender: &'a SenderAccess,
        file: MediaFile,
    ) -> BoxFuture<'a, Result<String, MediaError>> {
        let client = self.client(sender);
        async move { client.upload_media(file).await.map_err(fault) }.boxed()
    }

    fn download<'a>(
        &'a self,
        sender: &'a SenderAccess,
        id: &'a str,
    ) -> BoxFuture<'a, Result<MediaFile, MediaError>> {
        let client = self.client(sender);
        async move { client.download_media(id).await.map_err(fault) }.boxed()
    }
}

/// The code of an unknown object, and of an invalid parameter.
const INVALID: u32 = 100;

fn fault(error: CloudApiError) -> MediaError {
    match error {
        CloudApiError::Refused(refusal) => match refusal.verdict {
            Verdict::Throttled { .. }
            | Verdict::RateExceeded { .. }
            | Verdict::PairThrottled
            | Verdict::RetryLater { .. }
            | Verdict::Transient
            | Verdict::Ambiguous => MediaError::Unavailable(refusal.to_string()),
            // Of a media id that is not known any more.
            _ if refusal.code == Some(INVALID) => MediaError::Refused(refusal),
            Verdict::ConnectionBroken | Verdict::AccountBroken => MediaError::SenderBroken(refusal),
            _ => MediaError::Refused(refusal),
        },
        CloudApiError::Unreachable(_) | CloudApiError::Unreadable => {
            MediaError::Unavailable(error.to_string())
        }
    }
}
