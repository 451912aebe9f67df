use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use carillon::AwsConfig;
use carillon::config::Config;
use carillon::delivery::{RunEnd, SendQueue, Sender};
use carillon::ids::IdSource;
use carillon::plan::BatchRef;
use carillon::table::{Table, ensure_table};
use carillon::time::Clock;
use carillon_aggregator::Aggregator;
use carillon_api::Api;
use carillon_engines::{Engines, Place};
use carillon_scheduler::Scheduler;
use carillon_webhook::Webhook;
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::queue::Queue;
use crate::records::{self, Records};
use crate::sources;

/// The table's name on one machine.
pub const TABLE: &str = "carillon";

/// The percentage of what is scarce that every campaign gets, when nothing is said.
pub const MINIMUM_SHARE: u8 = 5;

/// For how many days what contacts write is kept, when nothing is said.
pub const MESSAGE_RETENTION_DAYS: u16 = 365;

/// What a host is made with.
#[derive(Debug)]
pub struct HostConfig {
    /// Where the table is kept.
    pub place: Place,
    /// Where to listen; port 0 takes any free port.
    pub listen: SocketAddr,
    /// Where the Cloud API lies.
    pub graph_url: String,
    /// The address to tell others, if it differs from the listener's.
    pub public_url: Option<String>,
    /// The first API key.
    pub admin_key: SecretString,
    /// The key that seals connections' secrets.
    pub secrets_key: SecretString,
    /// The clock.
    pub clock: Clock,
    /// Where ids come from.
    pub ids: IdSource,
    /// How many batches are sent at the same time.
    pub senders: usize,
    /// The percentage of what is scarce that every campaign gets, 0 to 50.
    pub minimum_share: u8,
    /// For how many days what contacts write is kept, 0 to 3650; 0 for ever.
    pub message_retention_days: u16,
    /// Whether the scheduler runs by itself; without, [`Host::tick`] runs it.
    pub ticking: bool,
    /// Whether the stream is delivered twice, as Lambda may do: for tests.
    pub stream_twice: bool,
}

/// Engines that are not in this process.
#[derive(Debug)]
pub struct Elsewhere {
    /// Where DynamoDB is reached.
    pub dynamodb_url: String,
    /// Where SQS is reached.
    pub sqs_url: String,
    /// The table's name, and what the queues' names begin with.
    pub name: String,
    /// The table's stream.
    pub records: Arc<dyn Records>,
}

/// Why a host can't start.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// An engine.
    #[error(transparent)]
    Engine(#[from] carillon_engines::EngineError),
    /// The address is taken, or not ours.
    #[error("can't listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// A function, or what it stands on.
    #[error(transparent)]
    Function(Box<dyn std::error::Error + Send + Sync>),
}

/// All of Carillon in this process.
#[derive(Debug)]
pub struct Host {
    address: SocketAddr,
    engines: Option<Arc<Engines>>,
    dynamodb_url: String,
    table: Table,
    queue: Queue,
    sender: Arc<Sender>,
    scheduler: Arc<Scheduler>,
    caught_up: watch::Receiver<u64>,
    closing: CancellationToken,
    counting: CancellationToken,
    tasks: JoinSet<()>,
    counter: JoinSet<()>,
}

impl Host {
    /// Starts everything. When this returns, requests are answered.
    pub async fn start(host: HostConfig) -> Result<Self, HostError> {
        let engines = Engines::start(host.place.clone())?;
        let (dynamodb, sqs) = (engines.dynamodb_url(), engines.sqs_url());
        Self::start_on(host, engines, &dynamodb, &sqs).await
    }

    /// Starts everything on engines that run already, reached at two addresses:
    /// their own, or those of something in between that counts or disturbs.
    pub async fn start_on(
        host: HostConfig,
        engines: Engines,
        dynamodb_url: &str,
        sqs_url: &str,
    ) -> Result<Self, HostError> {
        let engines = Arc::new(engines);
        let records = records::Embedded { engines: engines.clone(), table: TABLE.to_owned() };
        let place = Elsewhere {
            dynamodb_url: dynamodb_url.to_owned(),
            sqs_url: sqs_url.to_owned(),
            name: TABLE.to_owned(),
            records: Arc::new(records),
        };
        Self::assemble(host, Some(engines), place).await
    }

    /// Starts everything on engines of someone else's, AWS's own or what stands in for
    /// them. The table and the queues are made where they are missing.
    pub async fn start_elsewhere(host: HostConfig, place: Elsewhere) -> Result<Self, HostError> {
        Self::assemble(host, None, place).await
    }

    async fn assemble(
        host: HostConfig,
        engines: Option<Arc<Engines>>,
        place: Elsewhere,
    ) -> Result<Self, HostError> {
        let Elsewhere { dynamodb_url, sqs_url, name, records } = place;
        let listener = listen(host.listen).await?;
        let address = listener.local_addr().unwrap_or(host.listen);
        let aws = AwsConfig::at(&dynamodb_url, &sqs_url).await;
        let queue = Queue::make(&sqs_url, &name).await.map_err(HostError::Function)?;
        let config = config(&host, &name, &queue, address);
        let table = Table::new(&aws, &name);
        ensure_table(&table).await.map_err(function)?;
        let (clock, ids) = (host.clock.clone(), host.ids.clone());
        let sender = carillon_sender::sender(&config, &aws, clock.clone(), ids.clone());
        let scheduler =
            Scheduler::new(&config, &aws, clock.clone()).map_err(HostError::Function)?;
        let api =
            Api::new(&config, &aws, clock.clone(), ids.clone()).map_err(HostError::Function)?;
        let webhook = Webhook::new(&config, &aws, clock, ids).map_err(HostError::Function)?;
        scheduler.recover().await.map_err(function)?;
        let router =
            carillon_api::router(Arc::new(api)).merge(carillon_webhook::router(Arc::new(webhook)));
        let (caught_up_sender, caught_up) = watch::channel(0);
        let mut running = Self {
            address,
            table: table.clone(),
            queue,
            sender: Arc::new(sender.map_err(HostError::Function)?),
            scheduler: Arc::new(scheduler),
            engines,
            dynamodb_url,
            caught_up,
            closing: CancellationToken::new(),
            counting: CancellationToken::new(),
            tasks: JoinSet::new(),
            counter: JoinSet::new(),
        };
        let aggregator = Aggregator::new(table);
        running.spawn(&host, listener, router, aggregator, records, caught_up_sender);
        Ok(running)
    }

