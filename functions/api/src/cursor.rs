//! Cursors of lists: sealed, so that a client can neither read nor make one.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use carillon::address_key::{AddressKeyError, AddressKeys};
use carillon::channel::FieldCode;
use carillon::ids::IdSource;
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::problem::{Answer, Problem};

/// What the key of the cursors is derived for.
const PURPOSE: &[u8] = b"carillon cursors";
/// Bytes of a nonce.
const NONCE: usize = 24;

/// Seals and opens cursors with a key that is derived from the deployment's address key, so that
/// all processes have the same one.
pub struct Cursors {
    cipher: XChaCha20Poly1305,
    ids: IdSource,
}

impl Cursors {
    /// The cursors of a deployment.
    ///
    /// # Errors
    /// The key is not known.
    pub async fn of(keys: &AddressKeys, ids: &IdSource) -> Result<Self, AddressKeyError> {
        Ok(Self::with(keys.derive(PURPOSE).await?, ids))
    }

    /// The cursors of a deployment that has no address key yet, under a key that is no secret.
    /// It gets none for its cursors' sake: data that moves in brings the key of its own, and
    /// before the first connection no list is about people.
    pub(crate) fn before_the_key(ids: &IdSource) -> Self {
        Self::with([0; 32], ids)
    }

    fn with(key: [u8; 32], ids: &IdSource) -> Self {
        Self { cipher: XChaCha20Poly1305::new(&Key::from(key)), ids: ids.clone() }
    }

    /// What a cursor holds; `None` where it is not one of this deployment.
    pub fn open(&self, cursor: &str) -> Option<Vec<u8>> {
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
        self.cipher.decrypt(&XNonce::from(*nonce), sealed).ok()
    }

    fn seal(&self, plain: &[u8]) -> Option<String> {
        let nonce = self.ids.bytes::<NONCE>();
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), plain).ok()?;
        Some(BASE64_URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat()))
    }

    /// Writes a place in a list as a cursor.
    pub(crate) fn write(&self, place: &impl Serialize) -> Option<String> {
        self.seal(&serde_json::to_vec(place).ok()?)
    }

    /// Reads a cursor back.
    pub(crate) fn read<T: DeserializeOwned>(&self, cursor: Option<&str>) -> Answer<Option<T>> {
        let parse = |text| serde_json::from_slice(&self.open(text)?).ok();
        let given = cursor.filter(|text| !text.is_empty());
        given.map(|text| parse(text).ok_or_else(unknown)).transpose()
    }
}

impl std::fmt::Debug for Cursors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cursors").finish_non_exhaustive()
    }
}

/// A cursor that this list never gave.
pub(crate) fn unknown() -> Problem {
    let reason = "is not one that this list gave; leave it out to start anew";
    Problem::parameter("cursor", FieldCode::Invalid, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn cursors(letter: &str) -> Cursors {
        let key = base64::prelude::BASE64_STANDARD.encode(letter.repeat(32));
        let keys = AddressKeys::fixed(&key.into()).unwrap();
        Cursors::of(&keys, &IdSource::seeded(1)).await.unwrap()
    }

    #[tokio::test]
    async fn only_this_deployment_reads_a_cursor_that_nobody_changed() {
        let (ours, theirs) = (cursors("a").await, cursors("b").await);
        let cursor = ours.write(&"con_1").unwrap();
        assert_eq!(ours.read::<String>(Some(&cursor)).unwrap().as_deref(), Some("con_1"));
        assert!(theirs.read::<String>(Some(&cursor)).is_err());
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(&cursor).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("con_1"));
        for changed in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[changed] ^= 1;
            assert_eq!(ours.open(&BASE64_URL_SAFE_NO_PAD.encode(bytes)), None, "{changed}");
        }
        for wrong in ["x", "AAAA", "é"] {
            assert!(ours.read::<String>(Some(wrong)).is_err());
        }
    }
}
