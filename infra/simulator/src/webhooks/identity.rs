//! How webhooks identify a user: by phone number, by user id, or by both.

use serde_json::{Value, json};

use crate::behaviour::Webhooks;
use crate::rng::Rng;
use crate::user::{Identity, User};

pub(crate) struct WebhookIdentity<'a> {
    identity: &'a Identity,
    profile_name: &'static str,
    has_user_id: bool,
    phone_hidden: bool,
}

impl<'a> WebhookIdentity<'a> {
    pub(crate) fn new(seed: u64, user: &User, identity: &'a Identity, webhooks: &Webhooks) -> Self {
        let phone_hidden = user.phone_hidden.unwrap_or_else(|| {
            Rng::new(seed, "hidden", &identity.key, 0).chance(webhooks.hidden_phones)
        });
        let is_user_id = identity.wa_id().is_none();
        Self {
            identity,
            profile_name: user.profile_name,
            has_user_id: webhooks.user_ids || phone_hidden || is_user_id,
            phone_hidden,
        }
    }

    /// The phone number, unless the user hides it.
    pub(crate) fn wa_id(&self) -> Option<&'a str> {
        self.identity.wa_id().filter(|_| !self.phone_hidden)
    }

    pub(crate) fn user_id(&self) -> Option<&'a str> {
        self.identity.user_id.as_deref().filter(|_| self.has_user_id)
    }

    /// The `contacts` item of a webhook.
    pub(crate) fn contact(&self, name: Option<&str>) -> Value {
        let mut contact = json!({ "profile": { "name": name.unwrap_or(self.profile_name) } });
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::users::Users;

    #[test]
    fn a_user_who_hides_the_phone_number_shows_only_the_user_id() {
        let mut users = Users::new(1);
        let user = users.find_or_create("14155550101");
        let contact = |users: &Users, share: f64| {
            let webhooks = Webhooks { hidden_phones: share, ..Webhooks::default() };
            let user = users.get(user);
            WebhookIdentity::new(1, user, &user.identity, &webhooks).contact(None)
        };
        let hidden = contact(&users, 1.0);
        assert!(hidden.get("wa_id").is_none() && hidden["user_id"].is_string());
        assert_eq!(contact(&users, 0.0)["wa_id"], "14155550101");
        users.get_mut(user).phone_hidden = Some(true);
        assert_eq!(contact(&users, 0.0), hidden);
    }
}
