//! The body of a webhook request.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Value, json};

use super::identity::WebhookIdentity;
use super::value::{number_value, timestamp};
use crate::behaviour::Pricing;
use crate::delivery_plan::Step;
use crate::errors;
use crate::event_queue::{Change, Event, EventKind};
use crate::ids::{self, Direction};
use crate::log::Message;
use crate::rng::Rng;
use crate::state::State;
use crate::templates::Category;

/// The body of a request that reports these events.
pub(super) fn body(state: &State, events: &[Event]) -> Value {
    let mut groups = Groups::default();
    let mut entries = Vec::new();
    for event in events {
        match &event.kind {
            EventKind::Step { message, step } => {
                groups.add(state, state.log.get(*message), *step, event.at);
            }
            EventKind::Change(change) => entries.push(change_entry(change, event.at)),
        }
    }
    let grouped = groups.0.into_values().map(Group::into_entry);
    let entries: Vec<_> = grouped.chain(entries).collect();
    json!({ "object": "whatsapp_business_account", "entry": entries })
}

/// The entry of one change. Account changes have no timestamp of their own; their
/// entry has one.
fn change_entry(change: &Change, at: u64) -> Value {
    let mut entry = json!({
        "id": change.waba_id,
        "changes": [{ "value": change.value, "field": change.field }],
    });
    if change.value.get("messaging_product").is_none() {
        entry["time"] = (at / 1000).into();
    }
    entry
}

/// The statuses and the replies of each number, by number and array name
/// (`statuses` or `messages`).
#[derive(Default)]
struct Groups<'a>(BTreeMap<(&'a str, &'static str), Group<'a>>);

struct Group<'a> {
    waba_id: String,
    value: Value,
    array: &'static str,
    items: Vec<Value>,
    contacts: Vec<Value>,
    users_in_contacts: HashSet<&'a str>,
}

impl<'a> Groups<'a> {
    fn add(&mut self, state: &State, message: &'a Message, step: Step, at: u64) {
        let array = if step == Step::Reply { "messages" } else { "statuses" };
        let group = self
            .0
            .entry((&message.phone_number_id, array))
            .or_insert_with(|| Group::new(state, message, array));
        let identity = WebhookIdentity::new(state.seed, &message.to, &state.behaviour.webhooks);
        if step != Step::Failed && group.users_in_contacts.insert(&message.to) {
            group.contacts.push(identity.contact(None));
        }
        group.items.push(match step {
            Step::Reply => reply(state, message, &identity, at),
            _ => status(state, message, &identity, step, at),
        });
    }
}

impl Group<'_> {
    fn new(state: &State, message: &Message, array: &'static str) -> Self {
        let number = state.number_or_first(Some(&message.phone_number_id));
        Self {
            value: number_value(&number),
            waba_id: number.waba_id,
            array,
            items: Vec::new(),
            contacts: Vec::new(),
            users_in_contacts: HashSet::new(),
        }
    }

    fn into_entry(self) -> Value {
        let mut value = self.value;
        if !self.contacts.is_empty() {
            value["contacts"] = self.contacts.into();
        }
        value[self.array] = self.items.into();
        json!({ "id": self.waba_id, "changes": [{ "value": value, "field": "messages" }] })
    }
}

fn status(
    state: &State,
    message: &Message,
    identity: &WebhookIdentity,
    step: Step,
    at: u64,
) -> Value {
    let mut status = json!({
        "id": message.wamid(state.seed),
        "status": step.as_str(),
        "timestamp": timestamp(at),
    });
    if step == Step::Failed {
        // A `failed` status carries the phone number alone, if it is visible.
        match identity.wa_id() {
            Some(phone) => status["recipient_id"] = phone.into(),
            None => identity.write_to(&mut status, "recipient_id", "recipient_user_id"),
        }
        status["errors"] = json!([errors::in_status(message.plan.code)]);
    } else {
        identity.write_to(&mut status, "recipient_id", "recipient_user_id");
    }
    if let Some(callback_data) = &message.callback_data {
        status["biz_opaque_callback_data"] = (**callback_data).into();
    }
    if has_pricing(state.behaviour.webhooks.pricing, message, step) {
        status["pricing"] = pricing(message.category);
    }
    status
}

fn has_pricing(pricing: Pricing, message: &Message, step: Step) -> bool {
    let delivery = if message.plan.delivered.is_some() { Step::Delivered } else { Step::Read };
    match pricing {
        Pricing::SentAndDelivered => step == Step::Sent || step == delivery,
        Pricing::SentOnly => step == Step::Sent,
        Pricing::DeliveredOnly => step == delivery,
        Pricing::Never => false,
    }
}

fn pricing(category: Category) -> Value {
    let free = category == Category::Service;
    json!({
        "billable": !free,
        "pricing_model": "PMP",
        "type": if free { "free_customer_service" } else { "regular" },
        "category": category.as_str(),
    })
}

/// The user's reply to a message.
fn reply(state: &State, message: &Message, identity: &WebhookIdentity, at: u64) -> Value {
    let outcomes = &state.behaviour.outcomes;
    let mut rng = Rng::new(state.seed, "answer", &message.to, message.ordinal);
    let text = rng.choose(&outcomes.reply_texts).map_or("OK", String::as_str);
    let mut reply = json!({
        "id": ids::wamid(state.seed, Direction::Reply, &message.to, message.ordinal),
        "timestamp": timestamp(at),
        "type": "text",
        "text": { "body": text },
    });
    identity.write_to(&mut reply, "from", "from_user_id");
    if rng.chance(outcomes.reply_quotes) {
        let number = state.number_or_first(Some(&message.phone_number_id)).display_phone_number;
        reply["context"] = json!({ "from": number, "id": message.wamid(state.seed) });
    }
    reply
}
