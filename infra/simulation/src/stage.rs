//! All functions on one table and one queue, without a network.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
use carillon::AwsConfig;
use carillon::config::Config;
use carillon::delivery::Sender;
use carillon::ids::IdSource;
use carillon::table::{Table, ensure_table};
use carillon::time::{Clock, Timestamp};
use carillon_aggregator::Aggregator;
use carillon_api::Api;
use carillon_scheduler::Scheduler;
use carillon_webhook::Webhook;
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use crate::dice::Dice;
use crate::queue::Queue;
use crate::table::{Broken, Engine, TABLE};
use crate::watch::Watch;
use crate::whatsapp::WhatsApp;
use crate::wire::{Service, Wire};

const ADMIN: &str = "crl_simulated-key";
/// 32 bytes, all zero.
const SECRETS_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
/// What webhooks are signed with.
pub(crate) const APP_SECRET: &str = "simulated-app-secret";
/// A week before the clocks change in Europe.
const START: Timestamp = Timestamp::constant(1_792_303_200, 0);

/// The functions, and what they stand on.
pub(crate) struct Stage {
    pub(crate) clock: Clock,
    pub(crate) dice: Dice,
    pub(crate) queue: Arc<Queue>,
    pub(crate) watch: Arc<Watch>,
    pub(crate) whatsapp: Arc<WhatsApp>,
    pub(crate) table: Table,
    pub(crate) scheduler: Arc<Scheduler>,
    pub(crate) senders: Vec<Arc<Sender>>,
    pub(crate) aggregator: Arc<Aggregator>,
    pub(crate) webhook: Router,
    api: Router,
    aws: AwsConfig,
    config: Config,
    ids: IdSource,
}

impl Stage {
    /// An empty stage. `trouble` is how many messages in a thousand are refused,
    /// and how many answers are lost.
    pub(crate) async fn set(
        seed: u64,
        dice: Dice,
        trouble: (u64, u64),
        senders: usize,
    ) -> Result<Self, Broken> {
        let (clock, ids) = (Clock::stepped(START), IdSource::seeded(seed));
        let (engine, queue) = (Arc::new(Engine::open()?), Arc::new(Queue::default()));
        let wire = |service| Wire { service, clock: clock.clone(), dice: dice.clone() };
        let (to_table, to_queue) =
            (wire(Service::Table(engine.clone())), wire(Service::Queue(queue.clone())));
        // With one attempt it is as when the SDK has spent what repetitions it has.
        let attempts = dice.between(1, 3) as u32;
        let aws = AwsConfig::through(to_table, to_queue, &clock, attempts);
        let config = Config::from_values([
            ("CARILLON_TABLE", TABLE),
            ("CARILLON_SENDS_QUEUE_URL", "http://engine.invalid/000000000000/sends.fifo"),
            ("CARILLON_SECRETS_KEY", SECRETS_KEY),
            ("CARILLON_ADMIN_KEY", ADMIN),
            ("CARILLON_GRAPH_URL", "http://nowhere.invalid"),
        ]);
        let table = Table::new(&aws, TABLE);
        ensure_table(&table).await?;
        let watch = Arc::new(Watch::new(engine, clock.clone()));
        let whatsapp = WhatsApp::new(clock.clone(), dice.clone(), watch.clone(), trouble);
        let api = Api::new(&config, &aws, clock.clone(), ids.clone())?;
        let webhook = Webhook::new(&config, &aws, clock.clone(), ids.clone())?;
        let mut stage = Self {
            scheduler: Arc::new(Scheduler::new(&config, &aws, clock.clone())?),
            aggregator: Arc::new(Aggregator::new(table.clone())),
            webhook: carillon_webhook::router(Arc::new(webhook)),
            api: carillon_api::router(Arc::new(api)),
            whatsapp: Arc::new(whatsapp),
            senders: Vec::new(),
            clock,
            dice,
            queue,
            watch,
            table,
            aws,
            config,
            ids,
        };
        stage.start_senders(senders)?;
        Ok(stage)
    }

    /// Starts that many processes that send, in place of those there were.
    pub(crate) fn start_senders(&mut self, count: usize) -> Result<(), Broken> {
        self.senders = (0..count).map(|_| self.sender()).collect::<Result<_, _>>()?;
        Ok(())
    }

    fn sender(&self) -> Result<Arc<Sender>, Broken> {
        let (clock, ids) = (self.clock.clone(), self.ids.clone());
        let mut sender = carillon_sender::sender(&self.config, &self.aws, clock, ids)?;
        let whatsapp = self.whatsapp.clone();
        sender.channels = sender.channels.through(move |connection| whatsapp.line(connection));
        Ok(Arc::new(sender))
    }

    /// What a person asks of the API: the status and the body of the answer.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Result<(u16, Value), Broken> {
        let body = body.map(|body| ("application/json", body.to_string()));
        self.call(method, path, body).await
    }

    /// Uploads recipients.
    pub(crate) async fn upload(&self, campaign: &str, csv: String) -> Result<(u16, Value), Broken> {
        let path = format!("/v1/campaigns/{campaign}/recipients");
        self.call("POST", &path, Some(("text/csv", csv))).await
    }

    async fn call(
        &self,
        method: &str,
        path: &str,
        body: Option<(&str, String)>,
    ) -> Result<(u16, Value), Broken> {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header(header::AUTHORIZATION, format!("Bearer {ADMIN}"));
        let body = match body {
            Some((kind, body)) => {
                request = request.header(header::CONTENT_TYPE, kind);
                Body::from(body)
            }
            None => Body::empty(),
        };
        let answer = self.api.clone().oneshot(request.body(body)?).await?;
        let status = answer.status().as_u16();
        let bytes = answer.into_body().collect().await?.to_bytes();
        Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
    }
}
