use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use carillon_channel::Credentials;
use carillon_foundations::aws::AwsConfig;
use carillon_foundations::config::Config;
use carillon_foundations::ids::{ConnectionId, IdSource};
use carillon_foundations::parameter::{ParameterError, ParameterStore};
use carillon_foundations::time::Clock;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

/// How long credentials of the Parameter Store are cached: a token that was rotated there
/// is used after that time at the latest. One that was changed over the API has a new
/// version and is used at once.
const CACHE_TTL: SignedDuration = SignedDuration::from_mins(5);
/// The prefix of a parameter's version.
const PARAMETER: &str = "parameter:";

/// The stored form of a connection's credentials: encrypted and bound to the connection,
/// or the version of its parameter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(String);

impl Sealed {
    /// The stored form with that text.
    pub fn from_text(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Its text.
    pub fn as_text(&self) -> &str {
        &self.0
    }
}

/// Encrypts connections' credentials with one key (XChaCha20-Poly1305), or keeps them in
/// AWS's Parameter Store.
#[derive(Debug)]
pub struct Vault(Storage);

enum Storage {
    Key(XChaCha20Poly1305),
    Parameters(Parameters),
}

struct Parameters {
    store: ParameterStore,
    clock: Clock,
    known: Mutex<HashMap<ConnectionId, (Sealed, Timestamp, Credentials)>>,
}

/// Why credentials cannot be sealed or opened. It contains no credential.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The environment names neither a prefix nor a key.
    #[error("CARILLON_SECRETS_PREFIX or CARILLON_SECRETS_KEY must be set")]
    Unset,
    /// The key has the wrong form.
    #[error("CARILLON_SECRETS_KEY must be 32 bytes in base64, as `openssl rand -base64 32` prints")]
    Key,
    /// They were sealed with another key or for another connection, or are damaged.
    #[error("the connection's credentials cannot be opened: was CARILLON_SECRETS_KEY changed?")]
    Open,
    /// They are in a Parameter Store, and this process has none.
    #[error(
        "the connection's credentials are in a Parameter Store, and CARILLON_SECRETS_PREFIX is not set"
    )]
    NoParameterStore,
    /// The parameter has another form than the one that was stored.
    #[error(
        "the connection's parameter cannot be read: it must be a JSON object of the credentials by name"
    )]
    Form,
    /// The Parameter Store.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
}

impl VaultError {
    /// Whether a later attempt may succeed without a change of configuration.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Parameter(error) if error.is_transient())
    }
}

impl std::fmt::Debug for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Key(_) => "Key",
            Self::Parameters(_) => "Parameters",
        })
    }
}

impl Vault {
    /// The vault of the configuration: the Parameter Store where a prefix is set, the key
    /// otherwise.
    pub fn of(config: &Config, aws: &AwsConfig, clock: &Clock) -> Result<Self, VaultError> {
        let Some(prefix) = config.secrets_prefix() else {
            return Self::new(&config.secrets_key().map_err(|_| VaultError::Unset)?);
        };
        let endpoint = config.parameters_url();
        let store = ParameterStore::new(&aws.other, endpoint, &prefix, clock.clone())?;
        let clock = clock.clone();
        Ok(Self(Storage::Parameters(Parameters { store, clock, known: Mutex::default() })))
    }

    /// A vault with the key `CARILLON_SECRETS_KEY` holds: 32 bytes in base64.
    pub fn new(key: &SecretString) -> Result<Self, VaultError> {
        let bytes =
            BASE64_STANDARD.decode(key.expose_secret().trim()).map_err(|_| VaultError::Key)?;
        let key = Key::try_from(bytes.as_slice()).map_err(|_| VaultError::Key)?;
        Ok(Self(Storage::Key(XChaCha20Poly1305::new(&key))))
    }

