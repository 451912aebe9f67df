//! Phone numbers: parsed once at the edge, valid by construction inside.

use std::fmt;

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat, ValidationError};
use serde::{Deserialize, Serialize};

use crate::country::Country;

/// A phone number in E.164 form, such as `+573001234567`, in one canonical form for each
/// subscriber:
///
/// - Mexico: without the mobile prefix `1`, which WhatsApp still has in its ids
///   (`5215512345678` is `+525512345678`).
/// - Brazil: a mobile number has its ninth digit, which WhatsApp's older ids lack
///   (`551187654321` is `+5511987654321`).
///
/// Argentina's numbers keep the form they have: without the `9` a number may be a landline
/// (see [`Phone::without_mobile_prefix`]). Source: Meta, "Phone number formats".
///
/// Its `Debug` form is masked, so that it cannot leak into a log.
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
    /// It cannot be a number of that country.
    #[error("not a valid phone number")]
    Invalid,
    /// WhatsApp reaches a number, not an extension behind it.
    #[error("the number has an extension, which no message can reach: remove it")]
    Extension,
    /// It has the form of a short code or lacks its area code.
    #[error("the number is too short: write it with its area code")]
    TooShort,
}

impl Phone {
    /// Reads a number in international form, or in the national form of
    /// `default_country`. Spaces, dashes, dots, brackets, a leading `00`, full-width
    /// digits and WhatsApp's own forms of Mexican and Brazilian numbers are understood;
    /// letters are not.
    pub fn parse(text: &str, default_country: Option<Country>) -> Result<Self, PhoneError> {
        let text: String = text.trim().chars().map(half_width).collect();
        let text = text.as_str();
        if text.is_empty() {
            return Err(PhoneError::Empty);
        }
        if text.len() > 40 {
            return Err(PhoneError::Invalid);
        }
        let international = text.strip_prefix("00").map(|rest| format!("+{rest}"));
        let text = international.as_deref().unwrap_or(text);
        if default_country.is_none() && !text.starts_with('+') {
            return Err(PhoneError::NoCountry);
        }
        let region = default_country.and_then(Country::region);
        let number = PHONE_NUMBER_UTIL.parse(text, region).map_err(|_| PhoneError::Invalid)?;
        if !number.extension().is_empty() {
            return Err(PhoneError::Extension);
        }
        if text.chars().any(char::is_alphabetic) {
            return Err(PhoneError::Invalid);
        }
        let written = number.format_as(PhoneNumberFormat::E164).into_owned();
        let phone = Self(canonical(written.clone()));
        let number = if phone.0 == written { Some(number) } else { phone.number() };
        match number {
            Some(number) if number.is_valid() => Ok(phone),
            Some(number) if number.is_possible_with_reason() == Err(ValidationError::TooShort) => {
                Err(PhoneError::TooShort)
            }
            _ => Err(PhoneError::Invalid),
        }
    }

    /// Reads WhatsApp's form of a number (`wa_id`): digits without the plus.
    pub fn from_wa_id(wa_id: &str) -> Result<Self, PhoneError> {
        let digits = wa_id.strip_prefix('+').unwrap_or(wa_id);
        let plausible = (7..=15).contains(&digits.len());
        if !plausible || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(PhoneError::Invalid);
        }
        Ok(Self(canonical(format!("+{digits}"))))
    }

    /// A mobile number of Argentina without the mobile prefix `9`: another way to write the
    /// same number, or a landline. WhatsApp's answer tells.
    pub fn without_mobile_prefix(&self) -> Option<Self> {
        let national = self.0.strip_prefix("+549").filter(|rest| rest.len() == ARGENTINA)?;
        Some(Self(format!("+54{national}")))
    }

    /// The likely twin of a number of Argentina: the same number with the mobile prefix `9`,
    /// or without it.
    pub fn likely_twin(&self) -> Option<Self> {
        let with_prefix = || {
            let national = self.0.strip_prefix("+54").filter(|rest| rest.len() == ARGENTINA)?;
            Some(Self(format!("+549{national}")))
        };
        self.without_mobile_prefix().or_else(with_prefix)
    }

    fn number(&self) -> Option<PhoneNumber> {
        PHONE_NUMBER_UTIL.parse(&self.0, None).ok()
    }

    /// The E.164 text, with the plus.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The country that the number belongs to, [`Country::UNKNOWN`] where the
    /// numbering plan does not reveal it.
    pub fn country(&self) -> Country {
        let region = self.number().and_then(|number| number.get_region_code());
        region.map_or(Country::UNKNOWN, Country::of_region)
    }

    /// The number with all but its last two digits hidden, for logs and screens.
    pub fn masked(&self) -> String {
        let visible = self.0.len().saturating_sub(2);
        format!("+…{}", &self.0[visible..])
    }
}

