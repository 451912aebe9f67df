//! API keys. A key is shown once and stored as a hash, with its scopes.

pub mod store;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use carillon_foundations::ids::{IdSource, KeyId};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

/// How exact the time of the last use is: it is stored at most once in this time.
pub const LAST_USE_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// What a key allows. No scope includes another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Look at everything except keys and the audit log.
    Read,
    /// Make, change and run campaigns; send test messages; upload files.
    Send,
    /// Add recipients and contacts, merge and split contacts, suppress people.
    People,
    /// Erase people and lift suppressions.
    Erase,
    /// Change connections and templates, redrive queues.
    Settings,
    /// Manage keys and read the audit log.
    Admin,
}

/// A text that is no scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected one of read, send, people, erase, settings, admin")]
pub struct ScopeError;

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 6] =
        [Self::Read, Self::Send, Self::People, Self::Erase, Self::Settings, Self::Admin];

    /// What it permits, in words.
    pub const fn permits(self) -> &'static str {
        match self {
            Self::Read => "look at everything except keys and the audit log",
            Self::Send => "make, change and run campaigns, send test messages, upload files",
            Self::People => {
                "add recipients and contacts, merge and split contacts, suppress people"
            }
            Self::Erase => "erase people and lift suppressions",
            Self::Settings => "change connections and templates, redrive queues",
            Self::Admin => "manage keys and read the audit log",
        }
    }

    /// The word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Send => "send",
            Self::People => "people",
            Self::Erase => "erase",
            Self::Settings => "settings",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(ScopeError)
    }
}

/// The stored form of a key, without the key itself. A key that was rotated has one for each
/// of its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Its public id.
    pub id: KeyId,
    /// Its name.
    pub name: String,
    /// What it allows.
    pub scopes: BTreeSet<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When this secret was made.
    pub rotated_at: Timestamp,
    /// When it ends; none for a key that does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When this secret ends, because the key was rotated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_until: Option<Timestamp>,
    /// When it was last used, to [`LAST_USE_EVERY`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
}

impl ApiKey {
    /// Whether the key allows what needs `scope`.
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// Whether the key works at `now`.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        [self.expires_at, self.replaced_until].into_iter().flatten().all(|end| now < end)
    }
}

/// Generates a key: `crl_` and 32 random bytes in base64url.
pub fn generate(ids: &IdSource) -> String {
    use base64::Engine as _;
    let secret: [u8; 32] = ids.bytes();
    format!("crl_{}", base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(secret))
}

/// The hash by which a key is stored and looked up: its SHA-256 in hex. The time that a
/// lookup takes does not depend on how similar a wrong key is to a stored one.
pub fn hash(key: &str) -> String {
    hex::encode(Sha256::digest(key.as_bytes()))
}
