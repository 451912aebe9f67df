//! The recipient of a send request.

use serde_json::{Value, json};

use crate::errors::ApiError;
use crate::ids;

/// The recipient as the request names it, and the user it resolves to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Recipient {
    pub(crate) input: String,
    /// The key of the user.
    pub(crate) key: String,
    by_user_id: bool,
}

impl Recipient {
    /// Reads `to`; without it, `recipient`.
    pub(crate) fn parse(body: &Value, seed: u64, rewrite_wa_id: bool) -> Result<Self, ApiError> {
        match (body.get("to"), body.get("recipient")) {
            (Some(to), _) => Self::from_phone(to, rewrite_wa_id),
            (None, Some(user_id)) => Self::from_user_id(user_id, seed),
            (None, None) => Err(ApiError::missing_parameter("to")),
        }
    }

    fn from_phone(to: &Value, rewrite_wa_id: bool) -> Result<Self, ApiError> {
        let input = to.as_str().filter(|to| !to.is_empty());
        let input = input.ok_or_else(|| ApiError::missing_parameter("to"))?;
        let digits = phone_digits(input).ok_or_else(|| {
            ApiError::with_details(131_009, "Recipient is not a valid phone number")
        })?;
        Ok(Self {
            input: input.to_owned(),
            key: if rewrite_wa_id { rewritten_wa_id(digits) } else { digits },
            by_user_id: false,
        })
    }

    fn from_user_id(value: &Value, seed: u64) -> Result<Self, ApiError> {
        let id = value
            .as_str()
            .filter(|id| is_user_id(id))
            .ok_or_else(|| ApiError::with_details(131_009, "Recipient is not a valid user ID"))?;
        Ok(Self {
            input: id.to_owned(),
            key: ids::phone_of(seed, id).unwrap_or_else(|| id.to_owned()),
            by_user_id: true,
        })
    }

    /// The `contacts` item of the response.
    pub(crate) fn contact(&self) -> Value {
        if self.by_user_id {
            json!({ "input": self.input, "user_id": self.input })
        } else {
            json!({ "input": self.input, "wa_id": self.key })
        }
    }

    pub(crate) fn is_user_id(&self) -> bool {
        self.by_user_id
    }
}

/// The digits of a phone number. It may contain `+`, spaces, hyphens and
/// parentheses.
pub(crate) fn phone_digits(phone: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_digit() || "+-() ".contains(c);
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    (phone.chars().all(allowed) && (7..=15).contains(&digits.len())).then_some(digits)
}

fn is_user_id(id: &str) -> bool {
    let Some((country, rest)) = id.split_once('.') else {
        return false;
    };
    let name = rest.strip_prefix("ENT.").unwrap_or(rest);
    country.len() == 2
        && country.bytes().all(|byte| byte.is_ascii_uppercase())
        && (1..=128).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The `wa_id` of a Mexican or Brazilian phone number. A Mexican `wa_id` has a 1
/// that is not dialled. The `wa_id` of a Brazilian mobile number with an area code
/// above 30 lacks the 9 that is dialled.
fn rewritten_wa_id(digits: String) -> String {
    if let Some(rest) = digits.strip_prefix("52").filter(|rest| rest.len() == 10) {
        return format!("521{rest}");
    }
    let loses_its_9 = |rest: &&str| rest.len() == 11 && &rest[..2] > "30" && &rest[2..3] == "9";
    match digits.strip_prefix("55").filter(loses_its_9) {
        Some(rest) => format!("55{}{}", &rest[..2], &rest[3..]),
        None => digits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_number_may_contain_punctuation() {
        for phone in ["+1 (415) 555-0101", "14155550101", "+14155550101"] {
            let recipient = Recipient::parse(&json!({ "to": phone }), 1, false).unwrap();
            assert_eq!(recipient.contact(), json!({ "input": phone, "wa_id": "14155550101" }));
        }
        for invalid in ["", "abc", "+12", "1415555010112345678", "+1415x5550101"] {
            assert!(Recipient::parse(&json!({ "to": invalid }), 1, false).is_err(), "{invalid}");
        }
    }

    #[test]
    fn a_user_id_resolves_to_the_user_of_its_phone_number() {
        let id = ids::user_id(1, "14155550101").unwrap();
        let recipient = Recipient::parse(&json!({ "recipient": id }), 1, false).unwrap();
        assert_eq!(recipient.key, "14155550101");
        assert_eq!(recipient.contact(), json!({ "input": id, "user_id": id }));
        let both = json!({ "to": "+60123456789", "recipient": id });
        assert_eq!(Recipient::parse(&both, 1, false).unwrap().key, "60123456789");
    }

    #[test]
    fn mexican_and_brazilian_wa_ids_are_rewritten() {
        assert_eq!(rewritten_wa_id("525512345678".into()), "5215512345678");
        assert_eq!(rewritten_wa_id("5541987654321".into()), "554187654321");
        assert_eq!(rewritten_wa_id("5511987654321".into()), "5511987654321");
    }
}
