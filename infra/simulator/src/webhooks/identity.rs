//! How webhooks identify a user: by phone number, by user id, or by both.

use serde_json::{Value, json};

use crate::behaviour::Webhooks;
use crate::ids;
use crate::rng::Rng;

pub(crate) struct WebhookIdentity<'a> {
    key: &'a str,
    seed: u64,
    user_ids: bool,
    phone_hidden: bool,
}

impl<'a> WebhookIdentity<'a> {
    pub(crate) fn new(seed: u64, key: &'a str, webhooks: &Webhooks) -> Self {
        let phone_hidden = Rng::new(seed, "hidden", key, 0).chance(webhooks.hidden_phones);
        Self { key, seed, user_ids: webhooks.user_ids || phone_hidden, phone_hidden }
    }

    /// The phone number, unless the user hides it.
    pub(crate) fn wa_id(&self) -> Option<&'a str> {
        let is_phone = !self.key.contains('.');
        (is_phone && !self.phone_hidden).then_some(self.key)
    }

    pub(crate) fn user_id(&self) -> Option<String> {
        if self.key.contains('.') {
            return Some(self.key.to_owned());
        }
        self.user_ids.then(|| ids::user_id(self.seed, self.key)).flatten()
    }

    /// The `contacts` item of a webhook.
    pub(crate) fn contact(&self, name: Option<&str>) -> Value {
        let name = name.unwrap_or_else(|| profile_name(self.seed, self.key));
        let mut contact = json!({ "profile": { "name": name } });
        self.write_to(&mut contact, "wa_id", "user_id");
        contact
    }

    /// Sets the user's visible ids in these fields of `item`.
    pub(crate) fn write_to(&self, item: &mut Value, phone_field: &str, user_field: &str) {
        if let Some(phone) = self.wa_id() {
            item[phone_field] = phone.into();
        }
        if let Some(user_id) = self.user_id() {
            item[user_field] = user_id.into();
        }
    }
}

fn profile_name(seed: u64, key: &str) -> &'static str {
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
    NAMES[Rng::new(seed, "name", key, 0).below(NAMES.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_who_hides_the_phone_number_shows_only_the_user_id() {
        let webhooks = Webhooks { hidden_phones: 1.0, ..Webhooks::default() };
        let contact = WebhookIdentity::new(1, "14155550101", &webhooks).contact(None);
        assert!(contact.get("wa_id").is_none() && contact["user_id"].is_string());
    }
}
