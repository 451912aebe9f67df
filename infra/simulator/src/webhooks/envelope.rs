//! Events in Meta's envelope.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Value, json};

use crate::behaviour::Pricing;
use crate::dice::Dice;
use crate::errors;
use crate::fate::Step;
use crate::ids::{self, Direction};
use crate::inbound::{about, seconds};
use crate::log::Message;
use crate::people::Face;
use crate::queue::{Change, Event, News};
use crate::templates::Category;
use crate::world::State;

/// The body of a request that tells these events.
pub(super) fn body(state: &State, events: &[Event]) -> Value {
    let mut groups = Groups::default();
    let mut entries = Vec::new();
    for event in events {
        match &event.news {
            News::Step { message, step } => {
                groups.add(state, state.log.get(*message), *step, event.at);
            }
            News::Change(change) => entries.push(entry(change, event.at)),
        }
    }
    let grouped = groups.0.into_values().map(Group::entry);
    let entries: Vec<_> = grouped.chain(entries).collect();
    json!({ "object": "whatsapp_business_account", "entry": entries })
}

/// The entry of one change. Account events carry the time of the entry.
fn entry(change: &Change, at: u64) -> Value {
    let mut entry = json!({
        "id": change.waba_id,
        "changes": [{ "value": change.value, "field": change.field }],
    });
    if change.value.get("messaging_product").is_none() {
        entry["time"] = (at / 1000).into();
    }
    entry
}

/// Statuses and answers, gathered by number.
#[derive(Default)]
struct Groups<'a>(BTreeMap<(&'a str, &'static str), Group<'a>>);

struct Group<'a> {
    waba_id: String,
    value: Value,
    kind: &'static str,
    items: Vec<Value>,
    contacts: Vec<Value>,
    people: HashSet<&'a str>,
}

impl<'a> Groups<'a> {
    fn add(&mut self, state: &State, message: &'a Message, step: Step, at: u64) {
        let kind = if step == Step::Reply { "messages" } else { "statuses" };
        let group = self
            .0
            .entry((&message.number, kind))
            .or_insert_with(|| Group::new(state, message, kind));
        let face = Face::new(state.seed, &message.to, &state.behaviour.webhooks);
        if step != Step::Failed && group.people.insert(&message.to) {
            group.contacts.push(face.contact(None));
        }
        group.items.push(match step {
            Step::Reply => answer(state, message, &face, at),
            _ => status(state, message, &face, step, at),
        });
    }
}

impl Group<'_> {
    fn new(state: &State, message: &Message, kind: &'static str) -> Self {
        let number = state.some_number(Some(&message.number));
        Self {
            value: about(&number),
            waba_id: number.waba_id,
            kind,
            items: Vec::new(),
            contacts: Vec::new(),
            people: HashSet::new(),
        }
    }

    fn entry(self) -> Value {
        let mut value = self.value;
        if !self.contacts.is_empty() {
            value["contacts"] = self.contacts.into();
        }
        value[self.kind] = self.items.into();
        json!({ "id": self.waba_id, "changes": [{ "value": value, "field": "messages" }] })
    }
}

fn status(state: &State, message: &Message, face: &Face, step: Step, at: u64) -> Value {
    let mut status = json!({
        "id": message.wamid(state.seed),
        "status": step.word(),
        "timestamp": seconds(at),
    });
    if step == Step::Failed {
        // A failure to a phone names the phone only.
        match face.wa_id() {
            Some(phone) => status["recipient_id"] = phone.into(),
            None => face.put(&mut status, "recipient_id", "recipient_user_id"),
        }
        status["errors"] = json!([errors::in_webhook(message.fate.code)]);
    } else {
        face.put(&mut status, "recipient_id", "recipient_user_id");
    }
    if let Some(opaque) = &message.opaque {
        status["biz_opaque_callback_data"] = (**opaque).into();
    }
    if carries_price(state.behaviour.webhooks.pricing, message, step) {
        status["pricing"] = price(message.category);
    }
    status
}

fn carries_price(pricing: Pricing, message: &Message, step: Step) -> bool {
    let arrival = if message.fate.delivered.is_some() { Step::Delivered } else { Step::Read };
    match pricing {
        Pricing::SentAndDelivered => step == Step::Sent || step == arrival,
        Pricing::SentOnly => step == Step::Sent,
        Pricing::DeliveredOnly => step == arrival,
        Pricing::Never => false,
    }
}

fn price(category: Category) -> Value {
    let free = category == Category::Service;
    json!({
        "billable": !free,
        "pricing_model": "PMP",
        "type": if free { "free_customer_service" } else { "regular" },
        "category": category.word(),
    })
}

/// The message a person answers with.
fn answer(state: &State, message: &Message, face: &Face, at: u64) -> Value {
    let outcomes = &state.behaviour.outcomes;
    let mut dice = Dice::new(state.seed, "answer", &message.to, message.ordinal);
    let text = dice.pick(&outcomes.reply_texts).map_or("OK", String::as_str);
    let mut answer = json!({
        "id": ids::wamid(state.seed, Direction::Reply, &message.to, message.ordinal),
        "timestamp": seconds(at),
        "type": "text",
        "text": { "body": text },
    });
    face.put(&mut answer, "from", "from_user_id");
    if dice.chance(outcomes.reply_quotes) {
        let number = state.some_number(Some(&message.number)).display_phone_number;
        answer["context"] = json!({ "from": number, "id": message.wamid(state.seed) });
    }
    answer
}
