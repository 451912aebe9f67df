//! What happens to messages and webhooks; it may change at any time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What happens to messages and webhooks. All shares are between 0 and 1.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Behaviour {
    /// What becomes of accepted messages.
    pub outcomes: Outcomes,
    /// How long each step takes.
    pub delays: Delays,
    /// How the steps are reported.
    pub webhooks: Webhooks,
    /// What goes wrong with the requests themselves.
    pub faults: Faults,
}

impl Behaviour {
    /// A campaign's usual funnel: 2 % fail, 96 % arrive, 60 % of those are
    /// read and 15 % of those answered, over minutes and hours.
    pub fn realistic() -> Self {
        Self {
            outcomes: Outcomes {
                failed: 0.02,
                undelivered: 0.02,
                read: 0.6,
                reply: 0.15,
                ..Outcomes::default()
            },
            delays: Delays::realistic(),
            ..Self::default()
        }
    }

    /// Everything arrives at once and is read; nobody answers.
    pub fn perfect() -> Self {
        Self::default()
    }

    /// Messages are accepted and nothing is heard of them again.
    pub fn silent() -> Self {
        let webhooks = Webhooks { enabled: false, ..Webhooks::default() };
        Self { webhooks, ..Self::default() }
    }
}

/// What becomes of accepted messages.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Outcomes {
    /// The share that fails instead of being sent.
    pub failed: f64,
    /// The codes failures carry, one of them each.
    pub failure_codes: Vec<u32>,
    /// The share that is sent and fails later (see [`Delays::late_failure`]).
    pub late_failure: f64,
    /// Of the rest: the share that is sent and never arrives.
    pub undelivered: f64,
    /// Of those that arrive: the share that is read.
    pub read: f64,
    /// Of those read: the share whose `delivered` is never reported.
    pub read_without_delivered: f64,
    /// Of those read: the share that is answered.
    pub reply: f64,
    /// What people answer, one of them each.
    pub reply_texts: Vec<String>,
    /// Of the answers: the share that quotes the message by `context.id`.
    pub reply_quotes: f64,
    /// The share of template messages held for a quality assessment first.
    pub held: f64,
    /// Of those held: the share that is dropped.
    pub held_dropped: f64,
    /// The code dropped messages fail with: 132015 or 135000.
    pub held_dropped_code: u32,
}

impl Default for Outcomes {
    fn default() -> Self {
        Self {
            failed: 0.0,
            failure_codes: vec![131_026],
            late_failure: 0.0,
            undelivered: 0.0,
            read: 1.0,
            read_without_delivered: 0.0,
            reply: 0.0,
            reply_texts: ["Yes, please!", "How much is it?", "¿Cuándo abren?", "谢谢 👍"]
                .map(String::from)
                .into(),
            reply_quotes: 0.5,
            held: 0.0,
            held_dropped: 0.0,
            held_dropped_code: 132_015,
        }
    }
}

/// How long each step takes, by the simulator's clock.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Delays {
    /// From acceptance to `sent`, or to `failed`.
    pub sent: Delay,
    /// From `sent` to `delivered`.
    pub delivered: Delay,
    /// From `delivered` to `read`.
    pub read: Delay,
    /// From `read` to the answer.
    pub reply: Delay,
    /// From `sent` to a late `failed`.
    pub late_failure: Delay,
    /// How long a held message waits before it is released or dropped.
    pub held: Delay,
}

impl Delays {
    /// Seconds to deliver, minutes to hours to read and answer.
    pub fn realistic() -> Self {
        Self {
            sent: Delay::between(200, 800, 5_000),
            delivered: Delay::between(500, 20_000, 1_800_000),
            read: Delay::between(2_000, 1_800_000, 21_600_000),
            reply: Delay::between(5_000, 600_000, 7_200_000),
            late_failure: Delay::between(60_000, 600_000, 3_600_000),
            held: Delay::between(60_000, 1_200_000, 3_600_000),
        }
    }
}

