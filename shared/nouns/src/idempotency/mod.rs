//! Stored answers: a POST repeated with the same `Idempotency-Key` gets the
//! first one's answer and does nothing.

pub mod store;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How long an answer is remembered.
pub const ANSWER_TTL: SignedDuration = SignedDuration::from_hours(24);
/// How long a request may take before another with its key may try again.
pub const IN_PROGRESS_TIMEOUT: SignedDuration = SignedDuration::from_mins(5);

/// A request's key and what it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Hash of the `Idempotency-Key` and of who asks.
    pub key: String,
    /// Hash of method, path and body.
    pub fingerprint: String,
}

/// An answer as remembered, or the promise of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredAnswer {
    /// What was asked for.
    pub fingerprint: String,
    /// The HTTP status; none while the first request is in progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The content type of the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// The body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// When the first request came.
    pub began_at: Timestamp,
    /// When the table may forget it, in seconds since 1970.
    pub expires_at: i64,
}

/// What to do with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is the first: carry it out.
    First,
    /// It was answered: give the answer again.
    Replay(StoredAnswer),
    /// The first is still in progress.
    InProgress,
    /// The key was used for something else.
    Mismatch,
}

/// A hash of several parts, none of which can run into another.
pub fn digest(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hex::encode(hasher.finalize())
}
