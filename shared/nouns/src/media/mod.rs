//! Uploaded files: what a message sends by an id.
//!
//! A provider keeps a file for some weeks and gives it an id for one sender. A file has an
//! id of ours, which stays: the provider's ids are renewed before they end, and a file that
//! was uploaded over one connection is copied to the others when they send it.

pub mod store;

use std::collections::BTreeMap;

use carillon_foundations::ids::{ConnectionId, MediaId};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// How long before its end an upload is renewed. Renewals that fail are repeated until then.
const RENEWED_BEFORE: SignedDuration = SignedDuration::from_hours(10 * 24);

/// An uploaded file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// Its id.
    pub id: MediaId,
    /// The provider that keeps it.
    pub provider: String,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
    /// Its type, such as `image/png`.
    pub mime_type: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// The SHA-256 of its content, in hex.
    pub sha256: String,
    /// When it was uploaded first.
    pub created_at: Timestamp,
    /// Its upload for each connection.
    pub uploads: BTreeMap<ConnectionId, MediaUpload>,
    /// When its uploads are renewed next; none where the provider has forgotten it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renew_at: Option<Timestamp>,
    /// How often it was changed.
    pub version: u64,
}

/// One upload of a file to its provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaUpload {
    /// The provider's id of the file.
    pub id: String,
    /// When it was uploaded.
    pub at: Timestamp,
    /// When the provider forgets it.
    pub until: Timestamp,
}

impl MediaUpload {
    /// Whether the provider has it.
    pub fn is_kept(&self, now: Timestamp) -> bool {
        now < self.until
    }

    /// Whether it needs no renewal.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        now < self.until - RENEWED_BEFORE
    }
}

impl Media {
    /// The connections over which the provider has it: that one first, then by the age of
    /// their uploads, the latest first.
    pub fn sources(&self, first: ConnectionId, now: Timestamp) -> Vec<(ConnectionId, &str)> {
        let mut kept: Vec<_> = self.uploads.iter().filter(|(_, one)| one.is_kept(now)).collect();
        kept.sort_by_key(|(connection, one)| (**connection != first, std::cmp::Reverse(one.at)));
        kept.into_iter().map(|(connection, one)| (*connection, one.id.as_str())).collect()
    }

    /// The file with a new upload over a connection.
    #[must_use]
    pub fn uploaded(mut self, connection: ConnectionId, upload: MediaUpload) -> Self {
        self.uploads.insert(connection, upload);
        self
    }

    /// The file as it is stored next, without the uploads that the provider has forgotten.
    #[must_use]
    pub fn changed(mut self, now: Timestamp) -> Self {
        self.uploads.retain(|_, upload| upload.is_kept(now));
        self.renew_at = self.uploads.values().map(|one| one.until - RENEWED_BEFORE).min();
        self.version += 1;
        self
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const DAY: i64 = 86_400;

    fn at(day: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + day * DAY).unwrap()
    }

    fn upload(id: &str, day: i64) -> MediaUpload {
        MediaUpload { id: id.to_owned(), at: at(day), until: at(day + 30) }
    }

    #[test]
    fn an_upload_is_renewed_in_its_last_ten_days() {
        let upload = upload("1", 0);
        assert!(upload.is_fresh(at(19)) && !upload.is_fresh(at(20)));
        assert!(upload.is_kept(at(29)) && !upload.is_kept(at(30)));
    }

    #[test]
    fn the_connections_own_upload_is_the_first_source() {
        let connections = [1, 2, 3].map(|id| ConnectionId::from_uuid(Uuid::from_u128(id)));
        let uploads = [upload("old", 0), upload("mine", 5), upload("latest", 9)];
        let media = Media {
            id: MediaId::from_uuid(Uuid::nil()),
            provider: "any".to_owned(),
            filename: None,
            mime_type: "image/png".to_owned(),
            bytes: 1,
            sha256: String::new(),
            created_at: at(0),
            uploads: connections.into_iter().zip(uploads).collect(),
            renew_at: None,
            version: 0,
        };
        let ids = |day| media.sources(connections[1], at(day)).into_iter().map(|(_, id)| id);
        assert_eq!(ids(10).collect::<Vec<_>>(), ["mine", "latest", "old"]);
        assert_eq!(ids(36).collect::<Vec<_>>(), ["latest"]);
        let changed = |day| media.clone().changed(at(day));
        assert_eq!((changed(10).renew_at, changed(10).uploads.len()), (Some(at(20)), 3));
        assert_eq!((changed(36).renew_at, changed(36).uploads.len()), (Some(at(29)), 1));
        assert_eq!((changed(40).renew_at, changed(40).uploads.len()), (None, 0));
    }
}
