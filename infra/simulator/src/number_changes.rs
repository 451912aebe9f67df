//! Phone numbers that move between users, and phone numbers that users hide.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::event_queue::Change;
use crate::state::State;
use crate::user::Identity;
use crate::webhooks::identity::WebhookIdentity;
use crate::webhooks::value::{number_value, timestamp};

impl State {
    /// Moves a user to another phone number. Queues a system message to each business
    /// number that exchanged messages with the user, or else to the first one. Returns
    /// the user's new identity.
    pub(crate) fn change_number(&mut self, now: u64, old: &str, new: &str) -> Arc<Identity> {
        let (old, new) = (self.numbering.address(old), self.numbering.address(new));
        let user = self.users.find_or_create(&old);
        let previous = Arc::clone(&self.users.get(user).identity);
        if old == new {
            return previous;
        }
        self.users.change_number(&old, &new);
        for phone_number_id in self.phone_number_ids_of(user) {
            self.report_number_change(now, user, &previous, phone_number_id.as_deref());
        }
        Arc::clone(&self.users.get(user).identity)
    }

    /// The business numbers to report to. `None`: the first one.
    fn phone_number_ids_of(&self, user: u32) -> Vec<Option<Arc<str>>> {
        let ids: Vec<_> = self.users.get(user).phone_number_ids().cloned().map(Some).collect();
        if ids.is_empty() { vec![None] } else { ids }
    }

    fn report_number_change(
        &mut self,
        now: u64,
        user: u32,
        previous: &Identity,
        phone_number_id: Option<&str>,
    ) {
        let number = self.number_or_first(phone_number_id);
        let current = Arc::clone(&self.users.get(user).identity);
        let wamid = self.next_inbound_wamid(user);
        let before = self.webhook_identity(user, previous);
        let after = self.webhook_identity(user, &current);
        let mut item = json!({
            "id": wamid,
            "timestamp": timestamp(now),
            "type": "system",
            "system": system_object(self.users.get(user).profile_name, &before, &after),
        });
        if let Some(phone) = before.wa_id() {
            item["from"] = phone.into();
        }
        let mut value = number_value(&number);
        value["messages"] = json!([item]);
        self.queue_change(now, Change { waba_id: number.waba_id, field: "messages".into(), value });
    }

    /// Gives a phone number to a new user. Meta reports nothing. Returns the new user's
    /// identity.
    pub(crate) fn recycle_number(&mut self, phone: &str) -> Arc<Identity> {
        let user = self.users.recycle_number(&self.numbering.address(phone));
        Arc::clone(&self.users.get(user).identity)
    }

    pub(crate) fn set_phone_hidden(&mut self, phone: &str, hidden: bool) {
        let user = self.users.find_or_create(&self.numbering.address(phone));
        self.users.get_mut(user).phone_hidden = Some(hidden);
    }
}

/// Without a visible phone number, Meta reports only the change of the user id.
fn system_object(name: &str, before: &WebhookIdentity, after: &WebhookIdentity) -> Value {
    let mut system = match (before.wa_id(), after.wa_id()) {
        (Some(old), Some(new)) => json!({
            "type": "user_changed_number",
            "body": format!("User {name} changed from {old} to {new}"),
            "wa_id": new,
        }),
        _ => json!({
            "type": "user_changed_user_id",
            "body": format!("User {name} changed the user ID"),
        }),
    };
    if let Some(user_id) = after.user_id() {
        system["user_id"] = user_id.into();
    }
    if let Some(user_id) = before.user_id() {
        system["previous_user_id"] = user_id.into();
    }
    system
}
