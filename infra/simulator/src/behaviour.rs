//! How the simulator treats messages and webhooks. Tests may change it at any
//! time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How the simulator treats messages and webhooks. All shares are probabilities
/// from 0 to 1.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Behaviour {
    /// What happens to accepted messages.
    pub outcomes: Outcomes,
    /// The time between the steps of a message.
    pub delays: Delays,
    /// How webhooks report the steps.
    pub webhooks: Webhooks,
    /// The faults of send requests.
    pub faults: Faults,
}

impl Behaviour {
    /// A typical campaign funnel, over minutes and hours: 2 % fail, 96 % are
    /// delivered, users read 60 % of those and reply to 15 % of the read ones.
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

    /// Every message is delivered and read at once. No replies, no faults.
    pub fn all_read() -> Self {
        Self::default()
    }

    /// Every message is accepted. No status and no reply follows.
    pub fn no_webhooks() -> Self {
        let webhooks = Webhooks { enabled: false, ..Webhooks::default() };
        Self { webhooks, ..Self::default() }
    }
}

/// What happens to accepted messages.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Outcomes {
    /// The share that fails instead of being sent.
    pub failed: f64,
    /// The error codes of failures. Each failure carries one of them.
    pub failure_codes: Vec<u32>,
    /// The share that is sent and then fails (see [`Delays::late_failure`]).
    pub late_failure: f64,
    /// Of the rest: the share that is sent and never delivered.
    pub undelivered: f64,
    /// Of the delivered messages: the share that is read.
    pub read: f64,
    /// Of the read messages: the share without a `delivered` status.
    pub read_without_delivered: f64,
    /// Of the read messages: the share that users reply to.
    pub reply: f64,
    /// The texts of replies. Each reply has one of them.
    pub reply_texts: Vec<String>,
    /// Of the replies: the share that quotes the message in `context.id`.
    pub reply_quotes: f64,
    /// The share of template messages held for quality assessment.
    pub held: f64,
    /// Of the other template messages: the share whose delivery is paused. Paused
    /// messages are released or dropped like held ones.
    pub paused: f64,
    /// Of the held and the paused messages: the share that is dropped.
    pub held_dropped: f64,
    /// The error code of dropped messages: 132015 or 135000.
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
            paused: 0.0,
            held_dropped: 0.0,
            held_dropped_code: 132_015,
        }
    }
}

/// The time between the steps of a message, on the simulator's clock.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Delays {
    /// From acceptance to `sent`, or to `failed`.
    pub sent: Delay,
    /// From `sent` to `delivered`.
    pub delivered: Delay,
    /// From `delivered` to `read`.
    pub read: Delay,
    /// From `read` to the reply.
    pub reply: Delay,
    /// From `sent` to a late `failed`.
    pub late_failure: Delay,
    /// From acceptance to the release or the drop of a held or paused message.
    pub held: Delay,
}

impl Delays {
    /// Seconds to deliver, minutes to hours to read and reply.
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

/// A random delay in milliseconds: `min_ms` plus an exponential tail, cut off at
/// `max_ms`. The mean is about `mean_ms`.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Delay {
    /// The minimum, in milliseconds.
    pub min_ms: u32,
    /// The mean, in milliseconds.
    pub mean_ms: u32,
    /// The maximum, in milliseconds.
    pub max_ms: u32,
}

impl Delay {
    /// A constant delay.
    pub fn fixed(ms: u32) -> Self {
        Self::between(ms, ms, ms)
    }

    /// A delay with this minimum, mean and maximum.
    pub fn between(min_ms: u32, mean_ms: u32, max_ms: u32) -> Self {
        Self { min_ms, mean_ms, max_ms }
    }
}

/// How webhooks report the steps of messages.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Webhooks {
    /// Whether accepted messages have statuses and replies.
    pub enabled: bool,
    /// The share of statuses and replies that are reported twice.
    pub duplicate: f64,
    /// The share of statuses and replies that are delayed, so that later ones
    /// overtake them.
    pub reorder: f64,
    /// The delay of reordered statuses and replies.
    pub reorder_delay: Delay,
    /// The time from a report to its duplicate.
    pub duplicate_delay: Delay,
    /// The maximum number of updates in one request. Meta sends up to 1,000.
    pub batch_max: usize,
    /// The share of requests that report a backlog together, up to `batch_max`
    /// updates. The other requests report one update.
    pub batched: f64,
    /// How long an incomplete batch waits for more updates, in milliseconds of
    /// the simulator's clock.
    pub flush_ms: u64,
    /// The delay before the first retry of a failed request, in milliseconds of
    /// the simulator's clock. It doubles with each retry.
    pub retry_base_ms: u64,
    /// The maximum delay between retries, in milliseconds.
    pub retry_max_ms: u64,
    /// How long a failed update is retried, in milliseconds of the simulator's clock.
    /// Then it is lost. Meta retries for 7 days.
    pub retry_for_ms: u64,
    /// The share of statuses without the `biz_opaque_callback_data` of their message.
    pub missing_callback_data: f64,
    /// Which statuses carry the `pricing` object.
    pub pricing: Pricing,
    /// The share of users whose webhooks carry a user id and no phone number.
    pub hidden_phones: f64,
    /// Whether webhooks carry business-scoped user ids (Meta sends them since
    /// April 2026).
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
            batched: 1.0,
            flush_ms: 0,
            retry_base_ms: 1_000,
            retry_max_ms: 600_000,
            retry_for_ms: 7 * 24 * 60 * 60 * 1000,
            missing_callback_data: 0.0,
            pricing: Pricing::SentAndDelivered,
            hidden_phones: 0.0,
            user_ids: true,
        }
    }
}

/// Which statuses carry the `pricing` object. If a message has no `delivered`
/// status, its `read` status takes that role.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pricing {
    /// `sent` and `delivered`, as Meta documents.
    SentAndDelivered,
    /// Only `sent`.
    SentOnly,
    /// Only `delivered`.
    DeliveredOnly,
    /// No status.
    Never,
}

/// The faults of send requests.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Faults {
    /// The share of accepted messages whose response is lost: the connection
    /// closes without a response.
    pub lost_response: f64,
    /// The share of requests that fail with a 5xx status and accept nothing.
    pub server_error: f64,
    /// The error code of those: 131000, 131016, 2, 133004, …
    pub server_error_code: u32,
    /// The share of requests refused with one of `refusal_codes`.
    pub refused: f64,
    /// The error codes of refused requests.
    pub refusal_codes: Vec<u32>,
    /// Errors of single recipients, by phone (digits only) or user id.
    pub forced: BTreeMap<String, ForcedError>,
    /// The latency of each response, in real milliseconds. The simulator accepts
    /// a message before this delay.
    pub latency_ms: u64,
    /// The maximum random addition to `latency_ms`, in real milliseconds.
    pub latency_jitter_ms: u64,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            lost_response: 0.0,
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

/// An error for all messages to one recipient.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct ForcedError {
    /// Meta's error code.
    pub code: u32,
    /// How many messages fail. `None`: all.
    #[serde(default)]
    pub times: Option<u32>,
    /// How the sender learns of the error.
    #[serde(default)]
    pub reported_by: ReportedBy,
}

/// How the sender learns of an error.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportedBy {
    /// The response to the send request carries the error.
    #[default]
    Response,
    /// The message is accepted; a `failed` status carries the error.
    Webhook,
}
