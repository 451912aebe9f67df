//! A WhatsApp Cloud API simulator that listens on a loopback port.
//!
//! The simulator validates and accepts messages, enforces rate limits, injects
//! faults and sends webhooks. The same [`Config`] and the same seed give each
//! message the same outcome.
//!
//! The simulator keeps its own log ([`Simulator::log`], [`Simulator::summary`]).
//! Tests compare a product's report with this log. The simulator and the product
//! share no code and talk only over HTTP.

mod app;
mod behaviour;
mod config;
mod delivery_plan;
mod errors;
mod event_queue;
mod ids;
mod inbound;
mod limiter;
mod listener;
mod log;
mod media;
mod north_america;
mod number_changes;
mod numbering;
mod recipient;
mod restore;
mod rng;
mod routes;
mod send;
mod state;
mod template_pauses;
mod templates;
mod user;
mod users;
mod validate;
mod webhooks;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::ServiceExt;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tower::Layer;
use tower::util::MapRequestLayer;

pub use behaviour::{
    Behaviour, Delay, Delays, Faults, ForcedError, Outcomes, Pricing, ReportedBy, Webhooks,
};
pub use config::{Clock, Config, Limits, MexicanWaIds, Number, PairLimit};
pub use delivery_plan::Step;
pub use inbound::{InboundContent, InboundMessage};
pub use log::{LogEntry, StepCounts, StepEntry, Summary};

use app::App;
use event_queue::Change;
use inbound::MarketingPreference;
use listener::{AbortHandle, AbortableListener};
use state::WebhookTarget;
use user::Identity;

/// How long requests in flight may take to finish at a shutdown.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// A running simulator. Dropping it stops it.
pub struct Simulator {
    app: Arc<App>,
    server: JoinHandle<()>,
    webhooks: JoinHandle<()>,
    shutdown: Option<oneshot::Sender<()>>,
}

impl Simulator {
    /// Starts the HTTP server and the webhook sender.
    ///
    /// # Errors
    /// The address cannot be bound, the log file cannot be read, or a configured
    /// template has no name.
    pub async fn start(config: Config) -> std::io::Result<Self> {
        let (listener, address) = AbortableListener::bind(config.listen).await?;
        let app = Arc::new(App::new(config, format!("http://{address}"))?);
        let (shutdown, shutdown_requested) = oneshot::channel();
        Ok(Self {
            server: tokio::spawn(serve(listener, Arc::clone(&app), shutdown_requested)),
            webhooks: tokio::spawn(webhooks::run(Arc::clone(&app))),
            app,
            shutdown: Some(shutdown),
        })
    }

