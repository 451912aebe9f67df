//! What WhatsApp tells by webhook, in Meta's shapes.

use std::sync::{Mutex, MutexGuard, PoisonError};

use carillon::recipient::{Callback, Rung};
use carillon::time::Timestamp;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::whatsapp::message_id;

/// One thing to tell.
#[derive(Debug, Clone)]
pub(crate) struct News {
    /// The message it is about, by its number in the log.
    pub(crate) message: usize,
    pub(crate) callback: Callback,
    pub(crate) what: What,
    /// When it happened.
    pub(crate) at: Timestamp,
    /// When it is told.
    pub(crate) due: Timestamp,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// The message reached a rung.
    Rung(Rung),
    /// It failed, with a code.
    Failed(u32),
    /// The contact answered.
    Reply,
    /// The contact wants no more.
    Stop,
}

/// What is still to be told.
#[derive(Debug, Default)]
pub(crate) struct Outbox(Mutex<Vec<News>>);

impl Outbox {
    pub(crate) fn add(&self, news: News) {
        self.waiting().push(news);
    }

    /// Takes what is due.
    pub(crate) fn take(&self, now: Timestamp, most: usize) -> Vec<News> {
        let mut waiting = self.waiting();
        let mut taken = Vec::new();
        waiting.retain(|news| {
            let take = news.due <= now && taken.len() < most;
            if take {
                taken.push(news.clone());
            }
            !take
        });
        taken
    }

    /// Puts back what was not stored: Meta tells it again.
    pub(crate) fn put_back(&self, news: Vec<News>, due: Timestamp) {
        self.waiting().extend(news.into_iter().map(|news| News { due, ..news }));
    }

    /// Whether there is something to tell within `time`.
    pub(crate) fn is_due(&self, now: Timestamp, time: SignedDuration) -> bool {
        self.waiting().iter().any(|news| news.due <= now + time)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting().is_empty()
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<News>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The body of a webhook that tells all of these.
pub(crate) fn body(news: &[News]) -> Vec<u8> {
    let changes: Vec<Value> = news.iter().map(change).collect();
    let entry = json!([{ "id": "900000000000001", "changes": changes }]);
    json!({ "object": "whatsapp_business_account", "entry": entry }).to_string().into_bytes()
}

fn change(news: &News) -> Value {
    let mut value = json!({
        "messaging_product": "whatsapp",
        "metadata": { "display_phone_number": "15550100001", "phone_number_id": "800000000000001" },
    });
    let (field, list, item) = match news.what {
        What::Rung(rung) => ("messages", "statuses", status(news, word(rung))),
        What::Failed(code) => {
            let mut status = status(news, "failed");
            status["errors"] = json!([{ "code": code, "title": "failed" }]);
            ("messages", "statuses", status)
        }
        What::Reply => ("messages", "messages", reply(news)),
        What::Stop => ("user_preferences", "user_preferences", stop(news)),
    };
    value[list] = json!([item]);
    json!({ "field": field, "value": value })
}

fn word(rung: Rung) -> &'static str {
    match rung {
        Rung::Sent => "sent",
        Rung::Failed => "failed",
        Rung::Delivered => "delivered",
        Rung::Read | Rung::Replied | Rung::Closed => "read",
    }
}

fn status(news: &News, word: &str) -> Value {
    json!({
        "id": message_id(news.message), "status": word,
        "timestamp": news.at.as_second().to_string(), "recipient_id": digits(news),
        "biz_opaque_callback_data": news.callback.to_string(),
    })
}

fn reply(news: &News) -> Value {
    json!({
        "from": digits(news), "id": format!("{}.answer", message_id(news.message)),
        "timestamp": news.at.as_second().to_string(), "type": "text",
        "text": { "body": "thank you" }, "context": { "id": message_id(news.message) },
    })
}

fn stop(news: &News) -> Value {
    json!({
        "wa_id": digits(news), "category": "marketing_messages", "value": "stop",
        "detail": "User requested to stop marketing messages", "timestamp": news.at.as_second(),
    })
}

fn digits(news: &News) -> String {
    news.callback.contact.as_str().trim_start_matches('+').to_owned()
}
