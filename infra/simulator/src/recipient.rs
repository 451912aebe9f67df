//! The recipient of a send request.

use serde_json::{Value, json};

use crate::errors::ApiError;
use crate::numbering::Numbering;

/// The recipient as the request names it, and the address of its user.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Recipient {
    pub(crate) input: String,
    /// A `wa_id` or a user id.
    pub(crate) address: String,
    by_user_id: bool,
}

impl Recipient {
    /// Reads `to`; without it, `recipient`.
    pub(crate) fn parse(
        body: &Value,
        numbering: &Numbering,
        business_number: &str,
    ) -> Result<Self, ApiError> {
        let field = |name: &str| body.get(name).filter(|value| !value.is_null());
        match (field("to"), field("recipient")) {
            (Some(to), _) => Self::from_phone(to, numbering, business_number),
            (None, Some(user_id)) => Self::from_user_id(user_id),
            (None, None) => Err(ApiError::missing_parameter("to")),
        }
    }

    fn from_phone(
        to: &Value,
        numbering: &Numbering,
        business_number: &str,
    ) -> Result<Self, ApiError> {
        let input = to.as_str().filter(|to| !to.is_empty());
        let input = input.ok_or_else(|| ApiError::missing_parameter("to"))?;
        let address = numbering.recipient(input, business_number).ok_or_else(|| {
            ApiError::with_details(131_009, "Recipient is not a valid phone number")
        })?;
        Ok(Self { input: input.to_owned(), address, by_user_id: false })
    }

    fn from_user_id(value: &Value) -> Result<Self, ApiError> {
        let id = value
            .as_str()
            .filter(|id| is_user_id(id))
            .ok_or_else(|| ApiError::with_details(131_009, "Recipient is not a valid user ID"))?;
        Ok(Self { input: id.to_owned(), address: id.to_owned(), by_user_id: true })
    }

    /// The `contacts` item of the response.
    pub(crate) fn contact(&self) -> Value {
        if self.by_user_id {
            json!({ "input": self.input, "user_id": self.input })
        } else {
            json!({ "input": self.input, "wa_id": self.address })
        }
    }

    pub(crate) fn is_user_id(&self) -> bool {
        self.by_user_id
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn parse(body: &Value) -> Result<Recipient, ApiError> {
        let config = Config { rewrite_wa_ids: true, ..Config::default() };
        Recipient::parse(body, &Numbering::new(&config), "15550100001")
    }

    #[test]
    fn the_response_names_the_input_and_the_wa_id() {
        for phone in ["+54 11 2345-6789", "5491123456789"] {
            let recipient = parse(&json!({ "to": phone })).unwrap();
            assert_eq!(recipient.contact(), json!({ "input": phone, "wa_id": "5491123456789" }));
        }
        for invalid in [json!(""), json!("abc"), json!(14_155_550_101_u64)] {
            assert!(parse(&json!({ "to": invalid })).is_err(), "{invalid}");
        }
    }

    #[test]
    fn the_phone_number_wins_over_the_user_id() {
        let by_id = parse(&json!({ "recipient": "US.1" })).unwrap();
        assert_eq!(by_id.contact(), json!({ "input": "US.1", "user_id": "US.1" }));
        let both = parse(&json!({ "to": "+60123456789", "recipient": "US.1" })).unwrap();
        assert_eq!(both.address, "60123456789");
        let without_to = parse(&json!({ "to": null, "recipient": "US.1" })).unwrap();
        assert!(without_to.is_user_id());
        assert!(parse(&json!({ "recipient": "us.1" })).is_err());
    }
}