    /// The base URL: `http://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        self.app.url.clone()
    }

    /// Sets the webhook URL. Queued events are sent to the new URL.
    pub fn set_webhook(&self, url: &str, verify_token: &str) {
        let (url, verify_token) = (url.to_owned(), verify_token.to_owned());
        self.app.state().webhook_target = Some(WebhookTarget { url, verify_token });
    }

    /// Sends Meta's verification request (`hub.challenge`) to the webhook URL.
    /// Returns whether the webhook passed; `false` if no URL is set.
    pub async fn verify_webhook(&self) -> bool {
        let target = self.app.state().webhook_target.clone();
        match target {
            Some(target) => self.app.verify(&target).await,
            None => false,
        }
    }

    /// All accepted messages, in the order of acceptance.
    pub fn log(&self) -> Vec<LogEntry> {
        let state = self.app.state();
        state.log.page(0, state.log.len(), state.seed)
    }

    /// Totals over the log.
    pub fn summary(&self) -> Summary {
        self.app.state().log.summary()
    }

    /// The current behaviour.
    pub fn behaviour(&self) -> Behaviour {
        (*self.app.state().behaviour).clone()
    }

    /// Sets the behaviour for messages accepted from now on. Resets the use
    /// counts of forced errors.
    pub fn set_behaviour(&self, behaviour: Behaviour) {
        self.app.state().set_behaviour(behaviour);
    }

    /// The limits in force.
    pub fn limits(&self) -> Limits {
        self.app.state().limits.clone()
    }

    /// Sets the limits. Messages sent earlier still count against them.
    pub fn set_limits(&self, limits: Limits) {
        self.app.state().limits = limits;
    }

    /// Registers a template in the JSON of Meta's template list. It replaces a
    /// template with the same name and language. A template without a name is
    /// ignored and logged.
    pub fn add_template(&self, template: Value) {
        if let Err(error) = self.app.state().add_template(template) {
            tracing::warn!(error, "template ignored");
        }
    }

    /// Adds a phone number. It replaces a number with the same id.
    pub fn add_number(&self, number: Number) {
        self.app.state().add_number(number);
    }

    /// Sends a message from a user to the business. Returns the message id.
    #[expect(clippy::needless_pass_by_value, reason = "callers build it on the spot")]
    pub fn send_inbound(&self, message: InboundMessage) -> String {
        let now = self.app.now();
        self.app.state().send_inbound(now, &message)
    }

    /// Opts a user out of marketing messages. The simulator sends the
    /// `user_preferences` webhook; later marketing messages to the user fail with
    /// 131050.
    pub fn stop_marketing(&self, phone: &str) {
        self.set_preference(phone, MarketingPreference::Stop);
    }

    /// Opts a user in to marketing messages again.
    pub fn resume_marketing(&self, phone: &str) {
        self.set_preference(phone, MarketingPreference::Resume);
    }

    fn set_preference(&self, phone: &str, preference: MarketingPreference) {
        let now = self.app.now();
        self.app.state().set_preference(now, phone, preference);
    }

    /// Moves a user to another phone number and a new business-scoped user id, which is
    /// returned. The simulator sends a `system` message to each business number that
    /// exchanged messages with the user, or else to the first one. Messages to the old
    /// phone number and the old user id then fail with 131026, until
    /// [`Simulator::recycle_number`].
    pub fn change_number(&self, old: &str, new: &str) -> String {
        let now = self.app.now();
        user_id_of(&self.app.state().change_number(now, old, new))
    }

    /// Gives a phone number to a new user with another business-scoped user id, which
    /// is returned. Whoever had the number loses it. No webhook reports this.
    pub fn recycle_number(&self, phone: &str) -> String {
        user_id_of(&self.app.state().recycle_number(phone))
    }

    /// The business-scoped user id of the user with this phone number. `None`: the
    /// number belongs to nobody.
    pub fn user_id(&self, phone: &str) -> Option<String> {
        let mut state = self.app.state();
        let address = state.numbering.address(phone);
        let user = state.users.find_or_create(&address);
        state.users.get(user).identity.user_id.as_deref().map(str::to_owned)
    }

    /// Leaves the phone number of this user out of all later webhooks, whatever
    /// [`Webhooks::hidden_phones`] is.
    pub fn hide_phone(&self, phone: &str) {
        self.app.state().set_phone_hidden(phone, true);
    }

    /// Shows the phone number of this user in all later webhooks, whatever
    /// [`Webhooks::hidden_phones`] is.
    pub fn show_phone(&self, phone: &str) {
        self.app.state().set_phone_hidden(phone, false);
    }

    /// Pauses a template, as Meta does after bad feedback. The simulator sends the
    /// `message_template_status_update` webhook, and the held messages of the template
    /// fail with [`Outcomes::held_dropped_code`]. Returns whether there is such a
    /// template.
    pub fn pause_template(&self, name: &str, language: &str) -> bool {
        let now = self.app.now();
        self.app.state().pause_template(now, &self.app.config.waba_id, name, language)
    }

    /// Sends an account webhook with the given field and value.
    pub fn account_event(&self, field: &str, value: Value) {
        let now = self.app.now();
        let change =
            Change { waba_id: self.app.config.waba_id.clone(), field: field.to_owned(), value };
        self.app.state().queue_change(now, change);
    }

    /// The number of webhook events that are neither acknowledged nor lost, future
    /// events included.
    pub fn pending_events(&self) -> usize {
        self.app.state().event_queue.pending()
    }

    /// Whether the webhook has acknowledged every event that is due and not lost.
    /// Without a webhook URL, due events stay unacknowledged.
    pub fn due_events_acknowledged(&self) -> bool {
        let now = self.app.now();
        self.app.state().event_queue.due_events_acknowledged(now)
    }

    /// When the next event is due.
    pub fn next_due(&self) -> Option<SystemTime> {
        let due = self.app.state().event_queue.next_due()?;
        Some(UNIX_EPOCH + Duration::from_millis(due))
    }

    /// Stops sending webhooks and accepting requests. Requests in flight may
    /// finish within two seconds.
    pub async fn shutdown(mut self) {
        self.webhooks.abort();
        if let Some(shutdown) = self.shutdown.take() {
            // Fails only if the server has already stopped.
            let _ = shutdown.send(());
        }
        let stopped = tokio::time::timeout(SHUTDOWN_TIMEOUT, &mut self.server).await;
        tracing::debug!(in_time = stopped.is_ok(), "simulator stopped");
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.webhooks.abort();
        self.server.abort();
    }
}

/// The user id of an issued identity. Every issued identity has one.
fn user_id_of(identity: &Identity) -> String {
    identity.user_id.as_deref().unwrap_or(&identity.key).to_owned()
}

async fn serve(
    listener: AbortableListener,
    app: Arc<App>,
    shutdown_requested: oneshot::Receiver<()>,
) {
    let routes = MapRequestLayer::new(routes::strip_version).layer(routes::router(app));
    let service = ServiceExt::<axum::extract::Request>::into_make_service_with_connect_info::<
        AbortHandle,
    >(routes);
    let server = axum::serve(listener, service).with_graceful_shutdown(async {
        // A dropped sender also means shutdown.
        let _ = shutdown_requested.await;
    });
    if let Err(error) = server.await {
        tracing::error!(%error, "the simulator's HTTP server failed");
    }
}
