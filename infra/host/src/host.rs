use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use carillon::AwsConfig;
use carillon::address_key::AddressKeys;
use carillon::batch::{self, BatchRef};
use carillon::delivery::{RunEnd, SendQueue, Sender};
use carillon::ids::JobId;
use carillon::job;
use carillon::jobs::{self, Worker};
use carillon::plan::Plan;
use carillon::table::Table;
use carillon::time::Timestamp;
use carillon_engines::Engines;
use carillon_scheduler::Scheduler;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::config::{ExternalBackends, HostConfig, TABLE_NAME};
use crate::error::HostError;
use crate::functions::{Functions, Parts};
use crate::job_runner::JOBS_TIMEOUT;
use crate::queue::Queues;
use crate::stream::EmbeddedStream;
use crate::stream_consumer::StreamConsumer;
use crate::tasks::Tasks;

/// Deadline of a batch that [`Host::run_sender`] sends.
const RUN_SENDER_TIMEOUT: Duration = Duration::from_mins(5);

/// All functions of Carillon in this process, with the queues, the timers and the
/// HTTP listener that trigger them.
#[derive(Debug)]
pub struct Host {
    address: SocketAddr,
    table: Table,
    queues: Queues,
    sender: Arc<Sender>,
    scheduler: Arc<Scheduler>,
    worker: Arc<Worker>,
    /// Changes each time the stream consumer has read the stream to its end.
    stream_ends: watch::Receiver<u64>,
    tasks: Tasks,
    // The engines run as long as the host.
    _engines: Option<Arc<Engines>>,
}

impl Host {
    /// Starts the embedded engines and all functions. The host answers requests when
    /// this returns.
    pub async fn start(config: HostConfig) -> Result<Self, HostError> {
        let engines = Engines::start(config.storage.clone())?;
        let (dynamodb_url, sqs_url) = (engines.dynamodb_url(), engines.sqs_url());
        Self::start_with_engines(config, engines, &dynamodb_url, &sqs_url).await
    }

    /// Starts all functions on embedded engines that already run. The two URLs are the
    /// engines' own or those of proxies in front of them.
    pub async fn start_with_engines(
        config: HostConfig,
        engines: Engines,
        dynamodb_url: &str,
        sqs_url: &str,
    ) -> Result<Self, HostError> {
        let engines = Arc::new(engines);
        let stream = EmbeddedStream { engines: engines.clone(), table: TABLE_NAME.to_owned() };
        let backends = ExternalBackends {
            dynamodb_url: dynamodb_url.to_owned(),
            sqs_url: sqs_url.to_owned(),
            name: TABLE_NAME.to_owned(),
            stream: Arc::new(stream),
        };
        Self::launch(config, backends, Some(engines)).await
    }

    /// Starts all functions on another DynamoDB and SQS: AWS's own or compatible ones.
    /// Creates the table and the queues that do not exist.
    pub async fn start_with_backends(
        config: HostConfig,
        backends: ExternalBackends,
    ) -> Result<Self, HostError> {
        Self::launch(config, backends, None).await
    }

    async fn launch(
        config: HostConfig,
        backends: ExternalBackends,
        engines: Option<Arc<Engines>>,
    ) -> Result<Self, HostError> {
        let listener = listen(config.listen).await?;
        let address = listener.local_addr().unwrap_or(config.listen);
        let aws = AwsConfig::at(&backends.dynamodb_url, &backends.sqs_url).await;
        let queues = Queues::create_if_missing(&backends.sqs_url, &backends.name)
            .await
            .map_err(HostError::Function)?;
        let environment = config.function_config(&backends.name, &queues, address);
        let addresses = AddressKeys::fixed(&config.address_key).map_err(HostError::function)?;
        let table = Table::new(&aws, &backends.name).with_addresses(addresses);
        let parts =
            Parts { clock: config.clock.clone(), ids: config.ids, providers: config.providers };
        let functions = Functions::new(&environment, &aws, table, parts).await?;
        functions.table.ensure_address_key().await.map_err(HostError::function)?;
        functions.scheduler.recover().await.map_err(HostError::function)?;

        let mut tasks = Tasks::default();
        tasks.serve_http(listener, functions.router);
        tasks.poll_sends(config.senders, &queues, &functions.sender);
        tasks.run_jobs(functions.launches, &functions.worker);
        tasks.start_timers(config.scheduler, &functions.scheduler, engines.as_ref());
        let (stream_ends_sender, stream_ends) = watch::channel(0);
        tasks.consume_stream(StreamConsumer {
            stream: backends.stream,
            aggregator: functions.aggregator,
            clock: config.clock,
            delivery: config.stream_delivery,
            ends: stream_ends_sender,
        });
        Ok(Self {
            address,
            table: functions.table,
            queues,
            sender: functions.sender,
            scheduler: functions.scheduler,
            worker: functions.worker,
            stream_ends,
            tasks,
            _engines: engines,
        })
    }

