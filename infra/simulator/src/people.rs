//! The people messages go to, and how a request names them.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::dice::Dice;
use crate::errors::ApiError;
use crate::ids;

const WINDOW_MS: u64 = 24 * 60 * 60 * 1000;

/// A person, by the digits of their `wa_id`, or by a user id nobody gave out here.
pub(crate) struct Person {
    pub(crate) key: Arc<str>,
    /// Send requests that came past validation and limits.
    pub(crate) attempts: u32,
    /// Messages accepted to them.
    pub(crate) accepted: u32,
    /// Messages they wrote on demand.
    pub(crate) inbound: u32,
    /// When they last wrote.
    pub(crate) wrote_at: Option<u64>,
    /// Whether they stopped marketing messages.
    pub(crate) stopped: bool,
    /// How often their forced error was used up.
    pub(crate) forced: u32,
}

impl Person {
    fn new(key: Arc<str>) -> Self {
        Self {
            key,
            attempts: 0,
            accepted: 0,
            inbound: 0,
            wrote_at: None,
            stopped: false,
            forced: 0,
        }
    }

    pub(crate) fn window_is_open(&self, now: u64) -> bool {
        self.wrote_at.is_some_and(|at| now < at + WINDOW_MS)
    }
}

/// Everybody who was ever written to or wrote.
#[derive(Default)]
pub(crate) struct People {
    by_key: HashMap<Arc<str>, u32>,
    list: Vec<Person>,
}

impl People {
    /// The person's number, given out when they are first met.
    pub(crate) fn meet(&mut self, key: &str) -> u32 {
        if let Some(known) = self.by_key.get(key) {
            return *known;
        }
        let (number, key) = (self.list.len() as u32, Arc::<str>::from(key));
        self.by_key.insert(Arc::clone(&key), number);
        self.list.push(Person::new(key));
        number
    }

    pub(crate) fn get(&self, number: u32) -> &Person {
        &self.list[number as usize]
    }

    pub(crate) fn get_mut(&mut self, number: u32) -> &mut Person {
        &mut self.list[number as usize]
    }

    pub(crate) fn forget_forced_errors(&mut self) {
        for person in &mut self.list {
            person.forced = 0;
        }
    }
}

/// Whom a request is for: as it was written, and as WhatsApp knows them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Addressee {
    pub(crate) input: String,
    pub(crate) key: String,
    by_user_id: bool,
}

impl Addressee {
    /// Reads `to`, or else `recipient`.
    pub(crate) fn of(body: &Value, seed: u64, rewrite: bool) -> Result<Self, ApiError> {
        match (body.get("to"), body.get("recipient")) {
            (Some(to), _) => Self::by_phone(to, rewrite),
            (None, Some(user_id)) => Self::by_user_id(user_id, seed),
            (None, None) => Err(ApiError::required("to")),
        }
    }

    fn by_phone(to: &Value, rewrite: bool) -> Result<Self, ApiError> {
        let input = to.as_str().filter(|to| !to.is_empty());
        let input = input.ok_or_else(|| ApiError::required("to"))?;
        let digits = digits(input)
            .ok_or_else(|| ApiError::with(131_009, "Recipient is not a valid phone number"))?;
        Ok(Self {
            input: input.to_owned(),
            key: if rewrite { as_whatsapp_writes(digits) } else { digits },
            by_user_id: false,
        })
    }

    fn by_user_id(value: &Value, seed: u64) -> Result<Self, ApiError> {
        let id = value.as_str().filter(|id| is_user_id(id));
        let id = id.ok_or_else(|| ApiError::with(131_009, "Recipient is not a valid user ID"))?;
        Ok(Self {
            input: id.to_owned(),
            key: ids::phone_of(seed, id).unwrap_or_else(|| id.to_owned()),
            by_user_id: true,
        })
    }