/// A waiting time: `min_ms` and an exponential tail that makes the mean about
/// `mean_ms`, cut off at `max_ms`. All in milliseconds.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Delay {
    /// The shortest wait.
    pub min_ms: u32,
    /// The usual wait.
    pub mean_ms: u32,
    /// The longest wait.
    pub max_ms: u32,
}

impl Delay {
    /// Always the same wait.
    pub fn fixed(ms: u32) -> Self {
        Self::between(ms, ms, ms)
    }

    /// A wait with the given least, mean and most.
    pub fn between(min_ms: u32, mean_ms: u32, max_ms: u32) -> Self {
        Self { min_ms, mean_ms, max_ms }
    }
}

/// How webhooks are reported.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Webhooks {
    /// Off: accepted messages have no statuses and no answers.
    pub enabled: bool,
    /// The chance that a status or answer is reported twice.
    pub duplicate: f64,
    /// The chance that a status or answer is held back so that later ones overtake it.
    pub reorder: f64,
    /// How long those are held back.
    pub reorder_delay: Delay,
    /// How long after the first a duplicate comes.
    pub duplicate_delay: Delay,
    /// The most updates in one request; Meta's is 1,000.
    pub batch_max: usize,
    /// How long a batch that is not full waits for more, in milliseconds of the clock.
    pub flush_ms: u64,
    /// The first wait after a refused request, in milliseconds of the clock; it
    /// doubles each time.
    pub retry_base_ms: u64,
    /// The longest such wait.
    pub retry_max_ms: u64,
    /// Which statuses carry the price.
    pub pricing: Pricing,
    /// The share of people whose webhooks carry a user id and no phone number.
    pub hidden_phones: f64,
    /// Whether people carry business-scoped user ids at all (they do since April 2026).
    pub user_ids: bool,
}

impl Default for Webhooks {
    fn default() -> Self {
        Self {
            enabled: true,
            duplicate: 0.0,
            reorder: 0.0,
            reorder_delay: Delay::fixed(1_000),
            duplicate_delay: Delay::fixed(200),
            batch_max: 1,
            flush_ms: 0,
            retry_base_ms: 1_000,
            retry_max_ms: 600_000,
            pricing: Pricing::SentAndDelivered,
            hidden_phones: 0.0,
            user_ids: true,
        }
    }
}

/// Which statuses carry the price. A read without `delivered` stands in for it.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pricing {
    /// On `sent` and on `delivered`, as documented.
    SentAndDelivered,
    /// Only on `sent`.
    SentOnly,
    /// Only on `delivered`.
    DeliveredOnly,
    /// Nowhere.
    Never,
}

/// What goes wrong with the requests themselves.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Faults {
    /// The share of accepted messages whose answer is lost: the connection
    /// closes without one.
    pub lost_answer: f64,
    /// The share of requests that fail with a 5xx before anything is accepted.
    pub server_error: f64,
    /// The code of those: 131000, 131016, 2, 133004, …
    pub server_error_code: u32,
    /// The share of requests refused with one of `refusal_codes`.
    pub refused: f64,
    /// The codes of such refusals.
    pub refusal_codes: Vec<u32>,
    /// Errors for single recipients, by phone (digits only) or user id.
    pub forced: BTreeMap<String, ForcedError>,
    /// How long every answer takes, in real milliseconds. A message is accepted
    /// before the wait.
    pub latency_ms: u64,
    /// Up to this much more, in real milliseconds.
    pub latency_jitter_ms: u64,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            lost_answer: 0.0,
            server_error: 0.0,
            server_error_code: 131_016,
            refused: 0.0,
            refusal_codes: vec![131_009],
            forced: BTreeMap::new(),
            latency_ms: 0,
            latency_jitter_ms: 0,
        }
    }
}

/// An error one recipient's messages meet.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct ForcedError {
    /// The code.
    pub code: u32,
    /// How many times; `None`: always.
    #[serde(default)]
    pub times: Option<u32>,
    /// Whether it is the answer, or a `failed` status after acceptance.
    #[serde(default)]
    pub channel: Channel,
}

/// How an error is told.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// As the answer to the request.
    #[default]
    Answer,
    /// As a `failed` status.
    Webhook,
}
