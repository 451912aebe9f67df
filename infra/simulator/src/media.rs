//! Uploaded media.

use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

#[derive(Clone)]
pub(crate) struct Media {
    pub(crate) mime_type: String,
    pub(crate) bytes: Bytes,
}

impl Media {
    /// The response to `GET /<media id>`.
    pub(crate) fn info(&self, id: &str, url: &str) -> Value {
        json!({
            "messaging_product": "whatsapp",
            "url": format!("{url}/_media/{id}"),
            "mime_type": self.mime_type,
            "sha256": hex::encode(Sha256::digest(&self.bytes)),
            "file_size": self.bytes.len(),
            "id": id,
        })
    }
}
