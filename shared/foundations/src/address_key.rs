//! The key under which the table keeps addresses: no phone number is readable in it.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use tokio::sync::OnceCell;

use crate::address::{Address, Scheme};
use crate::aws::AwsConfig;
use crate::config::Config;
use crate::ids::IdSource;
use crate::parameter::{ParameterError, ParameterStore};
use crate::time::Clock;

/// The name of the parameter below the prefix of the connections' credentials.
const PARAMETER: &str = "address-key";
/// What the fingerprint of a key is the HMAC of: no address.
const FINGERPRINTED: &[u8] = b"carillon address key";

/// The HMAC-SHA-256 of an address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressHash {
    /// The scheme of the address.
    pub scheme: Scheme,
    /// The hash in lower-case hex, 64 characters.
    pub hash: String,
}

/// Why the address key is not known.
#[derive(Debug, thiserror::Error)]
pub enum AddressKeyError {
    /// This process was given none: it handles no addresses.
    #[error("this process has no address key")]
    Unset,
    /// The environment names neither a prefix nor a key.
    #[error("CARILLON_SECRETS_PREFIX or CARILLON_ADDRESS_KEY must be set")]
    NotConfigured,
    /// The key has the wrong form.
    #[error("CARILLON_ADDRESS_KEY must be 32 bytes in base64, as `openssl rand -base64 32` prints")]
    Form,
    /// The table's addresses were hashed with another one.
    #[error("the address key is not the one of this table: restore it from a backup")]
    Different,
    /// The Parameter Store.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
}

/// Hashes addresses with the deployment's address key: 32 bytes that never change, since
/// every stored address is found by its hash.
///
/// The key is made once. It lies in AWS's Parameter Store as a `SecureString`, or in a file
/// that only its owner may read.
#[derive(Clone)]
pub struct AddressKeys(Arc<Source>);

enum Source {
    None,
    Fixed([u8; 32]),
    Parameter { store: ParameterStore, ids: IdSource, known: OnceCell<[u8; 32]> },
}

impl AddressKeys {
    /// The key of the configuration: a parameter where a prefix is set, otherwise the
    /// variable.
    pub fn of(
        config: &Config,
        aws: &AwsConfig,
        clock: &Clock,
        ids: &IdSource,
    ) -> Result<Self, AddressKeyError> {
        let Some(prefix) = config.secrets_prefix() else {
            let key = config.address_key().map_err(|_| AddressKeyError::NotConfigured)?;
            return Self::fixed(&key);
        };
        let endpoint = config.parameters_url();
        let store = ParameterStore::new(&aws.other, endpoint, &prefix, clock.clone())?;
        let known = OnceCell::new();
        Ok(Self(Arc::new(Source::Parameter { store, ids: ids.clone(), known })))
    }

    /// No key, for a process that handles no addresses.
    pub fn none() -> Self {
        Self(Arc::new(Source::None))
    }

    /// That key, 32 bytes in base64.
    pub fn fixed(key: &SecretString) -> Result<Self, AddressKeyError> {
        Ok(Self(Arc::new(Source::Fixed(decode(key)?))))
    }

    /// Takes over the key of another deployment, where this one has none yet.
    ///
    /// # Errors
    /// The key has the wrong form, or the Parameter Store fails.
    pub async fn adopt(&self, key: &SecretString) -> Result<(), AddressKeyError> {
        decode(key)?;
        if let Source::Parameter { store, .. } = &*self.0 {
            store.create(PARAMETER, key).await?;
        }
        Ok(())
    }

    /// Makes the key where there is none yet.
    ///
    /// # Errors
    /// The Parameter Store fails, or refuses to write it to this process.
    pub async fn create(&self) -> Result<(), AddressKeyError> {
        if let Source::Parameter { store, ids, .. } = &*self.0
            && let Err(ParameterError::Missing(_)) = store.get(PARAMETER).await
        {
            // Where another process has created it meanwhile, theirs counts.
            store.create(PARAMETER, &BASE64_STANDARD.encode(ids.bytes::<32>()).into()).await?;
        }
        Ok(())
    }

    /// Names the key without revealing it: the HMAC of a constant, in hex.
    ///
    /// # Errors
    /// The key is not known.
    pub async fn fingerprint(&self) -> Result<String, AddressKeyError> {
        self.hmac(FINGERPRINTED).await
    }

    /// Hashes an address.
    ///
    /// # Errors
    /// The key is not known.
    pub async fn hash(&self, address: &Address) -> Result<AddressHash, AddressKeyError> {
        let hash = self.hmac(address.as_str().as_bytes()).await?;
        Ok(AddressHash { scheme: address.scheme(), hash })
    }

    /// A key for another purpose, which all processes of the deployment share: the HMAC of the
    /// purpose, which must not look like an address.
    ///
    /// # Errors
    /// The key is not known.
    pub async fn derive(&self, purpose: &[u8]) -> Result<[u8; 32], AddressKeyError> {
        let key = self.key().await?;
        let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| AddressKeyError::Form)?;
        mac.update(purpose);
        Ok(mac.finalize().into_bytes().into())
    }

    async fn hmac(&self, text: &[u8]) -> Result<String, AddressKeyError> {
        Ok(hex::encode(self.derive(text).await?))
    }

    async fn key(&self) -> Result<&[u8; 32], AddressKeyError> {
        match &*self.0 {
            Source::None => Err(AddressKeyError::Unset),
            Source::Fixed(key) => Ok(key),
            Source::Parameter { store, known, .. } => known.get_or_try_init(|| load(store)).await,
        }
    }
}

async fn load(store: &ParameterStore) -> Result<[u8; 32], AddressKeyError> {
    decode(&store.get(PARAMETER).await?)
}

fn decode(key: &SecretString) -> Result<[u8; 32], AddressKeyError> {
    let bytes = BASE64_STANDARD.decode(key.expose_secret().trim());
    bytes.ok().and_then(|bytes| bytes.try_into().ok()).ok_or(AddressKeyError::Form)
}

impl std::fmt::Debug for AddressKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match &*self.0 {
            Source::None => "AddressKeys(none)",
            Source::Fixed(_) => "AddressKeys(fixed)",
            Source::Parameter { .. } => "AddressKeys(parameter)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> AddressKeys {
        AddressKeys::fixed(&BASE64_STANDARD.encode(text).into()).unwrap()
    }

    #[tokio::test]
    async fn every_spelling_of_a_number_has_one_hash_and_it_depends_on_the_key() {
        let (ours, theirs) = (keys(&"a".repeat(32)), keys(&"b".repeat(32)));
        let (new, old) = ("+525512345678".parse().unwrap(), "+5215512345678".parse().unwrap());
        let hash = ours.hash(&new).await.unwrap();
        assert_eq!(hash, ours.hash(&old).await.unwrap());
        assert_ne!(hash, theirs.hash(&new).await.unwrap());
        assert_eq!(hash.hash.len(), 64);
    }

    #[test]
    fn a_key_of_another_length_is_refused() {
        assert!(matches!(AddressKeys::fixed(&"AAAA".into()), Err(AddressKeyError::Form)));
    }
}
