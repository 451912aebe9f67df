//! Meta's escaping of webhook bodies, and its signature over them.

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Escapes non-ASCII characters as `\uXXXX` in lower-case hex, as Meta does.
pub(crate) fn escape_non_ascii(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() {
            escaped.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "\\u{unit:04x}");
        }
    }
    escaped
}

/// The value of `X-Hub-Signature-256`.
pub(crate) fn header(secret: &str, body: &[u8]) -> String {
    let digest = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
        .map(|mac| mac.chain_update(body).finalize().into_bytes());
    format!("sha256={}", digest.map(hex::encode).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_matches_a_known_value() {
        let body = br#"{"object":"whatsapp_business_account","entry":[]}"#;
        let expected = "sha256=dec6a680679a968e7e0319355b23599cbfc54502c0784668e9618baa0c633756";
        assert_eq!(header("test_app_secret", body), expected);
    }

    #[test]
    fn non_ascii_characters_are_escaped_in_lower_case() {
        let escaped = escape_non_ascii("{\"a\":\"Hola ñ 你好 😀\"}");
        assert_eq!(escaped, r#"{"a":"Hola \u00f1 \u4f60\u597d \ud83d\ude00"}"#);
        let read: serde_json::Value = serde_json::from_str(&escaped).unwrap();
        assert_eq!(read["a"], "Hola ñ 你好 😀");
    }
}
