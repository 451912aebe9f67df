//! Phone numbers: parsed once at the edge, valid by construction inside.

use std::fmt;
use std::str::FromStr;

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, enums::Region};
use serde::{Deserialize, Serialize};

/// A phone number in E.164 form, such as `+573001234567`. Its `Debug` form is
/// masked, so that it can't slip into a log.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Phone(String);

/// An ISO 3166 two-letter country, the default for numbers written nationally.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Country(Region);

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

/// Why a text is not a country.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a two-letter ISO country such as CO, MX or US")]
pub struct CountryError;

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
        let region = default_country.map(|country| country.0);
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

    /// The country calling code, such as `57`.
    pub fn calling_code(&self) -> &str {
        &self.0[1..=calling_code_length(&self.0[1..])]
    }

    /// The two-letter ISO country it belongs to, where that can be told.
    pub fn country(&self) -> Option<String> {
        let number = PHONE_NUMBER_UTIL.parse(&self.0, None).ok()?;
        number.get_region_code().map(|region| format!("{region:?}").to_ascii_uppercase())
    }

    /// The number with all but its last two digits hidden, for people and logs.
    pub fn masked(&self) -> String {
        let visible = self.0.len().saturating_sub(2);
        format!("+…{}", &self.0[visible..])
    }
}

/// How many digits of an international number are its country calling code: no
/// code begins another. Source: ITU-T E.164, list of assigned country codes.
fn calling_code_length(digits: &str) -> usize {
    let two = [
        "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46",
        "47", "48", "49", "51", "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63",
        "64", "65", "66", "81", "82", "84", "86", "90", "91", "92", "93", "94", "95", "98",
    ];
    match digits.as_bytes() {
        [b'1' | b'7', ..] => 1,
        _ if two.iter().any(|code| digits.starts_with(code)) => 2,
        _ => 3,
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

impl FromStr for Country {
    type Err = CountryError;

    fn from_str(text: &str) -> Result<Self, CountryError> {
        text.to_ascii_uppercase().parse::<Region>().map(Self).map_err(|_| CountryError)
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
            assert_eq!(phone.country().as_deref(), Some(country));
        }
    }

    #[test]
    fn calling_codes_have_one_to_three_digits() {
        for (phone, code) in [
            ("573001234567", "57"),
            ("12025550173", "1"),
            ("593991234567", "593"),
            ("79161234567", "7"),
        ] {
            assert_eq!(Phone::from_wa_id(phone).unwrap().calling_code(), code);
        }
    }

    #[test]
    fn debug_hides_the_number() {
        let phone = Phone::from_wa_id("573001234567").unwrap();
        assert_eq!(format!("{phone:?}"), "+…67");
    }
}
