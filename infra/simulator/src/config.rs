//! What is fixed when the simulator starts.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Behaviour;

/// Where the simulator reads the time.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Everything that is fixed at the start. What may change later is in [`Behaviour`].
#[derive(Clone, Deserialize)]
#[serde(default)]
pub struct Config {
    /// The address to listen on. Port 0 takes any free port.
    pub listen: SocketAddr,
    /// The seed every fate, id and delay is drawn from.
    pub seed: u64,
    /// Access tokens that are accepted. Empty: any token that is not empty.
    pub tokens: Vec<String>,
    /// The Meta app's id, as `debug_token` tells it.
    pub app_id: String,
    /// The secret webhooks are signed with.
    pub app_secret: String,
    /// The WhatsApp Business Account of numbers that do not name another.
    pub waba_id: String,
    /// Where webhooks go. Until it is known, they wait.
    pub webhook_url: Option<String>,
    /// The token of the webhook's verification request.
    pub verify_token: String,
    /// The business's phone numbers.
    pub numbers: Vec<Number>,
    /// Refuse ids that are not configured (code 100, subcode 33). Otherwise a
    /// number comes into being when it is first used.
    pub strict_numbers: bool,
    /// Approved templates, in the shape of Meta's template list.
    pub templates: Vec<Value>,
    /// Refuse templates that are not registered (132001). Otherwise only the
    /// shape of their parameters is checked.
    pub strict_templates: bool,
    /// How long a template created over HTTP stays `PENDING`, in milliseconds.
    pub template_review_ms: u64,
    /// The phones a test number may write to (131030). Empty: everyone.
    pub allowed_recipients: Vec<String>,
    /// Give Brazilian and Mexican phones the `wa_id` WhatsApp gives them, which
    /// differs from the number dialled.
    pub rewrite_wa_ids: bool,
    /// The limits that are kept.
    pub limits: Limits,
    /// What happens to messages.
    pub behaviour: Behaviour,
    /// A file of JSON lines the log is appended to, each accepted message
    /// before its answer. What it holds already is taken up at the start.
    pub log_file: Option<PathBuf>,
    /// How often due events are looked for, in real milliseconds.
    pub tick_ms: u64,
    /// How many webhook requests may be under way at once.
    pub deliveries_in_flight: usize,
    /// How long a webhook may take to answer, in real milliseconds.
    pub webhook_timeout_ms: u64,
    /// The time; it may run faster than the real one and jump forward.
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
            template_review_ms: 1000,
            allowed_recipients: Vec::new(),
            rewrite_wa_ids: false,
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

#[expect(clippy::disallowed_methods, reason = "the edge: a host may give another clock")]
fn system_clock() -> Clock {
    Arc::new(SystemTime::now)
}

/// A business phone number, with the state Meta would tell of it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct Number {
    /// The phone number id, as it stands in paths.
    pub id: String,
    /// The account it belongs to.
    pub waba_id: String,
    /// The number people see.
    pub display_phone_number: String,
    /// The business's name.
    pub verified_name: String,
    /// `GREEN`, `YELLOW`, `RED` or `UNKNOWN`.
    pub quality_rating: String,
    /// `CONNECTED`, `PENDING`, `RESTRICTED`, `FLAGGED`, `BANNED`, …
    pub status: String,
    /// `TIER_250`, `TIER_2K`, `TIER_10K`, `TIER_100K` or `TIER_UNLIMITED`.
    pub messaging_limit: String,
    /// `AVAILABLE`, `LIMITED` or `BLOCKED`.
    pub can_send_message: String,
    /// Messages a second, where it differs from [`Limits::throughput`].
    pub throughput: Option<u32>,
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
        }
    }
}

/// The limits that are kept. `None` turns one off, and all are off by default.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct Limits {
    /// Messages a second and number (130429); Meta's is 80.
    pub throughput: Option<u32>,
    /// How many messages may come at once before the rate bites. 0: one second's worth.
    pub throughput_burst: u32,
    /// Messages from one number to one person (131056).
    pub pair: Option<PairLimit>,
    /// Unique people outside an open service window in any 24 hours, over all numbers.
    pub portfolio_users: Option<u32>,
    /// The code for breaking that limit; Meta documents none.
    pub portfolio_code: u32,
    /// Fail (131047, by webhook) what is not a template and outside the 24 hours
    /// after a person's last message.
    pub service_window: bool,
    /// The HTTP status of refusals for rate: 400, or the 429 some report.
    pub refusal_status: u16,
    /// Only record violations in the log and accept all the same.
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
    /// The limits Meta sets a number of a portfolio with the given tier.
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

/// How often one number may write to one person.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct PairLimit {
    /// The interval one message takes, in milliseconds.
    pub interval_ms: u64,
    /// How many may come at once; they are repaid at one an interval.
    pub burst: u32,
}

impl Default for PairLimit {
    fn default() -> Self {
        Self { interval_ms: 6000, burst: 45 }
    }
}
