//! Stored answers: a POST request that is repeated with the same `Idempotency-Key` gets the
//! answer to the first one and has no effect.

pub mod store;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How long an answer is stored.
pub const ANSWER_TTL: SignedDuration = SignedDuration::from_hours(24);
/// How long a request is in progress at most; then another one with its key is executed.
pub const IN_PROGRESS_TIMEOUT: SignedDuration = SignedDuration::from_mins(5);

/// The key and the fingerprint of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Hash of the `Idempotency-Key`.
    pub key: String,
    /// Hash of method, path and body.
    pub fingerprint: String,
}

/// A stored answer, or the mark of a request in progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredAnswer {
    /// The fingerprint of the request.
    pub fingerprint: String,
    /// The HTTP status; none while the first request is in progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The headers that are repeated with the body, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// When the first request began.
    pub began_at: Timestamp,
    /// When the table may delete it, in seconds since 1970.
    pub expires_at: i64,
}

/// What to do with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is the first one, or no other one is in progress any more: execute it.
    First {
        /// When one came before, if so. It may have had its effect, and died before its answer.
        repeats: Option<Timestamp>,
    },
    /// It was answered: return the stored answer.
    Replay(StoredAnswer),
    /// The first is still in progress.
    InProgress,
    /// The key was used for a different request.
    Mismatch,
}

/// A hash of several parts. Each is hashed with its length, so that `ab` and `c` differ from
/// `a` and `bc`.
pub fn digest(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hex::encode(hasher.finalize())
}
