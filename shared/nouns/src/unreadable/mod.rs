//! Updates of providers that could not be read, or that the table refuses as they are. They are
//! kept for an operator to look at, and nothing else is done with them.
//!
//! Whom an update is about is not known, so that no erasure finds it: it is deleted after
//! [`KEPT_FOR`] at the latest.

pub mod store;

use std::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::conversation::Retention;

/// The maximum time for which an update is kept.
pub const KEPT_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);
/// The maximum length of the text that is kept of an update, in bytes.
pub const MAX_TEXT: usize = 64 * 1024;

/// Why an update could not be stored as what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It is not of the form that its provider documents.
    Malformed,
    /// It is a person's, and does not name the person in a way that can be read.
    NoSender,
    /// The table refuses it: a key or an item would be too large.
    Refused,
}

impl Why {
    /// Its name, for the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::NoSender => "no_sender",
            Self::Refused => "refused",
        }
    }
}

/// An update that could not be read or stored.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreadable {
    /// The provider's name.
    pub provider: String,
    /// When it arrived first.
    pub received_at: Timestamp,
    /// Why it is here.
    pub why: Why,
    /// The update in the provider's form: its first [`MAX_TEXT`] bytes.
    pub raw: String,
    /// Whether `raw` is cut.
    pub is_cut: bool,
    /// The SHA-256 of the provider's name and the whole update, in hex.
    pub hash: String,
    /// When the table deletes it, in seconds since 1970.
    pub expires_at: i64,
}

impl Unreadable {
    /// An update that arrived at `now`, in the provider's form. It is kept for [`KEPT_FOR`], or
    /// as long as messages, whichever is shorter.
    pub fn of(provider: &str, raw: &str, why: Why, now: Timestamp, retention: Retention) -> Self {
        let longest = now.as_second() + KEPT_FOR.as_secs();
        let mut hasher = Sha256::new();
        hasher.update((provider.len() as u64).to_be_bytes());
        hasher.update(provider);
        hasher.update(raw);
        let kept = &raw[..raw.floor_char_boundary(MAX_TEXT)];
        Self {
            provider: provider.to_owned(),
            received_at: now,
            why,
            raw: kept.to_owned(),
            is_cut: kept.len() < raw.len(),
            hash: hex::encode(hasher.finalize()),
            expires_at: retention.expiry(now).map_or(longest, |expiry| expiry.min(longest)),
        }
    }

    fn day(&self) -> Date {
        self.received_at.to_zoned(TimeZone::UTC).date()
    }
}

impl fmt::Debug for Unreadable {
    /// Leaves out the text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unreadable")
            .field("provider", &self.provider)
            .field("why", &self.why)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unreadable(raw: &str, retention: &str) -> Unreadable {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        Unreadable::of("some_provider", raw, Why::Malformed, now, retention.parse().unwrap())
    }

    #[test]
    fn a_long_text_is_cut_between_two_characters() {
        let kept = unreadable("short", "365");
        assert_eq!((kept.raw.as_str(), kept.is_cut), ("short", false));
        let long = format!("x{}", "€".repeat(30_000));
        let kept = unreadable(&long, "365");
        assert!(kept.is_cut && long.starts_with(&kept.raw));
        assert_eq!(kept.raw.len(), MAX_TEXT);
        let long = "€".repeat(30_000);
        assert_eq!(unreadable(&long, "365").raw.len(), MAX_TEXT - 1);
    }

    #[test]
    fn it_is_kept_for_thirty_days_or_as_long_as_messages() {
        let days = |retention| (unreadable("", retention).expires_at - 1_800_000_000) / 86_400;
        assert_eq!(["0", "7", "30", "365"].map(days), [30, 7, 30, 30]);
    }

    #[test]
    fn the_hash_is_of_the_whole_text_and_its_provider() {
        let long = "x".repeat(MAX_TEXT);
        let (one, other) =
            (unreadable(&format!("{long}1"), "1"), unreadable(&format!("{long}2"), "1"));
        assert_eq!(one.raw, other.raw);
        assert_ne!(one.hash, other.hash);
        assert_eq!(one.hash, unreadable(&format!("{long}1"), "1").hash);
        assert_eq!(one.hash.len(), 64);
    }

    #[test]
    fn its_debug_form_has_no_text() {
        assert!(!format!("{:?}", unreadable("a secret text", "1")).contains("secret"));
    }
}
