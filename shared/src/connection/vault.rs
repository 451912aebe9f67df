use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::aws::AwsConfig;
use crate::config::Config;
use crate::ids::{ConnectionId, IdSource};
use crate::parameter::{ParameterError, ParameterStore};
use crate::time::Clock;

/// How long secrets of the Parameter Store are kept in memory: a token that was
/// rotated there directly is taken up after that time at the latest. One that
/// was changed over the API has another version, and is taken up at once.
const KEEP: SignedDuration = SignedDuration::from_mins(5);
/// What a version of a parameter is named by.
const PARAMETER: &str = "parameter:";

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

/// What the table holds of a connection's secrets: the secrets themselves,
/// encrypted and bound to their connection, or the version of its parameter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(String);

impl Sealed {
    /// The text of it that a table holds.
    pub(crate) fn from_text(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// That text.
    pub(crate) fn as_text(&self) -> &str {
        &self.0
    }
}

/// Keeps connections' secrets: encrypted in the table with one key
/// (XChaCha20-Poly1305), or in AWS's Parameter Store.
#[derive(Debug)]
pub struct Vault(Keeper);

enum Keeper {
    Key(XChaCha20Poly1305),
    Parameters(Parameters),
}

struct Parameters {
    store: ParameterStore,
    clock: Clock,
    known: Mutex<HashMap<ConnectionId, (Sealed, Timestamp, Secrets)>>,
}

/// Why secrets can't be sealed or opened. Says nothing of what is in them.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The environment names neither a prefix nor a key.
    #[error("CARILLON_SECRETS_PREFIX or CARILLON_SECRETS_KEY must be set")]
    Unset,
    /// The key has the wrong form.
    #[error("CARILLON_SECRETS_KEY must be 32 bytes in base64, as `openssl rand -base64 32` prints")]
    Key,
    /// Sealed with another key, for another connection, or damaged.
    #[error("the connection's secrets can't be opened: was CARILLON_SECRETS_KEY changed?")]
    Open,
    /// They lie in a Parameter Store, and this process has none.
    #[error(
        "the connection's secrets lie in a Parameter Store, and CARILLON_SECRETS_PREFIX is not set"
    )]
    Elsewhere,
    /// What lies in the parameter is not what was put there.
    #[error(
        "the connection's parameter can't be read: it must be JSON with access_token, app_secret and verify_token"
    )]
    Form,
    /// The Parameter Store.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
}

impl VaultError {
    /// Whether it may pass by itself.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Parameter(error) if error.may_pass())
    }
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Key(_) => "Key",
            Self::Parameters(_) => "Parameters",
        })
    }
}

impl Vault {
    /// The vault that the environment describes: the Parameter Store where a
    /// prefix is set, and the key otherwise.
    pub fn of(config: &Config, aws: &AwsConfig, clock: &Clock) -> Result<Self, VaultError> {
        let Some(prefix) = config.secrets_prefix() else {
            return Self::new(&config.secrets_key().map_err(|_| VaultError::Unset)?);
        };
        let endpoint = config.parameters_url();
        let store = ParameterStore::new(&aws.other, endpoint, &prefix, clock.clone())?;
        let clock = clock.clone();
        Ok(Self(Keeper::Parameters(Parameters { store, clock, known: Mutex::default() })))
    }

    /// A vault with the key `CARILLON_SECRETS_KEY` holds: 32 bytes in base64.
    pub fn new(key: &SecretString) -> Result<Self, VaultError> {
        let bytes =
            BASE64_STANDARD.decode(key.expose_secret().trim()).map_err(|_| VaultError::Key)?;
        let key = Key::try_from(bytes.as_slice()).map_err(|_| VaultError::Key)?;
        Ok(Self(Keeper::Key(XChaCha20Poly1305::new(&key))))
    }

    /// Puts a connection's secrets away; what it gives belongs into the table.
    pub async fn seal(
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
        let plain = serde_json::to_string(&plain).map_err(|_| VaultError::Form)?;
        match &self.0 {
            Keeper::Key(key) => encrypt(key, connection, &plain, ids),
            Keeper::Parameters(Parameters { store, .. }) => {
                let version = store.put(&connection.to_string(), &plain.into()).await?;
                Ok(Sealed(format!("{PARAMETER}{version}")))
            }
        }
    }

