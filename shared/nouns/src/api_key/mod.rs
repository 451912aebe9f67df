//! API keys. A key is shown once and stored as a hash, with its scopes.

pub mod store;

use carillon_foundations::ids::{IdSource, KeyId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

/// What a key allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Look at everything but secrets.
    Read,
    /// Make and run campaigns, import recipients, change contacts.
    Write,
    /// Make connections and keys.
    Admin,
}

/// The stored form of a key, without the key itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ApiKey {
    /// Its public id.
    pub id: KeyId,
    /// Its name.
    pub name: String,
    /// What it allows. A higher scope includes the lower ones.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl ApiKey {
    /// Whether the key allows what needs `scope`.
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.iter().any(|own| *own >= scope)
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
