use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use carillon::ids::IdSource;
use carillon::time::{Clock, Timestamp, system_time};
use carillon_engines::{Engines, Storage};
use carillon_host::{
    DEFAULT_MESSAGE_RETENTION_DAYS, DEFAULT_MINIMUM_SHARE, ExternalBackends, Host, HostConfig,
    SchedulerTrigger, StreamDelivery,
};
use serde_json::{Value, json};
use whatsapp_simulator::{Behaviour, Limits, Simulator};

use crate::{Answer, Faults, FaultyProxy, StreamService};

const ADMIN_KEY: &str = "test-admin-key";
const APP_SECRET: &str = "simulator-app-secret";
const VERIFY_TOKEN: &str = "simulator-verify-token";
/// How many times faster than the machine's the world's clock runs.
const RATE: f64 = 30.0;
/// How long a test waits for work to be done, on the machine's clock.
const PATIENCE: Duration = Duration::from_mins(2);

/// How a world is made.
#[derive(Debug)]
pub struct Builder {
    behaviour: Behaviour,
    limits: Limits,
    start: Timestamp,
    folder: Option<PathBuf>,
    senders: usize,
    rate: f64,
    faults: Option<Faults>,
}

/// Carillon, a simulator and a clock.
pub struct World {
    /// Carillon.
    pub host: Host,
    /// WhatsApp.
    pub simulator: Simulator,
    /// The clock that both go by.
    pub clock: Clock,
    /// What stands before the table and the queues, where faults were asked for.
    pub proxies: Option<[FaultyProxy; 2]>,
    http: reqwest::Client,
    builder: Builder,
    // Removed with the world.
    _own_folder: Option<tempfile::TempDir>,
    folder: PathBuf,
    name: String,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            behaviour: Behaviour::all_read(),
            limits: Limits::default(),
            // A Saturday morning.
            start: Timestamp::constant(1_795_255_200, 0),
            folder: None,
            senders: 4,
            rate: RATE,
            faults: None,
        }
    }
}

impl Builder {
    /// What the people out there do.
    #[must_use]
    pub fn behaviour(mut self, behaviour: Behaviour) -> Self {
        self.behaviour = behaviour;
        self
    }

    /// The limits that WhatsApp keeps.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Where the table is kept, instead of a folder of its own.
    #[must_use]
    pub fn folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// How many batches are sent at the same time.
    #[must_use]
    pub fn senders(mut self, senders: usize) -> Self {
        self.senders = senders;
        self
    }

    /// How many times faster than the machine's the clock runs.
    #[must_use]
    pub fn rate(mut self, rate: f64) -> Self {
        self.rate = rate;
        self
    }

    /// Puts something that disturbs between Carillon and its engines; the stream
    /// is delivered twice, too.
    #[must_use]
    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = Some(faults);
        self
    }

    /// The world.
    ///
    /// # Panics
    /// When it can't be made.
    pub async fn build(self) -> World {
        crate::logs::keep();
        let own_folder = match &self.folder {
            Some(_) => None,
            None => Some(tempfile::tempdir().expect("a temporary folder")),
        };
        let given = self.folder.clone();
        let folder = given.or_else(|| own_folder.as_ref().map(|own| own.path().to_owned()));
        let folder = folder.expect("a folder");
        let clock = Clock::movable(self.start, self.rate);
        let simulator = Simulator::start(simulator_config(&self, &clock)).await;
        let simulator = simulator.expect("the simulator starts");
        // Engines of someone else's are shared by all tests.
        let name = format!("carillon-{:08x}", rand::random::<u32>());
        let (host, proxies) = start_host(&self, &clock, &folder, &name, &simulator).await;
        let http = reqwest::Client::new();
        World {
            host,
            simulator,
            clock,
            proxies,
            http,
            builder: self,
            _own_folder: own_folder,
            folder,
            name,
        }
    }
}