    /// Opens a connection's secrets.
    pub async fn open(
        &self,
        connection: ConnectionId,
        sealed: &Sealed,
    ) -> Result<Secrets, VaultError> {
        match &self.0 {
            Keeper::Key(_) if sealed.0.starts_with(PARAMETER) => Err(VaultError::Elsewhere),
            Keeper::Key(key) => decrypt(key, connection, sealed),
            Keeper::Parameters(parameters) => parameters.open(connection, sealed).await,
        }
    }
}

impl Parameters {
    async fn open(&self, connection: ConnectionId, sealed: &Sealed) -> Result<Secrets, VaultError> {
        let now = self.clock.now();
        if let Some((version, until, secrets)) = self.known().get(&connection)
            && version == sealed
            && now < *until
        {
            return Ok(secrets.clone());
        }
        let found = self.store.get(&connection.to_string()).await?;
        let plain: Plain =
            serde_json::from_str(found.expose_secret()).map_err(|_| VaultError::Form)?;
        let secrets = Secrets::from(plain);
        self.known().insert(connection, (sealed.clone(), now + KEEP, secrets.clone()));
        Ok(secrets)
    }

    fn known(
        &self,
    ) -> std::sync::MutexGuard<'_, HashMap<ConnectionId, (Sealed, Timestamp, Secrets)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<Plain> for Secrets {
    fn from(plain: Plain) -> Self {
        Self {
            access_token: plain.access_token.into(),
            app_secret: plain.app_secret.into(),
            verify_token: plain.verify_token.into(),
        }
    }
}

fn encrypt(
    key: &XChaCha20Poly1305,
    connection: ConnectionId,
    plain: &str,
    ids: &IdSource,
) -> Result<Sealed, VaultError> {
    let nonce: [u8; 24] = ids.bytes();
    let bound_to = connection.to_string();
    let payload = Payload { msg: plain.as_bytes(), aad: bound_to.as_bytes() };
    let cipher = key.encrypt(&XNonce::from(nonce), payload).map_err(|_| VaultError::Open)?;
    Ok(Sealed(BASE64_STANDARD.encode([nonce.as_slice(), &cipher].concat())))
}

fn decrypt(
    key: &XChaCha20Poly1305,
    connection: ConnectionId,
    sealed: &Sealed,
) -> Result<Secrets, VaultError> {
    let bytes = BASE64_STANDARD.decode(&sealed.0).map_err(|_| VaultError::Open)?;
    let (nonce, cipher) = bytes.split_at_checked(24).ok_or(VaultError::Open)?;
    let nonce = XNonce::try_from(nonce).map_err(|_| VaultError::Open)?;
    let bound_to = connection.to_string();
    let payload = Payload { msg: cipher, aad: bound_to.as_bytes() };
    let plain = key.decrypt(&nonce, payload).map_err(|_| VaultError::Open)?;
    serde_json::from_slice(&plain).map(Plain::into).map_err(|_| VaultError::Open)
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

    async fn sealed() -> Sealed {
        let secrets = Secrets {
            access_token: "EAAtoken".into(),
            app_secret: "shh".into(),
            verify_token: "verify".into(),
        };
        vault(1).seal(connection(1), &secrets, &IdSource::seeded(1)).await.unwrap()
    }

    #[tokio::test]
    async fn what_was_sealed_opens_again() {
        let secrets = vault(1).open(connection(1), &sealed().await).await.unwrap();
        assert_eq!(secrets.access_token.expose_secret(), "EAAtoken");
        assert!(!serde_json::to_string(&sealed().await).unwrap().contains("EAA"));
    }

    #[tokio::test]
    async fn another_key_or_connection_opens_nothing() {
        assert!(vault(2).open(connection(1), &sealed().await).await.is_err());
        assert!(vault(1).open(connection(2), &sealed().await).await.is_err());
        assert!(Vault::new(&"short".into()).is_err());
    }
}
