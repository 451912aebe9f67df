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

/// The date from which utility messages in the customer service window cost money:
/// 2026-10-01 UTC.
const PAID_UTILITY_FROM: u64 = 1_790_812_800_000;

/// The body of a request that reports these events.
pub(super) fn body(state: &State, events: &[Event]) -> Value {
    let mut groups = Groups::default();
    let mut entries = Entries::default();
    for event in events {
        match &event.kind {
            EventKind::Step { message, step } => {
                groups.add(state, state.log.get(*message), *step, event.at);
            }
            EventKind::Change(change) => entries.add(change, event.at),
        }
    }
    groups.0.into_values().for_each(|group| entries.add_group(group));
    json!({ "object": "whatsapp_business_account", "entry": entries.into_json() })
}

/// The entries of a request. The changes with a phone number's metadata share the
/// entry of their account. Account changes have no timestamp of their own; each has
/// an entry with one.
#[derive(Default)]
struct Entries {
    /// The changes by account.
    shared: BTreeMap<String, Vec<Value>>,
    timed: Vec<Value>,
}

impl Entries {
    fn add(&mut self, change: &Change, at: u64) {
        let json = json!({ "value": change.value, "field": change.field });
        if change.value.get("messaging_product").is_some() {
            self.shared.entry(change.waba_id.clone()).or_default().push(json);
            return;
        }
        let entry = json!({ "id": change.waba_id, "time": at / 1000, "changes": [json] });
        self.timed.push(entry);
    }

    fn add_group(&mut self, group: Group) {
        let (waba_id, value) = group.into_value();
        let change = json!({ "value": value, "field": "messages" });
        self.shared.entry(waba_id).or_default().push(change);
    }

    fn into_json(self) -> Vec<Value> {
        let entry = |(id, changes)| json!({ "id": id, "changes": changes });
        self.shared.into_iter().map(entry).chain(self.timed).collect()
    }
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
        let identity = state.webhook_identity(message.user, &message.to);
        if step != Step::Failed && group.users_in_contacts.insert(&message.to.key) {
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

    /// The account and the `value` of the change.
    fn into_value(self) -> (String, Value) {
        let mut value = self.value;
        if !self.contacts.is_empty() {
            value["contacts"] = self.contacts.into();
        }
        value[self.array] = self.items.into();
        (self.waba_id, value)
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
        // The `failed` status of a message to a phone number carries it alone, if it is
        // visible.
        match identity.wa_id().filter(|_| !message.by_user_id) {
            Some(phone) => status["recipient_id"] = phone.into(),
            None => identity.write_to(&mut status, "recipient_id", "recipient_user_id"),
        }
        status["errors"] = json!([errors::in_status(message.plan.code)]);
    } else {
        identity.write_to(&mut status, "recipient_id", "recipient_user_id");
    }
    if let Some(callback_data) = &message.callback_data
        && !is_callback_data_missing(state, message, step)
    {
        status["biz_opaque_callback_data"] = (**callback_data).into();
    }
    if has_pricing(state.behaviour.webhooks.pricing, message, step) {
        status["pricing"] = pricing(message);
    }
    status
}

fn is_callback_data_missing(state: &State, message: &Message, step: Step) -> bool {
    let label = ["callback ", step.as_str()].concat();
    let mut rng = Rng::new(state.seed, &label, &message.to.key, message.ordinal);
    rng.chance(state.behaviour.webhooks.missing_callback_data)
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

fn pricing(message: &Message) -> Value {
    let free = is_free(message);
    json!({
        "billable": !free,
        "pricing_model": "PMP",
        "type": if free { "free_customer_service" } else { "regular" },
        "category": message.category.as_str(),
    })
}

/// Service messages are free; Meta's limit of 1,000 a month is not simulated. Utility
/// messages in the customer service window of the number were free.
fn is_free(message: &Message) -> bool {
    match message.category {
        Category::Service => true,
        Category::Utility => message.in_service_window && message.accepted_at < PAID_UTILITY_FROM,
        Category::Marketing | Category::MarketingLite | Category::Authentication => false,
    }
}

/// The user's reply to a message.
fn reply(state: &State, message: &Message, identity: &WebhookIdentity, at: u64) -> Value {
    let outcomes = &state.behaviour.outcomes;
    let mut rng = Rng::new(state.seed, "answer", &message.to.key, message.ordinal);
    let text = rng.choose(&outcomes.reply_texts).map_or("OK", String::as_str);
    let mut reply = json!({
        "id": ids::wamid(state.seed, Direction::Reply, &message.to.key, message.ordinal),
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
