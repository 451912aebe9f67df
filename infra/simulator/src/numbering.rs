//! Phone numbers: how requests write them, and the `wa_id` that WhatsApp gives them.

use std::collections::HashSet;

use crate::config::{Config, MexicanWaIds};

/// The rules that turn a written phone number into a `wa_id`. All spellings of one
/// number have the same `wa_id`.
pub(crate) struct Numbering {
    rewrite_wa_ids: bool,
    mexican_wa_ids: MexicanWaIds,
    /// The digits of numbers that are never rewritten.
    fixed_lines: HashSet<String>,
    prepend_country_code: bool,
}

impl Numbering {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            rewrite_wa_ids: config.rewrite_wa_ids,
            mexican_wa_ids: config.mexican_wa_ids,
            fixed_lines: config.fixed_lines.iter().filter_map(|line| phone_digits(line)).collect(),
            prepend_country_code: config.prepend_country_code,
        }
    }

    /// The address of a user in the simulator: the `wa_id` of a phone number.
    /// Anything else is a user id.
    pub(crate) fn address(&self, phone_or_user_id: &str) -> String {
        match phone_digits(phone_or_user_id) {
            Some(digits) => self.wa_id(digits),
            None => phone_or_user_id.to_owned(),
        }
    }

    /// The `wa_id` that a send request's `to` reaches. `None`: not a phone number.
    pub(crate) fn recipient(&self, to: &str, business_number: &str) -> Option<String> {
        let digits = phone_digits(to)?;
        let is_international = !self.prepend_country_code || to.trim_start().starts_with('+');
        let digits = if is_international { digits } else { prepended(digits, business_number)? };
        Some(self.wa_id(digits))
    }

    /// The `wa_id` of these digits: a phone number with its country code.
    fn wa_id(&self, digits: String) -> String {
        if !self.rewrite_wa_ids || self.fixed_lines.contains(&digits) {
            return digits;
        }
        let rewritten = match digits.split_at_checked(2) {
            Some(("52", national)) => mexican(national, self.mexican_wa_ids),
            Some(("54", national)) => argentine(national),
            Some(("55", national)) => brazilian(national),
            _ => None,
        };
        rewritten.unwrap_or(digits)
    }
}

/// The digits of a phone number. It may contain spaces, hyphens and parentheses,
/// and start with `+`.
pub(crate) fn phone_digits(phone: &str) -> Option<String> {
    let phone = phone.trim();
    let phone = phone.strip_prefix('+').unwrap_or(phone);
    let allowed = |c: char| c.is_ascii_digit() || "-() ".contains(c);
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    (phone.chars().all(allowed) && (7..=15).contains(&digits.len())).then_some(digits)
}

/// Puts the country code of the business number in front of a number without `+`.
///
/// Meta documents this for every number without `+`. Numbers that start with the
/// country code arrive unchanged in practice, so the simulator leaves them alone.
fn prepended(digits: String, business_number: &str) -> Option<String> {
    let business_number = phone_digits(business_number)?;
    let country_code = &business_number[..country_code_length(&business_number)];
    if digits.starts_with(country_code) {
        return Some(digits);
    }
    Some(format!("{country_code}{digits}")).filter(|digits| digits.len() <= 15)
}

fn country_code_length(digits: &str) -> usize {
    const TWO_DIGITS: [&str; 44] = [
        "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46",
        "47", "48", "49", "51", "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63",
        "64", "65", "66", "81", "82", "84", "86", "90", "91", "92", "93", "94", "95", "98",
    ];
    match digits.as_bytes() {
        [b'1' | b'7', ..] => 1,
        _ if TWO_DIGITS.contains(&&digits[..2]) => 2,
        _ => 3,
    }
}

/// A Mexican number is dialled with or without a 1 after the country code.
fn mexican(national: &str, form: MexicanWaIds) -> Option<String> {
    let subscriber = match national.len() {
        10 => national,
        11 => national.strip_prefix('1')?,
        _ => return None,
    };
    Some(match form {
        MexicanWaIds::With1 => format!("521{subscriber}"),
        MexicanWaIds::Without1 => format!("52{subscriber}"),
    })
}

/// The `wa_id` of an Argentine mobile number has a 9 after the country code, and no
/// 15 after the area code.
fn argentine(national: &str) -> Option<String> {
    let national = match national.len() {
        10 => national.to_owned(),
        12 => without_15(national)?,
        _ => return None,
    };
    Some(format!("549{national}"))
}

/// Removes the 15 between the area code and the number. Area codes have 2 (Buenos
/// Aires: 11), 3 or 4 digits.
fn without_15(national: &str) -> Option<String> {
    let lengths: &[usize] = if national.starts_with("11") { &[2] } else { &[3, 4] };
    let area = lengths.iter().find(|length| national[**length..].starts_with("15"))?;
    Some(format!("{}{}", &national[..*area], &national[*area + 2..]))
}