/// The DynamoDB and SQS at the SDK's standard environment variables, if they are set;
/// else the embedded engines are used.
#[expect(clippy::disallowed_methods, reason = "the environment selects the engines under test")]
fn external_backends(name: &str) -> Option<ExternalBackends> {
    let at = |variable| std::env::var(variable).ok();
    let dynamodb_url = at("AWS_ENDPOINT_URL_DYNAMODB")?;
    let sqs_url = at("AWS_ENDPOINT_URL_SQS")?;
    let stream = Arc::new(StreamService::new(&dynamodb_url, name));
    Some(ExternalBackends { dynamodb_url, sqs_url, name: name.to_owned(), stream })
}

fn simulator_config(builder: &Builder, clock: &Clock) -> whatsapp_simulator::Config {
    let clock = clock.clone();
    whatsapp_simulator::Config {
        behaviour: builder.behaviour.clone(),
        limits: builder.limits.clone(),
        app_secret: APP_SECRET.to_owned(),
        verify_token: VERIFY_TOKEN.to_owned(),
        clock: Arc::new(move || system_time(clock.now())),
        ..whatsapp_simulator::Config::default()
    }
}

async fn start_host(
    builder: &Builder,
    clock: &Clock,
    folder: &Path,
    name: &str,
    simulator: &Simulator,
) -> (Host, Option<[FaultyProxy; 2]>) {
    let config = HostConfig {
        storage: Storage::Folder(folder.to_owned()),
        listen: ([127, 0, 0, 1], 0).into(),
        graph_url: simulator.url(),
        public_url: None,
        admin_key: ADMIN_KEY.into(),
        // 32 bytes, all zero.
        secrets_key: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".into(),
        clock: clock.clone(),
        ids: IdSource::seeded(7),
        senders: builder.senders,
        minimum_share: DEFAULT_MINIMUM_SHARE,
        message_retention_days: DEFAULT_MESSAGE_RETENTION_DAYS,
        scheduler: SchedulerTrigger::Manual,
        stream_delivery: match builder.faults {
            Some(_) => StreamDelivery::Twice,
            None => StreamDelivery::Once,
        },
    };
    let (host, proxies) = match (&builder.faults, external_backends(name)) {
        (None, None) => (Box::pin(Host::start(config)).await, None),
        (None, Some(backends)) => {
            (Box::pin(Host::start_with_backends(config, backends)).await, None)
        }
        (Some(faults), _) => {
            let engines = Engines::start(config.storage.clone()).expect("the engines start");
            // The faults come once everything is there.
            let proxy = |url: String, seed| async move {
                FaultyProxy::start(&url, Faults::default(), seed).await.expect("a proxy")
            };
            let (table, table_url) = proxy(engines.dynamodb_url(), 1).await;
            let (queues, queues_url) = proxy(engines.sqs_url(), 2).await;
            let host =
                Box::pin(Host::start_with_engines(config, engines, &table_url, &queues_url)).await;
            table.set(faults.clone());
            queues.set(faults.clone());
            (host, Some([table, queues]))
        }
    };
    let host = host.expect("the host starts");
    simulator.set_webhook(&format!("{}/webhooks/whatsapp", host.url()), VERIFY_TOKEN);
    (host, proxies)
}

impl World {
    /// How another world than the usual is made.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A world in which every message is delivered and read, and nobody answers.
    pub async fn new() -> Self {
        Self::builder().build().await
    }

    /// Stops Carillon and starts it again on the same folder.
    #[must_use]
    pub async fn restart(self) -> Self {
        self.host.stop().await;
        let started =
            start_host(&self.builder, &self.clock, &self.folder, &self.name, &self.simulator);
        let (host, proxies) = started.await;
        Self { host, proxies, ..self }
    }

    /// Nothing goes wrong from now on.
    pub fn calm(&self) {
        for proxy in self.proxies.iter().flatten() {
            proxy.set(Faults::default());
        }
    }