    fn spawn(
        &mut self,
        host: &HostConfig,
        listener: TcpListener,
        router: axum::Router,
        aggregator: Aggregator,
        records: Arc<dyn Records>,
        caught_up: watch::Sender<u64>,
    ) {
        let closed = self.closing.clone().cancelled_owned();
        self.tasks.spawn(async move {
            // The API asks where a request comes from.
            let service = router.into_make_service_with_connect_info::<SocketAddr>();
            let _ = axum::serve(listener, service).with_graceful_shutdown(closed).await;
        });
        for _ in 0..host.senders.max(1) {
            let (queue, sender) = (self.queue.clone(), self.sender.clone());
            self.tasks.spawn(sources::poll_sends(queue, sender, self.closing.clone()));
        }
        if host.ticking {
            self.tasks.spawn(sources::tick(self.scheduler.clone(), self.closing.clone()));
        }
        if let Some(engines) = self.engines.clone() {
            self.tasks.spawn(sources::sweep_expired(engines, self.closing.clone()));
        }
        self.counter.spawn(sources::read_stream(
            records,
            Arc::new(aggregator),
            host.clock.clone(),
            caught_up,
            host.stream_twice,
            self.counting.clone(),
        ));
    }

    /// Where it is reached, such as `http://127.0.0.1:8080`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The table, for tests that look behind the front door.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Where the table's engine is reached.
    pub fn dynamodb_url(&self) -> String {
        self.dynamodb_url.clone()
    }

    /// Runs the scheduler once, now.
    pub async fn tick(&self) -> Result<carillon::plan::Plan, HostError> {
        let now = self.scheduler.clock.now();
        self.scheduler.run(now).await.map_err(function)
    }

    /// Whether every batch is done.
    pub async fn is_sent(&self) -> Result<bool, HostError> {
        let open = carillon::plan::store::open_batches(&self.table).await.map_err(function)?;
        Ok(open.is_empty())
    }

    /// Waits until everything written so far is counted.
    pub async fn counted(&self) {
        let mut caught_up = self.caught_up.clone();
        // The read under way may have begun before the last write: wait for the
        // one after it too.
        for _ in 0..2 {
            let _ = caught_up.changed().await;
        }
    }

    /// Has every sender hand back what it has and take no more, as when the host
    /// stops; the rest goes on.
    pub fn stop_sending(&self) {
        self.sender.closing.cancel();
    }

    /// The queue of batches, for tests that look behind the front door.
    pub fn sends(&self) -> &SendQueue {
        &self.sender.queue
    }

    /// Runs a sender on a batch, now and beside all others.
    pub async fn send_batch(&self, name: &BatchRef) -> Result<RunEnd, HostError> {
        let deadline = self.sender.clock.now() + Duration::from_mins(5);
        self.sender.run(name, deadline).await.map_err(function)
    }

    /// Puts any text on the queue of batches, as a stranger might.
    pub async fn enqueue(&self, body: &str) -> Result<(), HostError> {
        self.queue.send(body).await.map_err(HostError::Function)
    }

    /// Throws everything on the queues away, as a restart does.
    pub async fn empty_queues(&self) -> Result<(), HostError> {
        self.queue.purge().await.map_err(HostError::Function)
    }

    /// Stops: no new work is taken, batches being sent are handed back, what was
    /// written is counted.
    pub async fn stop(mut self) {
        self.closing.cancel();
        self.sender.closing.cancel();
        while self.tasks.join_next().await.is_some() {}
        self.counting.cancel();
        while self.counter.join_next().await.is_some() {}
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, HostError> {
    TcpListener::bind(address).await.map_err(|source| HostError::Listen { address, source })
}

/// The configuration the functions would find in their environment on AWS.
fn config(host: &HostConfig, table: &str, queue: &Queue, address: SocketAddr) -> Config {
    let minimum_share = host.minimum_share.to_string();
    let kept = host.message_retention_days.to_string();
    let public_url = host.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
    Config::from_values([
        ("CARILLON_TABLE", table),
        ("CARILLON_SENDS_QUEUE_URL", queue.url()),
        ("CARILLON_SENDS_FAILURES_URL", queue.failures_url()),
        ("CARILLON_SECRETS_KEY", host.secrets_key.expose_secret()),
        ("CARILLON_ADMIN_KEY", host.admin_key.expose_secret()),
        ("CARILLON_PUBLIC_URL", &public_url),
        ("CARILLON_MINIMUM_SHARE", &minimum_share),
        ("CARILLON_MESSAGE_RETENTION_DAYS", &kept),
        ("CARILLON_GRAPH_URL", &host.graph_url),
    ])
}

fn function(error: impl std::error::Error + Send + Sync + 'static) -> HostError {
    HostError::Function(Box::new(error))
}
