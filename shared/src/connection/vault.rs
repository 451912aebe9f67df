use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::ids::{ConnectionId, IdSource};

/// What a connection keeps secret.
#[derive(Debug, Clone)]
pub struct Secrets {
    /// The provider's access token.
    pub access_token: SecretString,
    /// What webhooks are signed with.
    pub app_secret: SecretString,
    /// What the provider says when it verifies the webhook's address.
    pub verify_token: SecretString,
}

#[derive(Serialize, Deserialize)]
struct Plain {
    access_token: String,
    app_secret: String,
    verify_token: String,
}

/// Secrets as they lie in the table: encrypted, and bound to their connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(String);

/// Seals and opens secrets with one key (XChaCha20-Poly1305).
#[derive(Clone)]
pub struct Vault(XChaCha20Poly1305);

/// Why secrets can't be sealed or opened. Says nothing of what is in them.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The key has the wrong form.
    #[error("CARILLON_SECRETS_KEY must be 32 bytes in base64, as `openssl rand -base64 32` prints")]
    Key,
    /// Sealed with another key, for another connection, or damaged.
    #[error("the connection's secrets can't be opened: was CARILLON_SECRETS_KEY changed?")]
    Open,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault")
    }
}

impl Vault {
    /// A vault with the key `CARILLON_SECRETS_KEY` holds: 32 bytes in base64.
    pub fn new(key: &SecretString) -> Result<Self, VaultError> {
        let bytes =
            BASE64_STANDARD.decode(key.expose_secret().trim()).map_err(|_| VaultError::Key)?;
        let key = Key::try_from(bytes.as_slice()).map_err(|_| VaultError::Key)?;
        Ok(Self(XChaCha20Poly1305::new(&key)))
    }

    /// Seals a connection's secrets.
    pub fn seal(
        &self,
        connection: ConnectionId,
        secrets: &Secrets,
        ids: &IdSource,
    ) -> Result<Sealed, VaultError> {
        let plain = Plain {
            access_token: secrets.access_token.expose_secret().to_owned(),
            app_secret: secrets.app_secret.expose_secret().to_owned(),
            verify_token: secrets.verify_token.expose_secret().to_owned(),
        };
        let plain = serde_json::to_vec(&plain).map_err(|_| VaultError::Open)?;
        let nonce: [u8; 24] = ids.bytes();
        let bound_to = connection.to_string();
        let payload = Payload { msg: &plain, aad: bound_to.as_bytes() };
        let cipher = self.0.encrypt(&XNonce::from(nonce), payload).map_err(|_| VaultError::Open)?;
        Ok(Sealed(BASE64_STANDARD.encode([nonce.as_slice(), &cipher].concat())))
    }

    /// Opens a connection's secrets.
    pub fn open(&self, connection: ConnectionId, sealed: &Sealed) -> Result<Secrets, VaultError> {
        let bytes = BASE64_STANDARD.decode(&sealed.0).map_err(|_| VaultError::Open)?;
        let (nonce, cipher) = bytes.split_at_checked(24).ok_or(VaultError::Open)?;
        let nonce = XNonce::try_from(nonce).map_err(|_| VaultError::Open)?;
        let bound_to = connection.to_string();
        let payload = Payload { msg: cipher, aad: bound_to.as_bytes() };
        let plain = self.0.decrypt(&nonce, payload).map_err(|_| VaultError::Open)?;
        let plain: Plain = serde_json::from_slice(&plain).map_err(|_| VaultError::Open)?;
        Ok(Secrets {
            access_token: plain.access_token.into(),
            app_secret: plain.app_secret.into(),
            verify_token: plain.verify_token.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(byte: u8) -> Vault {
        Vault::new(&BASE64_STANDARD.encode([byte; 32]).into()).unwrap()
    }

    fn connection(seed: u64) -> ConnectionId {
        ConnectionId::from_uuid(IdSource::seeded(seed).uuid(jiff::Timestamp::UNIX_EPOCH))
    }

    fn sealed() -> Sealed {
        let secrets = Secrets {
            access_token: "EAAtoken".into(),
            app_secret: "shh".into(),
            verify_token: "verify".into(),
        };
        vault(1).seal(connection(1), &secrets, &IdSource::seeded(1)).unwrap()
    }

    #[test]
    fn what_was_sealed_opens_again() {
        let secrets = vault(1).open(connection(1), &sealed()).unwrap();
        assert_eq!(secrets.access_token.expose_secret(), "EAAtoken");
        assert!(!serde_json::to_string(&sealed()).unwrap().contains("EAA"));
    }

    #[test]
    fn another_key_or_connection_opens_nothing() {
        assert!(vault(2).open(connection(1), &sealed()).is_err());
        assert!(vault(1).open(connection(2), &sealed()).is_err());
        assert!(Vault::new(&"short".into()).is_err());
    }
}