    /// Sends a request with the admin key.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let method = method.parse().expect("a method");
        let url = format!("{}{path}", self.host.url());
        let request = self.http.request(method, url).bearer_auth(ADMIN_KEY);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        Answer::of(request.send().await.expect("an answer")).await
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.request("GET", path, None).await
    }

    /// POST with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.request("POST", path, Some(body)).await
    }

    /// POST of a webhook body with a signature.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn post_webhook(&self, body: Vec<u8>, signature: &str) -> Answer {
        let url = format!("{}/webhooks/whatsapp", self.host.url());
        let request = self.http.post(url).header("x-hub-signature-256", signature).body(body);
        Answer::of(request.send().await.expect("an answer")).await
    }

    /// Signs a webhook body with the world's app secret.
    pub fn sign(body: &[u8]) -> String {
        carillon::channel::whatsapp_cloud::signature::sign(&APP_SECRET.into(), body)
    }

    /// Uploads recipients.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn upload(&self, campaign: &str, csv: impl Into<Vec<u8>>) -> Answer {
        let url = format!("{}/v1/campaigns/{campaign}/recipients", self.host.url());
        let request = self.http.post(url).bearer_auth(ADMIN_KEY).header("content-type", "text/csv");
        Answer::of(request.body(csv.into()).send().await.expect("an answer")).await
    }

    /// A connection to the simulator, with other settings than the usual.
    pub async fn connection_with(&self, settings: Value) -> String {
        let mut body = json!({
            "name": "Main", "kind": "whatsapp_cloud", "phone_number_id": "800000000000001",
            "waba_id": "900000000000001", "access_token": "EAAtoken", "app_secret": APP_SECRET,
            "verify_token": VERIFY_TOKEN, "throughput_mps": 80, "messaging_limit": 100_000,
        });
        merge(&mut body, settings);
        self.post("/v1/connections", &body).await.expect(201).string("id")
    }

    /// A connection to the simulator.
    pub async fn connection(&self) -> String {
        self.connection_with(json!({})).await
    }

    /// A draft that sends a template with the recipient's first name.
    pub async fn campaign(&self, connection: &str, settings: Value) -> String {
        let mut body = json!({
            "name": "Spring", "connection_id": connection, "speed": "fast",
            "message": {"template": {"name": "spring_offer", "language": "en_US", "components": [
                {"type": "body", "parameters": [{"type": "text", "text": "{first_name}"}]}
            ]}},
        });
        merge(&mut body, settings);
        self.post("/v1/campaigns", &body).await.expect(201).string("id")
    }

    /// Does something to a campaign: `start`, `pause`, `resume` or `cancel`.
    pub async fn act(&self, campaign: &str, action: &str) -> Answer {
        self.post(&format!("/v1/campaigns/{campaign}/{action}"), &json!({})).await
    }

    /// The campaign's report, everything written so far counted.
    pub async fn report(&self, campaign: &str) -> Answer {
        self.host.wait_until_counted().await;
        self.get(&format!("/v1/campaigns/{campaign}/report")).await.expect(200)
    }

    /// Runs the scheduler and waits until everything it set off is over:
    /// batches sent, webhooks due taken in, everything counted.
    ///
    /// # Panics
    /// When that takes too long.
    pub async fn settle(&self) {
        self.host.run_scheduler().await.expect("the scheduler runs");
        self.quiet().await;
    }

    /// Waits until the batches are sent, the webhooks due are taken in, and
    /// everything is counted.
    ///
    /// # Panics
    /// When that takes too long.
    pub async fn quiet(&self) {
        let quiet = async {
            while !(self.host.all_batches_done().await.expect("the table answers")
                && self.simulator.due_events_acknowledged())
            {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            self.host.wait_until_counted().await;
        };
        tokio::time::timeout(PATIENCE, quiet).await.expect("the world becomes quiet");
    }

    /// Lets time pass, in steps, the scheduler running at each.
    pub async fn pass(&self, hours: u32, step_minutes: u32) {
        for _ in 0..(hours * 60 / step_minutes) {
            self.clock.advance(Duration::from_secs(u64::from(step_minutes) * 60));
            self.settle().await;
        }
    }
}

fn merge(into: &mut Value, settings: Value) {
    if let (Value::Object(into), Value::Object(settings)) = (into, settings) {
        into.extend(settings);
    }
}