    /// Seals the credentials of a connection, for the table.
    pub async fn seal(
        &self,
        connection: ConnectionId,
        credentials: &Credentials,
        ids: &IdSource,
    ) -> Result<Sealed, VaultError> {
        let plain = serde_json::to_string(&credentials.exposed()).map_err(|_| VaultError::Form)?;
        match &self.0 {
            Storage::Key(key) => encrypt(key, connection, &plain, ids),
            Storage::Parameters(Parameters { store, .. }) => {
                let version = store.put(&connection.to_string(), &plain.into()).await?;
                Ok(Sealed(format!("{PARAMETER}{version}")))
            }
        }
    }

    /// Deletes the credentials of a connection that are not in the table.
    pub async fn forget(&self, connection: ConnectionId) -> Result<(), VaultError> {
        match &self.0 {
            Storage::Key(_) => Ok(()),
            Storage::Parameters(parameters) => {
                parameters.known().remove(&connection);
                Ok(parameters.store.delete(&connection.to_string()).await?)
            }
        }
    }

    /// Opens the credentials of a connection.
    pub async fn open(
        &self,
        connection: ConnectionId,
        sealed: &Sealed,
    ) -> Result<Credentials, VaultError> {
        match &self.0 {
            Storage::Key(_) if sealed.0.starts_with(PARAMETER) => Err(VaultError::NoParameterStore),
            Storage::Key(key) => decrypt(key, connection, sealed),
            Storage::Parameters(parameters) => parameters.open(connection, sealed).await,
        }
    }
}

impl Parameters {
    async fn open(
        &self,
        connection: ConnectionId,
        sealed: &Sealed,
    ) -> Result<Credentials, VaultError> {
        let now = self.clock.now();
        if let Some((version, until, credentials)) = self.known().get(&connection)
            && version == sealed
            && now < *until
        {
            return Ok(credentials.clone());
        }
        let found = self.store.get(&connection.to_string()).await?;
        let credentials = parse(found.expose_secret().as_bytes()).ok_or(VaultError::Form)?;
        self.known().insert(connection, (sealed.clone(), now + CACHE_TTL, credentials.clone()));
        Ok(credentials)
    }

    fn known(
        &self,
    ) -> std::sync::MutexGuard<'_, HashMap<ConnectionId, (Sealed, Timestamp, Credentials)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn parse(plain: &[u8]) -> Option<Credentials> {
    let plain: BTreeMap<String, String> = serde_json::from_slice(plain).ok()?;
    Some(plain.into_iter().map(|(name, value)| (name, value.into())).collect())
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
) -> Result<Credentials, VaultError> {
    let bytes = BASE64_STANDARD.decode(&sealed.0).map_err(|_| VaultError::Open)?;
    let (nonce, cipher) = bytes.split_at_checked(24).ok_or(VaultError::Open)?;
    let nonce = XNonce::try_from(nonce).map_err(|_| VaultError::Open)?;
    let bound_to = connection.to_string();
    let payload = Payload { msg: cipher, aad: bound_to.as_bytes() };
    let plain = key.decrypt(&nonce, payload).map_err(|_| VaultError::Open)?;
    parse(&plain).ok_or(VaultError::Open)
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
        let credentials =
            Credentials::from_iter([("access_token", SecretString::from("EAAtoken"))]);
        vault(1).seal(connection(1), &credentials, &IdSource::seeded(1)).await.unwrap()
    }

    #[tokio::test]
    async fn sealed_credentials_open_again() {
        let opened = vault(1).open(connection(1), &sealed().await).await.unwrap();
        assert_eq!(opened.get("access_token").unwrap().expose_secret(), "EAAtoken");
        assert!(!serde_json::to_string(&sealed().await).unwrap().contains("EAA"));
    }

    #[tokio::test]
    async fn another_key_or_connection_opens_nothing() {
        assert!(vault(2).open(connection(1), &sealed().await).await.is_err());
        assert!(vault(1).open(connection(2), &sealed().await).await.is_err());
        assert!(Vault::new(&"short".into()).is_err());
    }
}
