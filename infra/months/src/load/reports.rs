//! What WhatsApp reports about messages, and when.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use carillon::time::Timestamp;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::person::LoadPerson;
use crate::rng::SeededRng;
use crate::whatsapp::WABA_ID;

/// The error code of a message to an address that reaches nobody.
const UNDELIVERABLE: u32 = 131_026;
/// Messages that fail after they were accepted, in 1,000.
const FAILED: u64 = 10;
/// Delivered messages that are read, and answered, in 1,000.
const READ: u64 = 600;
const ANSWERED: u64 = 20;
/// The most statuses of one webhook.
const MAX_STATUSES: usize = 20;

/// A message that WhatsApp accepted.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) id: String,
    /// The phone number id of the number that sent it.
    pub(super) number: String,
    pub(super) to: LoadPerson,
    pub(super) callback: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Sent,
    Delivered,
    Read,
    Failed,
    Reply,
}

/// Something to report about a message.
#[derive(Debug, Clone)]
pub(super) struct Report {
    at: Timestamp,
    kind: Kind,
    message: Arc<Accepted>,
}

/// What is still to be reported, by the time of the webhook.
#[derive(Debug, Default)]
pub(super) struct Reports(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    queue: BinaryHeap<Reverse<(Timestamp, u64)>>,
    reports: BTreeMap<u64, Report>,
    count: u64,
}

impl Reports {
    /// Draws what becomes of an accepted message. Returns when the person answers, if so.
    pub(super) fn schedule(
        &self,
        message: &Arc<Accepted>,
        rng: &SeededRng,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let mut at = now + rng.millis(200, 2_000);
        self.add(Report { at, kind: Kind::Sent, message: message.clone() }, at);
        at += rng.millis(300, 4_000);
        if rng.chance(FAILED) {
            self.add(Report { at, kind: Kind::Failed, message: message.clone() }, at);
            return None;
        }
        self.add(Report { at, kind: Kind::Delivered, message: message.clone() }, at);
        at += rng.millis(1_000, 60_000);
        if rng.chance(READ) {
            self.add(Report { at, kind: Kind::Read, message: message.clone() }, at);
        }
        rng.chance(ANSWERED).then(|| {
            at += rng.millis(1_000, 30_000);
            self.add(Report { at, kind: Kind::Reply, message: message.clone() }, at);
            at
        })
    }

    /// Takes what is due, in webhooks: each of one number.
    pub(super) fn take_due(&self, now: Timestamp) -> Vec<Vec<Report>> {
        let mut by_number = BTreeMap::<String, Vec<Report>>::new();
        let mut state = self.state();
        while let Some(Reverse((at, id))) = state.queue.peek().copied() {
            if at > now {
                break;
            }
            state.queue.pop();
            if let Some(report) = state.reports.remove(&id) {
                by_number.entry(report.message.number.clone()).or_default().push(report);
            }
        }
        let webhooks = by_number.into_values();
        webhooks
            .flat_map(|reports| {
                reports.chunks(MAX_STATUSES).map(<[Report]>::to_vec).collect::<Vec<_>>()
            })
            .collect()
    }

    /// Reports again what was not answered with 200.
    pub(super) fn redeliver(&self, reports: Vec<Report>, at: Timestamp) {
        for report in reports {
            self.add(report, at);
        }
    }

    /// When the next webhook is due.
    pub(super) fn next_at(&self) -> Option<Timestamp> {
        self.state().queue.peek().map(|Reverse((at, _))| *at)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.state().queue.is_empty()
    }

    fn add(&self, report: Report, send_at: Timestamp) {
        let mut state = self.state();
        state.count += 1;
        let id = state.count;
        state.queue.push(Reverse((send_at, id)));
        state.reports.insert(id, report);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long until a webhook is repeated that was not answered with 200.
pub(super) const REDELIVERED_AFTER: SignedDuration = SignedDuration::from_secs(20);

/// The body of one webhook, in Meta's format.
pub(super) fn payload(reports: &[Report]) -> Vec<u8> {
    let number = reports.first().map_or("", |report| report.message.number.as_str());
    let is_reply = |report: &&Report| report.kind == Kind::Reply;
    let statuses: Vec<Value> = reports.iter().filter(|one| !is_reply(one)).map(status).collect();
    let messages: Vec<Value> = reports.iter().filter(is_reply).map(reply).collect();
    let mut value = json!({
        "messaging_product": "whatsapp",
        "metadata": { "display_phone_number": "15550100001", "phone_number_id": number },
    });
    for (list, items) in [("statuses", statuses), ("messages", messages)] {
        if !items.is_empty() {
            value[list] = Value::Array(items);
        }
    }
    let changes = json!([{ "field": "messages", "value": value }]);
    let entry = json!([{ "id": WABA_ID, "changes": changes }]);
    json!({ "object": "whatsapp_business_account", "entry": entry }).to_string().into_bytes()
}

fn status(report: &Report) -> Value {
    let Report { at, kind, message } = report;
    let name = match kind {
        Kind::Sent => "sent",
        Kind::Delivered => "delivered",
        Kind::Failed => "failed",
        Kind::Read | Kind::Reply => "read",
    };
    let mut status = json!({
        "id": message.id, "status": name, "timestamp": at.as_second().to_string(),
        "biz_opaque_callback_data": message.callback,
        "recipient_id": message.to.wa_id(), "recipient_user_id": message.to.user_id(),
    });
    if *kind == Kind::Failed {
        status["errors"] = json!([{ "code": UNDELIVERABLE, "title": "failed" }]);
    }
    status
}

fn reply(report: &Report) -> Value {
    let Report { at, message, .. } = report;
    json!({
        "id": format!("{}.answer", message.id), "timestamp": at.as_second().to_string(),
        "from": message.to.wa_id(), "from_user_id": message.to.user_id(),
        "type": "text", "text": { "body": "thank you" }, "context": { "id": message.id },
    })
}
