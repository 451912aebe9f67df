//! The simulator's configuration, fixed at the start.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::behaviour::Behaviour;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// Messages a second of a number in use with the WhatsApp Business app.
const COEXISTENCE_THROUGHPUT: u32 = 20;

/// Returns the current time.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// The configuration of a simulator. [`Limits`] and [`Behaviour`] may change while
/// it runs.
#[derive(Clone, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "each one is an independent setting")]
pub struct Config {
    /// The address to listen on. Port 0: any free port.
    pub listen: SocketAddr,
    /// The seed of all random outcomes, ids and delays.
    pub seed: u64,
    /// The valid access tokens. Empty: any non-empty token is valid.
    pub tokens: Vec<String>,
    /// The Meta app id in the response of `debug_token`.
    pub app_id: String,
    /// The app secret that signs webhooks.
    pub app_secret: String,
    /// The id of the default WhatsApp Business Account (WABA).
    pub waba_id: String,
    /// The webhook URL. Events stay queued until it is set.
    pub webhook_url: Option<String>,
    /// The verify token of the webhook's verification request.
    pub verify_token: String,
    /// The business's phone numbers.
    pub numbers: Vec<Number>,
    /// Whether to refuse unknown ids (code 100, subcode 33). If not, a number is
    /// created on first use.
    pub strict_numbers: bool,
    /// The templates, in the JSON of Meta's template list. The default status is
    /// `APPROVED`.
    pub templates: Vec<Value>,
    /// Whether to refuse unknown templates (132001). If not, only the form of
    /// their parameters is checked.
    pub strict_templates: bool,
    /// Whether to refuse media ids that the sending number did not upload, or uploaded
    /// longer than `media_ttl_ms` ago.
    pub strict_media: bool,
    /// How long an uploaded media id is valid, in milliseconds of the simulator's
    /// clock.
    pub media_ttl_ms: u64,
    /// How long the id of a media file from a user is valid, in milliseconds of the
    /// simulator's clock.
    pub inbound_media_ttl_ms: u64,
    /// How long a template created over HTTP stays `PENDING`, in milliseconds of
    /// the simulator's clock.
    pub template_review_ms: u64,
    /// The recipients that a test number may send to (131030). Empty: all.
    pub allowed_recipients: Vec<String>,
    /// Whether Argentine, Brazilian and Mexican phone numbers get the `wa_id` that
    /// WhatsApp gives them, which may differ from the dialled number. All spellings of
    /// a number then reach one user.
    pub rewrite_wa_ids: bool,
    /// The `wa_id` of Mexican phone numbers, if `rewrite_wa_ids` is set.
    pub mexican_wa_ids: MexicanWaIds,
    /// Phone numbers that are never rewritten, with their country code. An Argentine
    /// number without the mobile 9 is taken as a mobile number unless it is listed
    /// here. The fixed line and the mobile number with the same digits are two users.
    pub fixed_lines: Vec<String>,
    /// Whether a `to` without `+` gets the country code of the business number, unless
    /// it starts with it.
    pub prepend_country_code: bool,
    /// Whether marketing messages to phone numbers of the United States fail with
    /// 131049, by webhook. Canadian numbers, also +1, are not affected.
    pub refuse_us_marketing: bool,
    /// The rate limits.
    pub limits: Limits,
    /// How messages and webhooks are treated.
    pub behaviour: Behaviour,
    /// A JSON Lines file. The simulator appends each accepted message before it
    /// responds, and restores its log from the file at the start. It restores no media,
    /// customer service windows, marketing holds and changed phone numbers.
    pub log_file: Option<PathBuf>,
    /// The polling interval for due events, in real milliseconds.
    pub tick_ms: u64,
    /// The maximum number of concurrent webhook requests.
    pub deliveries_in_flight: usize,
    /// The timeout of a webhook request, in real milliseconds.
    pub webhook_timeout_ms: u64,
    /// The clock. It may run faster than real time and jump forward.
    #[serde(skip, default = "system_clock")]
    pub clock: Clock,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            seed: 1,
            tokens: Vec::new(),
            app_id: "700000000000001".into(),
            app_secret: "simulator-app-secret".into(),
            waba_id: Number::default().waba_id,
            webhook_url: None,
            verify_token: "simulator-verify-token".into(),
            numbers: vec![Number::default()],
            strict_numbers: false,
            templates: Vec::new(),
            strict_templates: false,
            strict_media: true,
            media_ttl_ms: 30 * DAY_MS,
            inbound_media_ttl_ms: 7 * DAY_MS,
            template_review_ms: 1000,
            allowed_recipients: Vec::new(),
            rewrite_wa_ids: false,
            mexican_wa_ids: MexicanWaIds::With1,
            fixed_lines: Vec::new(),
            prepend_country_code: false,
            refuse_us_marketing: false,
            limits: Limits::default(),
            behaviour: Behaviour::default(),
            log_file: None,
            tick_ms: 5,
            deliveries_in_flight: 4,
            webhook_timeout_ms: 10_000,
            clock: system_clock(),
        }
    }
}

