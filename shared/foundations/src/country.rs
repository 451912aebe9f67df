//! Countries by ISO 3166-1 alpha-2 code.

use std::fmt;
use std::str::FromStr;

use rlibphonenumber::PHONE_NUMBER_UTIL;
use rlibphonenumber::enums::Region;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A country by its two-letter ISO 3166-1 code, such as `CO`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, example = "CO", pattern = "^[A-Z]{2}$")]
pub struct Country([u8; 2]);

/// A text that is not a country.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a two-letter ISO country code such as CO, MX or US")]
pub struct CountryError;

impl Country {
    /// The country of an address that does not reveal one. Source: Unicode CLDR,
    /// "unknown region".
    pub const UNKNOWN: Self = Self(*b"ZZ");

    /// The code, two upper-case letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("ZZ")
    }

    /// The country for the phone number library; none for [`Country::UNKNOWN`].
    pub(crate) fn region(self) -> Option<Region> {
        // The library parses any two letters as a region.
        let region: Region = self.as_str().parse().ok()?;
        PHONE_NUMBER_UTIL.get_country_code_for_region(region).map(|_| region)
    }

    pub(crate) fn of_region(region: Region) -> Self {
        format!("{region:?}").parse().unwrap_or(Self::UNKNOWN)
    }
}

impl FromStr for Country {
    type Err = CountryError;

    fn from_str(text: &str) -> Result<Self, CountryError> {
        let code = text.to_ascii_uppercase();
        let letters: [u8; 2] = code.as_bytes().try_into().map_err(|_| CountryError)?;
        let country = Self(letters);
        if country == Self::UNKNOWN || country.region().is_some() {
            return Ok(country);
        }
        Err(CountryError)
    }
}

impl TryFrom<String> for Country {
    type Error = CountryError;

    fn try_from(text: String) -> Result<Self, CountryError> {
        text.parse()
    }
}

impl From<Country> for String {
    fn from(country: Country) -> Self {
        country.as_str().to_owned()
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_reads_back_in_upper_case() {
        for (text, code) in [("co", "CO"), ("US", "US"), ("zz", "ZZ")] {
            assert_eq!(text.parse::<Country>().unwrap().to_string(), code);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "C", "COL", "57", "QQ", "é"] {
            assert_eq!(text.parse::<Country>(), Err(CountryError), "{text}");
        }
    }
}