/// Brazilian mobile numbers got a ninth digit, a 9 in front. WhatsApp knows it for
/// area codes up to 28. It does not know it for area codes from 31 on, except where
/// the rest would be a fixed line: those mobile numbers never had eight digits.
fn brazilian(national: &str) -> Option<String> {
    let (area, subscriber) = national.split_at_checked(2)?;
    let has_ninth_digit = area <= "28";
    match (has_ninth_digit, subscriber.len()) {
        (true, 8) if is_old_mobile(subscriber) => Some(format!("55{area}9{subscriber}")),
        (false, 9) => {
            let old = subscriber.strip_prefix('9').filter(|old| is_old_mobile(old))?;
            Some(format!("55{area}{old}"))
        }
        _ => None,
    }
}

/// Whether eight digits were a mobile number. Fixed lines start with 2 to 5.
fn is_old_mobile(subscriber: &str) -> bool {
    subscriber.as_bytes().first().is_some_and(|digit| (b'6'..=b'9').contains(digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbering(config: Config) -> Numbering {
        Numbering::new(&Config { rewrite_wa_ids: true, ..config })
    }

    fn assert_wa_ids(numbering: &Numbering, cases: &[(&str, &str)]) {
        for (phone, wa_id) in cases {
            assert_eq!(numbering.address(phone), *wa_id, "{phone}");
        }
    }

    #[test]
    fn a_phone_number_may_contain_punctuation() {
        for phone in ["+1 (415) 555-0101", "14155550101", "+14155550101", " 1-415-555-0101"] {
            assert_eq!(phone_digits(phone).as_deref(), Some("14155550101"), "{phone}");
        }
        for invalid in ["", "abc", "+12", "1415555010112345678", "+1415x5550101", "1+4155550101"] {
            assert_eq!(phone_digits(invalid), None, "{invalid}");
        }
    }

    #[test]
    fn all_spellings_of_a_mexican_number_have_one_wa_id() {
        let spellings = ["+52 55 1234 5678", "+52 1 55 1234 5678"];
        for (mexican_wa_ids, wa_id) in
            [(MexicanWaIds::With1, "5215512345678"), (MexicanWaIds::Without1, "525512345678")]
        {
            let numbering = numbering(Config { mexican_wa_ids, ..Config::default() });
            assert_wa_ids(&numbering, &spellings.map(|phone| (phone, wa_id)));
        }
    }

    #[test]
    fn an_argentine_mobile_number_has_a_9_and_a_fixed_line_has_none() {
        let fixed_lines = vec!["+54 11 4321-0000".into()];
        let numbering = numbering(Config { fixed_lines, ..Config::default() });
        assert_wa_ids(
            &numbering,
            &[
                ("+54 11 2345-6789", "5491123456789"),
                ("+54 9 11 2345-6789", "5491123456789"),
                ("+54 11 15 2345-6789", "5491123456789"),
                ("+54 351 15 234-5678", "5493512345678"),
                ("+54 2901 15 23-4567", "5492901234567"),
                ("+54 11 4321-0000", "541143210000"),
                ("+54 9 11 4321-0000", "5491143210000"),
            ],
        );
    }

    #[test]
    fn the_area_code_decides_about_the_brazilian_ninth_digit() {
        assert_wa_ids(
            &numbering(Config::default()),
            &[
                ("+55 41 98765-4321", "554187654321"),
                ("+55 41 8765-4321", "554187654321"),
                ("+55 11 98765-4321", "5511987654321"),
                ("+55 11 8765-4321", "5511987654321"),
                ("+55 11 3765-4321", "551137654321"),
                ("+55 41 93765-4321", "5541937654321"),
            ],
        );
    }

    #[test]
    fn numbers_are_only_rewritten_on_request() {
        let numbering = Numbering::new(&Config::default());
        assert_wa_ids(&numbering, &[("+541123456789", "541123456789"), ("US.1", "US.1")]);
    }

    #[test]
    fn a_number_without_plus_gets_the_business_numbers_country_code() {
        let config = Config { prepend_country_code: true, ..Config::default() };
        let numbering = Numbering::new(&config);
        let recipient = |to, business| numbering.recipient(to, business);
        let india = "+91 98765 43210";
        assert_eq!(recipient("+16315551234", india).as_deref(), Some("16315551234"));
        assert_eq!(recipient("(631) 555-1234", india).as_deref(), Some("916315551234"));
        assert_eq!(recipient("1 (631) 555-1234", india).as_deref(), Some("9116315551234"));
        assert_eq!(recipient("91 98765 00000", india).as_deref(), Some("919876500000"));
        assert_eq!(recipient("23456789", "+351 912 345 678").as_deref(), Some("35123456789"));
        let default = Numbering::new(&Config::default());
        assert_eq!(default.recipient("16315551234", india).as_deref(), Some("16315551234"));
    }
}
