//! Media files: uploaded by the business, or sent by users.

use std::collections::HashMap;

use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// How long the download URL of a media file is valid.
const URL_TTL_MS: u64 = 5 * 60 * 1000;

#[derive(Clone)]
pub(crate) struct Media {
    pub(crate) mime_type: String,
    pub(crate) bytes: Bytes,
    pub(crate) origin: MediaOrigin,
    pub(crate) expires_at: u64,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum MediaOrigin {
    Uploaded {
        phone_number_id: String,
    },
    /// A user sent it. Public sources do not say whether a business may send such an
    /// id; the simulator refuses it.
    Inbound,
}

impl Media {
    /// The response to `GET /<media id>`.
    pub(crate) fn info(&self, id: &str, url: &str, now: u64) -> Value {
        json!({
            "messaging_product": "whatsapp",
            "url": format!("{url}/_media/{id}?expires={}", now + URL_TTL_MS),
            "mime_type": self.mime_type,
            "sha256": hex::encode(Sha256::digest(&self.bytes)),
            "file_size": self.bytes.len(),
            "id": id,
        })
    }

    pub(crate) fn is_uploaded_for(&self, phone_number_id: &str) -> bool {
        let MediaOrigin::Uploaded { phone_number_id: owner } = &self.origin else {
            return false;
        };
        owner == phone_number_id
    }
}

/// The media files by id. An expired file is unknown.
#[derive(Default)]
pub(crate) struct MediaStore(HashMap<String, Media>);

impl MediaStore {
    pub(crate) fn insert(&mut self, id: String, media: Media) {
        self.0.insert(id, media);
    }

    pub(crate) fn get(&self, id: &str, now: u64) -> Option<&Media> {
        self.0.get(id).filter(|media| now < media.expires_at)
    }

    pub(crate) fn remove(&mut self, id: &str) {
        self.0.remove(id);
    }
}