    /// Base URL of the HTTP listener, such as `http://127.0.0.1:8080`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The table, for tests that check what is stored.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Runs the scheduler once, at the current time of the host's clock.
    pub async fn run_scheduler(&self) -> Result<Plan, HostError> {
        let now = self.scheduler.clock.now();
        self.scheduler.run(now).await.map_err(HostError::function)
    }

    /// As [`Host::run_scheduler`], with so much time by the host's clock.
    pub async fn run_scheduler_for(&self, time: Duration) -> Result<Plan, HostError> {
        let now = self.scheduler.clock.now();
        self.scheduler.run_until(now, now + time).await.map_err(HostError::function)
    }

    /// Returns whether no batch is open.
    pub async fn all_batches_done(&self) -> Result<bool, HostError> {
        let open = batch::store::open(&self.table).await.map_err(HostError::function)?;
        Ok(open.is_empty())
    }

    /// Returns whether no job is open.
    pub async fn all_jobs_done(&self) -> Result<bool, HostError> {
        let open = job::store::each_open(&self.table).await.map_err(HostError::function)?;
        Ok(open.is_empty())
    }

    /// Waits until the aggregator has counted every write made before this call.
    pub async fn wait_until_counted(&self) {
        let mut stream_ends = self.stream_ends.clone();
        // The read in progress may have started before the last write. The next one
        // starts after it.
        for _ in 0..2 {
            let _ = stream_ends.changed().await;
        }
    }

    /// Makes all senders hand back their batches and take no more, as [`Host::stop`]
    /// does. All other functions continue.
    pub fn drain_senders(&self) {
        self.sender.closing.cancel();
    }

    /// The sender's client of the queues of batches, for tests that check what is queued.
    pub fn send_queue(&self) -> &SendQueue {
        &self.sender.queue
    }

    /// Runs the sender on one batch, in parallel to all others. The batch need not be
    /// on the queue.
    pub async fn run_sender(&self, batch: &BatchRef) -> Result<RunEnd, HostError> {
        let deadline = self.sender.clock.now() + RUN_SENDER_TIMEOUT;
        self.sender.run(batch, deadline).await.map_err(HostError::function)
    }

    /// Runs the function that works jobs on one job, in parallel to all others.
    pub async fn run_job(&self, job: JobId) -> Result<jobs::RunEnd, HostError> {
        self.run_job_until(job, self.worker.clock.now() + JOBS_TIMEOUT).await
    }

    /// As [`Host::run_job`], with this deadline.
    pub async fn run_job_until(
        &self,
        job: JobId,
        deadline: Timestamp,
    ) -> Result<jobs::RunEnd, HostError> {
        self.worker.run(job, deadline).await.map_err(HostError::function)
    }

    /// Sends a message with any body to the sends queue, valid or not.
    pub async fn enqueue_raw(&self, body: &str) -> Result<(), HostError> {
        self.queues.sends.send(body).await.map_err(HostError::Function)
    }

    /// Deletes all queued messages, as a restart of the embedded queue does.
    pub async fn purge_queues(&self) -> Result<(), HostError> {
        self.queues.purge().await.map_err(HostError::Function)
    }

    /// Stops the host: takes no new work, hands back the batches in progress, and
    /// counts every write.
    pub async fn stop(self) {
        self.sender.closing.cancel();
        self.worker.closing.cancel();
        self.tasks.stop().await;
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, HostError> {
    TcpListener::bind(address).await.map_err(|source| HostError::Listen { address, source })
}