    /// The `contacts` item of the answer.
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

/// The digits of a phone number, written with `+`, spaces, dashes and brackets or without.
pub(crate) fn digits(phone: &str) -> Option<String> {
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

/// Mexico's `wa_id`s have a 1 that is not dialled; Brazil's lack a 9 that is.
fn as_whatsapp_writes(digits: String) -> String {
    if let Some(rest) = digits.strip_prefix("52").filter(|rest| rest.len() == 10) {
        return format!("521{rest}");
    }
    let far_brazil = |rest: &&str| rest.len() == 11 && &rest[..2] > "30" && &rest[2..3] == "9";
    match digits.strip_prefix("55").filter(far_brazil) {
        Some(rest) => format!("55{}{}", &rest[..2], &rest[3..]),
        None => digits,
    }
}

/// How a person appears in webhooks.
pub(crate) struct Face<'a> {
    key: &'a str,
    seed: u64,
    user_ids: bool,
    hidden: bool,
}

impl<'a> Face<'a> {
    pub(crate) fn new(seed: u64, key: &'a str, webhooks: &crate::behaviour::Webhooks) -> Self {
        let hidden = Dice::new(seed, "hidden", key, 0).chance(webhooks.hidden_phones);
        Self { key, seed, user_ids: webhooks.user_ids || hidden, hidden }
    }

    /// The phone, unless the person hides it.
    pub(crate) fn wa_id(&self) -> Option<&'a str> {
        let is_phone = !self.key.contains('.');
        (is_phone && !self.hidden).then_some(self.key)
    }

    pub(crate) fn user_id(&self) -> Option<String> {
        if self.key.contains('.') {
            return Some(self.key.to_owned());
        }
        self.user_ids.then(|| ids::user_id(self.seed, self.key)).flatten()
    }

    /// The `contacts` item of a webhook.
    pub(crate) fn contact(&self, name: Option<&str>) -> Value {
        let name = name.unwrap_or_else(|| given_name(self.seed, self.key));
        let mut contact = json!({ "profile": { "name": name } });
        self.put(&mut contact, "wa_id", "user_id");
        contact
    }

    /// Writes the ids this person shows into `item`, under the names it has for them.
    pub(crate) fn put(&self, item: &mut Value, phone_field: &str, user_field: &str) {
        if let Some(phone) = self.wa_id() {
            item[phone_field] = phone.into();
        }
        if let Some(user_id) = self.user_id() {
            item[user_field] = user_id.into();
        }
    }
}

fn given_name(seed: u64, key: &str) -> &'static str {
    const NAMES: [&str; 8] = [
        "Siti Aminah",
        "José Álvarez",
        "Chloé Martin",
        "Li Wei 李伟",
        "Ravi Kumar",
        "Anna Müller",
        "Zeynep Şahin",
        "Tom Baker",
    ];
    NAMES[Dice::new(seed, "name", key, 0).below(NAMES.len())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behaviour::Webhooks;

    #[test]
    fn phones_are_read_in_every_writing() {
        for phone in ["+1 (415) 555-0101", "14155550101", "+14155550101"] {
            let addressee = Addressee::of(&json!({ "to": phone }), 1, false).unwrap();
            assert_eq!(addressee.contact(), json!({ "input": phone, "wa_id": "14155550101" }));
        }
        for bad in ["", "abc", "+12", "1415555010112345678", "+1415x5550101"] {
            assert!(Addressee::of(&json!({ "to": bad }), 1, false).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_user_id_reaches_the_person_of_its_phone() {
        let id = ids::user_id(1, "14155550101").unwrap();
        let addressee = Addressee::of(&json!({ "recipient": id }), 1, false).unwrap();
        assert_eq!(addressee.key, "14155550101");
        assert_eq!(addressee.contact(), json!({ "input": id, "user_id": id }));
        let both = json!({ "to": "+60123456789", "recipient": id });
        assert_eq!(Addressee::of(&both, 1, false).unwrap().key, "60123456789");
    }

    #[test]
    fn mexico_and_brazil_are_rewritten() {
        assert_eq!(as_whatsapp_writes("525512345678".into()), "5215512345678");
        assert_eq!(as_whatsapp_writes("5541987654321".into()), "554187654321");
        assert_eq!(as_whatsapp_writes("5511987654321".into()), "5511987654321");
    }

    #[test]
    fn hidden_people_show_only_their_user_id() {
        let webhooks = Webhooks { hidden_phones: 1.0, ..Webhooks::default() };
        let contact = Face::new(1, "14155550101", &webhooks).contact(None);
        assert!(contact.get("wa_id").is_none() && contact["user_id"].is_string());
    }
}
