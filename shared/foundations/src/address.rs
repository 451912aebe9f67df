//! The addresses of contacts: a scheme (phone, BSUID) and a value.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::country::Country;
use crate::phone::{Phone, PhoneError};

/// An address of a contact: a phone number, or WhatsApp's business-scoped user
/// id (BSUID) where Meta withholds the phone number. Its `Debug` form is masked.
/// Source: Meta, "Business-scoped user IDs" (July 2026).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Address {
    /// A phone number in E.164.
    Phone(Phone),
    /// A business-scoped user id.
    Bsuid(Bsuid),
}

/// The kind of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// A phone number in E.164.
    Phone,
    /// A business-scoped user id of WhatsApp.
    Bsuid,
}

/// A business-scoped user id such as `CO.1349…`: a country, a dot, and up to
/// 128 letters and digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bsuid(String);

/// Why a text is not an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It starts with a plus but is not a phone number.
    #[error(transparent)]
    Phone(#[from] PhoneError),
    /// It has no known form.
    #[error("expected a phone in E.164 (+573001234567) or a business-scoped user id (CO.1349…)")]
    UnknownForm,
}

impl Address {
    /// The stored text, such as `+573001234567` or `CO.1349…`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Phone(phone) => phone.as_str(),
            Self::Bsuid(Bsuid(id)) => id,
        }
    }

    /// The scheme of the address.
    pub fn scheme(&self) -> Scheme {
        match self {
            Self::Phone(_) => Scheme::Phone,
            Self::Bsuid(_) => Scheme::Bsuid,
        }
    }

    /// The country, [`Country::UNKNOWN`] where the address does not reveal it.
    pub fn country(&self) -> Country {
        match self {
            Self::Phone(phone) => phone.country(),
            Self::Bsuid(Bsuid(id)) => id[..2].parse().unwrap_or(Country::UNKNOWN),
        }
    }

    /// The phone number, if the address is one.
    pub fn phone(&self) -> Option<&Phone> {
        match self {
            Self::Phone(phone) => Some(phone),
            Self::Bsuid(_) => None,
        }
    }
}

impl Scheme {
    /// All schemes.
    pub const ALL: [Self; 2] = [Self::Phone, Self::Bsuid];

    /// The word in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::Bsuid => "bsuid",
        }
    }
}

impl Bsuid {
    /// Checks the shape `^[A-Z]{2}\.(ENT\.)?[0-9A-Za-z]{1,128}$`.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (country, rest) = text.split_once('.').ok_or(AddressError::UnknownForm)?;
        let id = rest.strip_prefix("ENT.").unwrap_or(rest);
        let country_ok = country.len() == 2 && country.bytes().all(|b| b.is_ascii_uppercase());
        let id_ok = (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric());
        if country_ok && id_ok { Ok(Self(text.to_owned())) } else { Err(AddressError::UnknownForm) }
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.starts_with('+') {
            return Ok(Self::Phone(Phone::try_from(text.to_owned())?));
        }
        Bsuid::parse(text).map(Self::Bsuid)
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> String {
        address.as_str().to_owned()
    }
}

impl From<Phone> for Address {
    fn from(phone: Phone) -> Self {
        Self::Phone(phone)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Phone(phone) => fmt::Debug::fmt(phone, f),
            Self::Bsuid(id) => fmt::Debug::fmt(id, f),
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
        for text in ["+573001234567", "CO.13491208655302741918", "US.ENT.506a"] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.as_str(), text);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "573001234567", "co.1", "CO.", "CO.a b", "+57a", "CO#1", "erased.07"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    #[test]
    fn debug_hides_the_person() {
        let address: Address = "+573001234567".parse().unwrap();
        assert!(!format!("{address:?}").contains("300123"));
    }
}
