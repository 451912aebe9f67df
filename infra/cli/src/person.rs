//! A contact as the user names one: by id or by address.

use std::str::FromStr;

use serde_json::{Value, json};

use crate::client::{ApiPath, Client, Segment};
use crate::error::CommandError;

/// A contact's id (`ctc_…`), or an address: a phone number (`+573001234567`) or a
/// business-scoped user id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Person {
    Id(Segment),
    Address(String),
}

impl FromStr for Person {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err("expected an id `ctc_…` or a phone number".to_owned());
        }
        match text.parse::<Segment>() {
            Ok(id) if text.starts_with("ctc_") => Ok(Self::Id(id)),
            _ => Ok(Self::Address(text.to_owned())),
        }
    }
}

impl Person {
    /// The contact's id. An address is looked up; it travels in a body, never in a path.
    pub(crate) async fn id(&self, client: &Client) -> Result<Segment, CommandError> {
        let address = match self {
            Self::Id(id) => return Ok(id.clone()),
            Self::Address(address) => address,
        };
        let search = ApiPath::new("contacts/search");
        let found: Value = client.post(&search, json!({ "address": address })).await?;
        let id = found["items"][0]["id"].as_str().and_then(|id| id.parse().ok());
        id.ok_or(CommandError::NoContact)
    }

    /// The path of the contact.
    pub(crate) async fn path(&self, client: &Client) -> Result<ApiPath, CommandError> {
        Ok(ApiPath::of("contacts", &self.id(client).await?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_an_id_or_an_address() {
        let id = "ctc_0198".parse().unwrap();
        assert_eq!("ctc_0198".parse(), Ok(Person::Id(id)));
        for address in ["+573001234567", "573001234567", "CO.1349abc", "ctc"] {
            assert_eq!(address.parse(), Ok(Person::Address(address.to_owned())));
        }
        assert!(" ".parse::<Person>().is_err());
    }
}
