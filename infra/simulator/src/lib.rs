//! A faithful WhatsApp Cloud API on a loopback port: it accepts, throttles,
//! fails and calls back, all as told and always the same under one seed.
//!
//! It keeps a log of its own ([`Simulator::log`], [`Simulator::summary`]) to
//! hold against what a product reports. It shares nothing with the product but
//! HTTP.

mod acceptance;
mod behaviour;
mod config;
mod dice;
mod errors;
mod fate;
mod ids;
mod inbound;
mod limits;
mod listener;
mod log;
mod media;
mod people;
mod queue;
mod routes;
mod templates;
mod validate;
mod webhooks;
mod world;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::ServiceExt;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tower::Layer;
use tower::util::MapRequestLayer;

pub use behaviour::{
    Behaviour, Channel, Delay, Delays, Faults, ForcedError, Outcomes, Pricing, Webhooks,
};
pub use config::{Clock, Config, Limits, Number, PairLimit};
pub use fate::Step;
pub use inbound::{InboundContent, InboundMessage};
pub use log::{LogEntry, StepCounts, StepEntry, Summary};

use listener::{Fuse, FusedListener};
use queue::Change;
use world::{Target, World};

/// How long open requests may take to end at a shutdown.
const GRACE: Duration = Duration::from_secs(2);

/// A running simulator. It stops when it is dropped.
pub struct Simulator {
    world: Arc<World>,
    server: JoinHandle<()>,
    webhooks: JoinHandle<()>,
    stop: Option<oneshot::Sender<()>>,
}

impl Simulator {
    /// Starts listening and calling back.
    pub async fn start(config: Config) -> std::io::Result<Self> {
        let (listener, address) = FusedListener::bind(config.listen).await?;
        let world = Arc::new(World::new(config, format!("http://{address}"))?);
        let (stop, stopped) = oneshot::channel();
        Ok(Self {
            server: tokio::spawn(serve(listener, Arc::clone(&world), stopped)),
            webhooks: tokio::spawn(webhooks::run(Arc::clone(&world))),
            world,
            stop: Some(stop),
        })
    }

    /// Where it listens: `http://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        self.world.url.clone()
    }

    /// Sets where webhooks go. What was waiting for that goes there too.
    pub fn set_webhook(&self, url: &str, verify_token: &str) {
        let (url, verify_token) = (url.to_owned(), verify_token.to_owned());
        self.world.state().target = Some(Target { url, verify_token });
    }

    /// Asks the webhook to prove itself, as Meta does before it takes one, and
    /// tells whether it did.
    pub async fn verify_webhook(&self) -> bool {
        let target = self.world.state().target.clone();
        match target {
            Some(target) => self.world.verify(&target).await,
            None => false,
        }
    }

    /// Everything accepted so far.
    pub fn log(&self) -> Vec<LogEntry> {
        let state = self.world.state();
        state.log.page(0, state.log.len(), state.seed)
    }

    /// The log in numbers.
    pub fn summary(&self) -> Summary {
        self.world.state().log.summary()
    }

    /// What happens to messages just now.
    pub fn behaviour(&self) -> Behaviour {
        (*self.world.state().behaviour).clone()
    }

    /// Changes what happens to messages accepted from now on. Forced errors
    /// count anew.
    pub fn set_behaviour(&self, behaviour: Behaviour) {
        self.world.state().set_behaviour(behaviour);
    }

    /// The limits kept just now.
    pub fn limits(&self) -> Limits {
        self.world.state().limits.clone()
    }

    /// Changes the limits. What was sent before still counts.
    pub fn set_limits(&self, limits: Limits) {
        self.world.state().limits = limits;
    }

    /// Registers a template in the shape of Meta's list, in place of one with
    /// the same name and language. One without a name is ignored.
    pub fn add_template(&self, template: Value) {
        if let Err(problem) = self.world.state().add_template(template) {
            tracing::warn!(problem, "template ignored");
        }
    }

    /// Adds a number, in place of one with the same id.
    pub fn add_number(&self, number: Number) {
        self.world.state().add_number(number);
    }

    /// Lets somebody write to the business and gives the message's id.
    #[expect(clippy::needless_pass_by_value, reason = "callers build it on the spot")]
    pub fn send_inbound(&self, message: InboundMessage) -> String {
        let now = self.world.now();
        self.world.state().send_inbound(now, &message)
    }

    /// Lets somebody stop marketing messages: it is told by webhook, and what is
    /// sent to them all the same fails with 131050.
    pub fn stop_marketing(&self, phone: &str) {
        let now = self.world.now();
        self.world.state().prefer(now, phone, true);
    }

    /// Lets somebody have marketing messages again.
    pub fn resume_marketing(&self, phone: &str) {
        let now = self.world.now();
        self.world.state().prefer(now, phone, false);
    }

    /// Tells any change of the account by webhook.
    pub fn account_event(&self, field: &str, value: Value) {
        let now = self.world.now();
        let change =
            Change { waba_id: self.world.config.waba_id.clone(), field: field.to_owned(), value };
        self.world.state().announce(now, change);
    }

    /// How many webhook events are not acknowledged yet, future ones included.
    pub fn pending_events(&self) -> usize {
        self.world.state().queue.pending()
    }

    /// Whether every event that is due was acknowledged. Without a webhook, due
    /// events wait and it is not.
    pub fn idle(&self) -> bool {
        let now = self.world.now();
        self.world.state().queue.idle(now)
    }

    /// When the next event falls due.
    pub fn next_due(&self) -> Option<SystemTime> {
        let due = self.world.state().queue.next_due()?;
        Some(UNIX_EPOCH + Duration::from_millis(due))
    }

    /// Stops calling back and listening; requests under way may end.
    pub async fn shutdown(mut self) {
        self.webhooks.abort();
        if let Some(stop) = self.stop.take() {
            // The server may have gone already.
            let _ = stop.send(());
        }
        let ended = tokio::time::timeout(GRACE, &mut self.server).await;
        tracing::debug!(in_time = ended.is_ok(), "simulator stopped");
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.webhooks.abort();
        self.server.abort();
    }
}

async fn serve(listener: FusedListener, world: Arc<World>, stopped: oneshot::Receiver<()>) {
    let routes = MapRequestLayer::new(routes::without_version).layer(routes::router(world));
    let service =
        ServiceExt::<axum::extract::Request>::into_make_service_with_connect_info::<Fuse>(routes);
    let server = axum::serve(listener, service).with_graceful_shutdown(async {
        // A dropped sender means the same.
        let _ = stopped.await;
    });
    if let Err(error) = server.await {
        tracing::error!(%error, "the simulator stopped listening");
    }
}