/// The digits of a national number of Argentina, area code included, mobile prefix excluded.
const ARGENTINA: usize = 10;

/// The ASCII form of a full-width character, which phones set to East Asian languages type.
fn half_width(character: char) -> char {
    match character {
        '！'..='～' => char::from_u32(u32::from(character) - 0xFEE0).unwrap_or(character),
        '\u{3000}' => ' ',
        other => other,
    }
}

/// The canonical form of an E.164 number, see [`Phone`].
fn canonical(e164: String) -> String {
    if let Some(national) = e164.strip_prefix("+521").filter(|national| national.len() == 10) {
        return format!("+52{national}");
    }
    if let Some(national) = e164.strip_prefix("+55").filter(|national| national.len() == 10) {
        let (area, subscriber) = national.split_at(2);
        if subscriber.starts_with(['6', '7', '8', '9']) {
            return format!("+55{area}9{subscriber}");
        }
    }
    e164
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
    fn one_subscriber_has_one_form() {
        for (text, country, expected) in [
            ("+5215512345678", "US", "+525512345678"),
            ("0052 1 55 1234 5678", "US", "+525512345678"),
            ("+52 55 1234 5678", "US", "+525512345678"),
            ("+55 11 8765-4321", "US", "+5511987654321"),
            ("(11) 98765-4321", "BR", "+5511987654321"),
            ("+55 11 3456-7890", "US", "+551134567890"),
            ("11 15-2345-6789", "AR", "+5491123456789"),
            ("011 15 2345-6789", "AR", "+5491123456789"),
            ("+54 11 2345-6789", "US", "+541123456789"),
            ("＋５７ ３００ １２３４５６７", "US", "+573001234567"),
            ("(601) 234 5678", "CO", "+576012345678"),
        ] {
            assert_eq!(parse(text, country).as_deref(), Ok(expected), "{text} in {country}");
        }
        for (wa_id, expected) in [
            ("5215512345678", "+525512345678"),
            ("551187654321", "+5511987654321"),
            ("5511987654321", "+5511987654321"),
            ("551134567890", "+551134567890"),
            ("5491123456789", "+5491123456789"),
        ] {
            assert_eq!(Phone::from_wa_id(wa_id).unwrap().as_str(), expected);
        }
    }

    #[test]
    fn only_mobile_numbers_of_argentina_may_be_written_without_a_prefix() {
        let twin =
            |wa_id| Phone::from_wa_id(wa_id).unwrap().without_mobile_prefix().map(String::from);
        assert_eq!(twin("5491123456789").as_deref(), Some("+541123456789"));
        for other in ["541123456789", "5215512345678", "573001234567"] {
            assert_eq!(twin(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_not_a_number_says_why() {
        assert_eq!(parse("+57 300 1234567 ext. 5", "CO"), Err(PhoneError::Extension));
        assert_eq!(parse("300 1234567 x5", "CO"), Err(PhoneError::Extension));
        assert_eq!(parse("85432", "CO"), Err(PhoneError::TooShort));
        assert_eq!(parse("", "CO"), Err(PhoneError::Empty));
        assert_eq!(parse("12", "CO"), Err(PhoneError::TooShort));
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
