//! Meta's signature of a webhook: an HMAC-SHA256 of the raw bytes of the body,
//! keyed with the app's secret. Source: Meta, "Webhooks: verify payloads".

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

/// The header that carries the signature.
pub const HEADER: &str = "x-hub-signature-256";

const SCHEME: &str = "sha256=";

/// Why a webhook is not from Meta.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The header has another form.
    #[error("the signature is not of the form sha256=<64 hexadecimal digits>")]
    Malformed,
    /// It belongs to other bytes or another secret.
    #[error("the signature does not match the body")]
    Mismatch,
}

/// Checks the header against the body exactly as it came over the wire, in
/// constant time.
pub fn verify(
    app_secret: &SecretString,
    raw_body: &[u8],
    header: &str,
) -> Result<(), SignatureError> {
    let digits = header.trim().strip_prefix(SCHEME).ok_or(SignatureError::Malformed)?;
    let signature = hex::decode(digits).map_err(|_| SignatureError::Malformed)?;
    mac(app_secret, raw_body).verify_slice(&signature).map_err(|_| SignatureError::Mismatch)
}

/// The header that Meta would send, for tests and for the simulator.
pub fn sign(app_secret: &SecretString, raw_body: &[u8]) -> String {
    format!("{SCHEME}{}", hex::encode(mac(app_secret, raw_body).finalize().into_bytes()))
}

fn mac(app_secret: &SecretString, raw_body: &[u8]) -> Hmac<Sha256> {
    // HMAC takes a key of any length.
    let key = app_secret.expose_secret().as_bytes();
    let mut mac = <Hmac<Sha256>>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(raw_body);
    mac
}