impl Config {
    /// As strict as Meta: unknown ids, templates and media are refused, phone numbers
    /// are rewritten, US numbers get no marketing messages, and the limits of a
    /// verified business apply. The faults and outcomes stay those of the default.
    pub fn as_meta() -> Self {
        Self {
            numbers: vec![Number { messaging_limit: "TIER_2K".into(), ..Number::default() }],
            strict_numbers: true,
            strict_templates: true,
            rewrite_wa_ids: true,
            prepend_country_code: true,
            refuse_us_marketing: true,
            limits: Limits::meta(2_000),
            ..Self::default()
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the edge: a host may pass another clock")]
fn system_clock() -> Clock {
    Arc::new(SystemTime::now)
}

/// How WhatsApp writes the `wa_id` of a Mexican phone number. Developers still report
/// the form with the 1 in webhooks of 2026, although the 1 is no longer dialled.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MexicanWaIds {
    /// `521` and ten digits.
    #[default]
    With1,
    /// `52` and ten digits, as the number is dialled today.
    Without1,
}

/// A business phone number, with the fields that Meta's API returns.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct Number {
    /// The phone number id, as in request paths.
    pub id: String,
    /// The id of the WhatsApp Business Account (WABA).
    pub waba_id: String,
    /// The number that users see.
    pub display_phone_number: String,
    /// The verified business name.
    pub verified_name: String,
    /// `GREEN`, `YELLOW`, `RED` or `UNKNOWN`.
    pub quality_rating: String,
    /// `CONNECTED`, `PENDING`, `RESTRICTED`, `FLAGGED`, `BANNED`, …
    pub status: String,
    /// `TIER_250`, `TIER_2K`, `TIER_10K`, `TIER_100K` or `TIER_UNLIMITED`.
    pub messaging_limit: String,
    /// `AVAILABLE`, `LIMITED` or `BLOCKED`.
    pub can_send_message: String,
    /// Messages a second, if it differs from [`Limits::throughput`].
    pub throughput: Option<u32>,
    /// Whether the number is also in use with the WhatsApp Business app (coexistence).
    /// Such a number sends at most 20 messages a second.
    pub coexistence: bool,
}

impl Number {
    /// Messages a second, if it differs from [`Limits::throughput`].
    pub(crate) fn own_throughput(&self) -> Option<u32> {
        if self.coexistence { Some(COEXISTENCE_THROUGHPUT) } else { self.throughput }
    }
}

impl Default for Number {
    fn default() -> Self {
        Self {
            id: "800000000000001".into(),
            waba_id: "900000000000001".into(),
            display_phone_number: "15550100001".into(),
            verified_name: "Carillon Demo".into(),
            quality_rating: "GREEN".into(),
            status: "CONNECTED".into(),
            messaging_limit: "TIER_UNLIMITED".into(),
            can_send_message: "AVAILABLE".into(),
            throughput: None,
            coexistence: false,
        }
    }
}

/// Meta's rate limits. `None` turns a limit off; by default all are off.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct Limits {
    /// Messages a second per number (130429). Meta's default is 80.
    pub throughput: Option<u32>,
    /// How many messages a number may send in one burst. 0: the messages of one
    /// second.
    pub throughput_burst: u32,
    /// The limit per pair of number and user (131056).
    pub pair: Option<PairLimit>,
    /// Unique users that all numbers together may message outside an open customer
    /// service window, in any 24 hours.
    pub portfolio_users: Option<u32>,
    /// The error code of `portfolio_users`. Meta documents none.
    pub portfolio_code: u32,
    /// Whether a free-form message outside the customer service window (24 hours
    /// after the user's last message to the sending number) fails with 131047, by
    /// webhook.
    pub service_window: bool,
    /// The HTTP status of requests over a limit: 400, or the 429 that some
    /// developers report.
    pub refusal_status: u16,
    /// Whether to only log violations and accept the messages.
    pub observe_only: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            throughput: None,
            throughput_burst: 0,
            pair: None,
            portfolio_users: None,
            portfolio_code: 131_048,
            service_window: false,
            refusal_status: 400,
            observe_only: false,
        }
    }
}

impl Limits {
    /// Meta's limits for a business portfolio whose messaging limit is
    /// `portfolio_users` unique users in 24 hours.
    pub fn meta(portfolio_users: u32) -> Self {
        Self {
            throughput: Some(80),
            pair: Some(PairLimit::default()),
            portfolio_users: Some(portfolio_users),
            service_window: true,
            ..Self::default()
        }
    }
}

/// The rate limit per pair of number and user.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct PairLimit {
    /// The interval per message, in milliseconds.
    pub interval_ms: u64,
    /// How many messages a pair may send in one burst. The allowance refills by one
    /// message per interval.
    pub burst: u32,
}

impl Default for PairLimit {
    fn default() -> Self {
        Self { interval_ms: 6000, burst: 45 }
    }
}
