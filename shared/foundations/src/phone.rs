//! Phone numbers: parsed once at the edge, valid by construction inside.

use std::fmt;

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat};
use serde::{Deserialize, Serialize};

use crate::country::Country;

/// A phone number in E.164 form, such as `+573001234567`. Its `Debug` form is
/// masked, so that it can't slip into a log.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Phone(String);

/// Why a text is not a phone number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PhoneError {
    /// Nothing was there.
    #[error("the phone number is empty")]
    Empty,
    /// A national number came without a country to read it in.
    #[error(
        "the number has no country code: write it as +<country><number>, or give the campaign a default_country"
    )]
    NoCountry,
    /// It can't be a number of that country.
    #[error("not a valid phone number")]
    Invalid,
}

impl Phone {
    /// Reads a number in international form, or in the national form of
    /// `default_country`. Spaces, dashes, dots, brackets and a leading `00` are
    /// understood; letters are not.
    pub fn parse(text: &str, default_country: Option<Country>) -> Result<Self, PhoneError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(PhoneError::Empty);
        }
        if text.len() > 40 || text.chars().any(char::is_alphabetic) {
            return Err(PhoneError::Invalid);
        }
        let international = text.strip_prefix("00").map(|rest| format!("+{rest}"));
        let text = international.as_deref().unwrap_or(text);
        if default_country.is_none() && !text.starts_with(['+', '＋']) {
            return Err(PhoneError::NoCountry);
        }
        let region = default_country.and_then(Country::region);
        let number = PHONE_NUMBER_UTIL.parse(text, region).map_err(|_| PhoneError::Invalid)?;
        if !number.is_valid() {
            return Err(PhoneError::Invalid);
        }
        Ok(Self(number.format_as(PhoneNumberFormat::E164).into_owned()))
    }

    /// Reads WhatsApp's form of a number (`wa_id`): digits without the plus.
    pub fn from_wa_id(wa_id: &str) -> Result<Self, PhoneError> {
        let digits = wa_id.strip_prefix('+').unwrap_or(wa_id);
        let plausible = (7..=15).contains(&digits.len());
        if !plausible || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(PhoneError::Invalid);
        }
        Ok(Self(format!("+{digits}")))
    }

    /// The E.164 text, with the plus.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The country that the number belongs to, [`Country::UNKNOWN`] where the
    /// numbering plan does not reveal it.
    pub fn country(&self) -> Country {
        let region = PHONE_NUMBER_UTIL.parse(&self.0, None).ok().and_then(|n| n.get_region_code());
        region.map_or(Country::UNKNOWN, Country::of_region)
    }

    /// The number with all but its last two digits hidden, for logs and screens.
    pub fn masked(&self) -> String {
        let visible = self.0.len().saturating_sub(2);
        format!("+…{}", &self.0[visible..])
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl TryFrom<String> for Phone {
    type Error = PhoneError;

    /// Takes E.164 text, as stored; national forms go through [`Phone::parse`].
    fn try_from(text: String) -> Result<Self, PhoneError> {
        if !text.starts_with('+') {
            return Err(PhoneError::NoCountry);
        }
        Self::from_wa_id(&text)
    }
}

impl From<Phone> for String {
    fn from(phone: Phone) -> String {
        phone.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, country: &str) -> Result<String, PhoneError> {
        Phone::parse(text, Some(country.parse().unwrap())).map(String::from)
    }

    #[test]
    fn ten_national_styles_become_e164() {
        for (text, country, expected) in [
            ("300 123 4567", "CO", "+573001234567"),
            ("(300) 123-4567", "CO", "+573001234567"),
            ("+57 300 1234567", "US", "+573001234567"),
            ("0057 300.123.4567", "CO", "+573001234567"),
            ("(11) 91234-5678", "BR", "+5511912345678"),
            ("55 1234 5678", "MX", "+525512345678"),
            ("07911 123456", "GB", "+447911123456"),
            ("0151 23456789", "DE", "+4915123456789"),
            ("06 12 34 56 78", "FR", "+33612345678"),
            ("098765 43210", "IN", "+919876543210"),
            ("(202) 555-0173", "US", "+12025550173"),
            ("0812-3456-7890", "ID", "+6281234567890"),
        ] {
            assert_eq!(parse(text, country).as_deref(), Ok(expected), "{text} in {country}");
        }
    }

    #[test]
    fn what_is_not_a_number_says_why() {
        assert_eq!(parse("", "CO"), Err(PhoneError::Empty));
        assert_eq!(parse("12", "CO"), Err(PhoneError::Invalid));
        assert_eq!(parse("maria", "CO"), Err(PhoneError::Invalid));
        assert_eq!(parse(&"9".repeat(400), "CO"), Err(PhoneError::Invalid));
        assert_eq!(Phone::parse("3001234567", None), Err(PhoneError::NoCountry));
    }

    #[test]
    fn a_number_belongs_to_a_country() {
        for (phone, country) in
            [("573001234567", "CO"), ("12025550173", "US"), ("16135550173", "CA")]
        {
            let phone = Phone::from_wa_id(phone).unwrap();
            assert_eq!(phone.country().as_str(), country);
        }
    }

    #[test]
    fn debug_hides_the_number() {
        let phone = Phone::from_wa_id("573001234567").unwrap();
        assert_eq!(format!("{phone:?}"), "+…67");
    }
}
