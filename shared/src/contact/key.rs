use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::phone::{Phone, PhoneError};

/// How a contact is known: by phone, or by WhatsApp's business-scoped user id
/// (BSUID) when Meta withholds the phone.
/// Source: Meta, "Business-scoped user IDs" (July 2026).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ContactKey {
    /// A phone number in E.164.
    Phone(Phone),
    /// A business-scoped user id.
    Bsuid(Bsuid),
    /// Nobody: it stands in a campaign for someone who was erased.
    Erased(Pseudonym),
}

/// A random text in place of the key of someone who was erased; each campaign they
/// were in has another one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pseudonym(String);

/// A business-scoped user id such as `CO.1349…`: a country, a dot, and up to
/// 128 letters and digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bsuid(String);

/// Why a text is not a contact's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContactKeyError {
    /// It starts like a phone but isn't one.
    #[error(transparent)]
    Phone(#[from] PhoneError),
    /// It is neither form.
    #[error("expected a phone in E.164 (+573001234567) or a business-scoped user id (CO.1349…)")]
    Neither,
}

impl ContactKey {
    /// The stored text: `+573001234567` or `CO.1349…`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Phone(phone) => phone.as_str(),
            Self::Bsuid(Bsuid(id)) | Self::Erased(Pseudonym(id)) => id,
        }
    }

    /// The country: a phone's calling code (`57`), or the two letters that a
    /// business-scoped user id begins with (`CO`); nothing for who was erased.
    pub fn country(&self) -> String {
        match self {
            Self::Phone(phone) => phone.calling_code().to_owned(),
            Self::Bsuid(Bsuid(id)) => id.chars().take(2).collect(),
            Self::Erased(_) => String::new(),
        }
    }

    /// The two-letter ISO country, where that can be told.
    pub fn iso_country(&self) -> Option<String> {
        match self {
            Self::Phone(phone) => phone.country(),
            Self::Bsuid(_) => Some(self.country()),
            Self::Erased(_) => None,
        }
    }

    /// The phone, when that is how the contact is known.
    pub fn phone(&self) -> Option<&Phone> {
        match self {
            Self::Phone(phone) => Some(phone),
            Self::Bsuid(_) | Self::Erased(_) => None,
        }
    }
}

impl Bsuid {
    /// Checks the shape `^[A-Z]{2}\.(ENT\.)?[0-9A-Za-z]{1,128}$`.
    pub fn parse(text: &str) -> Result<Self, ContactKeyError> {
        let (country, rest) = text.split_once('.').ok_or(ContactKeyError::Neither)?;
        let id = rest.strip_prefix("ENT.").unwrap_or(rest);
        let country_ok = country.len() == 2 && country.bytes().all(|b| b.is_ascii_uppercase());
        let id_ok = (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric());
        if country_ok && id_ok { Ok(Self(text.to_owned())) } else { Err(ContactKeyError::Neither) }
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Pseudonym {
    /// Sorts before every pseudonym, and after every phone and user id.
    pub const FIRST: &'static str = ERASED;

    /// A new one of 16 random bytes.
    pub fn new(bytes: [u8; 16]) -> Self {
        Self(format!("{ERASED}{}", hex::encode(bytes)))
    }

    fn parse(text: &str) -> Option<Self> {
        let id = text.strip_prefix(ERASED)?;
        let fits = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        fits.then(|| Self(text.to_owned()))
    }
}

/// What a pseudonym begins with, and no other key.
const ERASED: &str = "erased.";

impl FromStr for ContactKey {
    type Err = ContactKeyError;

    fn from_str(text: &str) -> Result<Self, ContactKeyError> {
        if text.starts_with('+') {
            return Ok(Self::Phone(Phone::try_from(text.to_owned())?));
        }
        if let Some(pseudonym) = Pseudonym::parse(text) {
            return Ok(Self::Erased(pseudonym));
        }
        Bsuid::parse(text).map(Self::Bsuid)
    }
}

impl TryFrom<String> for ContactKey {
    type Error = ContactKeyError;

    fn try_from(text: String) -> Result<Self, ContactKeyError> {
        text.parse()
    }
}

impl From<ContactKey> for String {
    fn from(key: ContactKey) -> String {
        key.as_str().to_owned()
    }
}

impl From<Phone> for ContactKey {
    fn from(phone: Phone) -> Self {
        Self::Phone(phone)
    }
}

impl fmt::Debug for ContactKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Phone(phone) => fmt::Debug::fmt(phone, f),
            Self::Bsuid(id) => fmt::Debug::fmt(id, f),
            Self::Erased(Pseudonym(id)) => f.write_str(id),
        }
    }
}

impl fmt::Debug for Bsuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.…", &self.0[..2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_reads_back() {
        let erased = Pseudonym::new([7; 16]).0;
        for text in ["+573001234567", "CO.13491208655302741918", "US.ENT.506a", &erased] {
            let key: ContactKey = text.parse().unwrap();
            assert_eq!(key.as_str(), text);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "573001234567", "co.1", "CO.", "CO.a b", "+57a", "CO#1", "erased.07"] {
            assert!(text.parse::<ContactKey>().is_err(), "{text}");
        }
    }

    #[test]
    fn debug_hides_the_person() {
        let key: ContactKey = "+573001234567".parse().unwrap();
        assert!(!format!("{key:?}").contains("300123"));
    }
}
