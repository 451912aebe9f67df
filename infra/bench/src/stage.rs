use std::fmt::Write;
use std::time::Duration;

use carillon::feed::Detail;
use carillon::ids::IdSource;
use carillon::time::Clock;
use carillon_engines::{Engines, Storage};
use carillon_host::{
    DEFAULT_MESSAGE_RETENTION_DAYS, DEFAULT_MINIMUM_SHARE, Host, HostConfig, SchedulerTrigger,
    StreamDelivery, standard_providers,
};
use serde_json::{Value, json};
use whatsapp_simulator::{Behaviour, Simulator};

use crate::{CountingProxy, Cpu};

const ADMIN_KEY: &str = "bench-admin-key";
/// The app secret of the stage's connection.
const APP_SECRET: &str = "simulator-app-secret";
const VERIFY_TOKEN: &str = "simulator-verify-token";

/// How a stage is set.
#[derive(Debug, Clone)]
pub struct StageConfig {
    /// What the simulator does.
    pub behaviour: Behaviour,
    /// Messages a second of the connection.
    pub throughput: u32,
    /// Whether requests to the engines are counted.
    pub counting: bool,
}

/// Carillon on the machine's own clock, with a simulator in threads of its own.
pub struct Stage {
    /// Carillon.
    pub host: Host,
    /// WhatsApp.
    pub simulator: Simulator,
    /// What counts requests to the table.
    pub dynamodb: Option<CountingProxy>,
    /// What counts requests to the queue.
    pub sqs: Option<CountingProxy>,
    http: reqwest::Client,
    connection: String,
    // Both live as long as the stage.
    _folder: tempfile::TempDir,
    simulating: Option<tokio::runtime::Runtime>,
}

impl Drop for Stage {
    /// A runtime may not be waited for inside another.
    fn drop(&mut self) {
        if let Some(simulating) = self.simulating.take() {
            simulating.shutdown_background();
        }
    }
}

impl Stage {
    /// Sets the stage.
    ///
    /// # Panics
    /// When it can't be set.
    pub async fn set(config: StageConfig) -> Self {
        let simulating = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("simulator")
            .enable_all()
            .build()
            .expect("a runtime");
        let simulator = simulator(&simulating, &config).await;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let engines =
            Engines::start(Storage::Folder(folder.path().to_owned())).expect("the engines start");
        let (mut urls, mut proxies) = ((engines.dynamodb_url(), engines.sqs_url()), (None, None));
        if config.counting {
            let (dynamodb, dynamodb_url) =
                CountingProxy::start(&urls.0).await.expect("a proxy starts");
            let (sqs, sqs_url) = CountingProxy::start(&urls.1).await.expect("a proxy starts");
            urls = (dynamodb_url, sqs_url);
            proxies = (Some(dynamodb), Some(sqs));
        }
        let host = HostConfig {
            storage: Storage::Folder(folder.path().to_owned()),
            listen: ([127, 0, 0, 1], 0).into(),
            providers: standard_providers(&simulator.url()).expect("an HTTP client"),
            public_url: None,
            admin_key: ADMIN_KEY.into(),
            secrets_key: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".into(),
            address_key: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".into(),
            clock: Clock::system(),
            ids: IdSource::random(),
            senders: 4,
            minimum_share: DEFAULT_MINIMUM_SHARE,
            message_retention_days: DEFAULT_MESSAGE_RETENTION_DAYS,
            events: Detail::default(),
            scheduler: SchedulerTrigger::Manual,
            stream_delivery: StreamDelivery::Once,
        };
        let host = Host::start_with_engines(host, engines, &urls.0, &urls.1)
            .await
            .expect("the host starts");
        simulator.set_webhook(&format!("{}/webhooks/whatsapp", host.url()), VERIFY_TOKEN);
        let mut stage = Self {
            host,
            simulator,
            dynamodb: proxies.0,
            sqs: proxies.1,
            http: reqwest::Client::new(),
            connection: String::new(),
            _folder: folder,
            simulating: Some(simulating),
        };
        stage.connect(config.throughput).await;
        stage
    }

    async fn connect(&mut self, throughput: u32) {
        let connection = json!({
            "name": "Bench", "throughput_mps": throughput,
            "provider": {
                "type": "whatsapp_cloud",
                "whatsapp_cloud": {"phone_number_id": "800000000000001"},
            },
            "credentials": {
                "access_token": "token", "app_secret": APP_SECRET, "verify_token": VERIFY_TOKEN,
            },
        });
        let made = self.post("/v1/connections", &connection).await;
        made["id"].as_str().expect("an id").clone_into(&mut self.connection);
    }

    /// A draft that sends at full speed and as many a day as it is allowed.
    ///
    /// # Panics
    /// When it can't be made.
    pub async fn campaign(&self) -> String {
        let campaign = json!({
            "name": "Bench", "connection_id": self.connection, "speed": "fast",
            "daily_send_limit": 1_000_000,
            "message": {"type": "template", "template": {"name": "spring_offer", "language": "en_US", "components": [
                {"type": "body", "parameters": [{"type": "text", "text": "{first_name}"}]}
            ]}},
        });
        self.post("/v1/campaigns", &campaign).await["id"].as_str().expect("an id").to_owned()
    }

    /// Uploads `count` recipients.
    ///
    /// # Panics
    /// When they can't be uploaded.
    pub async fn import(&self, campaign: &str, first: u32, count: u32) -> Value {
        let mut csv = "phone,first_name\n".to_owned();
        for number in first..first + count {
            let _ = writeln!(csv, "+57300{number:07},Person {number}");
        }
        let url = format!("{}/v1/campaigns/{campaign}/recipients", self.host.url());
        let request = self.http.post(url).bearer_auth(ADMIN_KEY).header("content-type", "text/csv");
        request.body(csv).send().await.expect("an answer").json().await.expect("JSON")
    }

    /// POST with a JSON body.
    ///
    /// # Panics
    /// When it isn't answered with JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Value {
        let url = format!("{}{path}", self.host.url());
        let request = self.http.post(url).bearer_auth(ADMIN_KEY).json(body);
        request.send().await.expect("an answer").json().await.expect("JSON")
    }

    /// PATCH with a JSON body.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn patch(&self, path: &str, body: &Value) {
        let url = format!("{}{path}", self.host.url());
        let request = self.http.patch(url).bearer_auth(ADMIN_KEY).json(body);
        request.send().await.expect("an answer");
    }

    /// The campaign's report.
    ///
    /// # Panics
    /// When there is none.
    pub async fn report(&self, campaign: &str) -> Value {
        let url = format!("{}/v1/campaigns/{campaign}/report", self.host.url());
        let request = self.http.get(url).bearer_auth(ADMIN_KEY);
        request.send().await.expect("an answer").json().await.expect("JSON")
    }

    /// POST of a signed webhook; the HTTP status.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn webhook(&self, body: Vec<u8>) -> u16 {
        let secret = APP_SECRET.into();
        let signature = carillon::channel::whatsapp_cloud::signature::sign(&secret, &body);
        let url = format!("{}/webhooks/whatsapp", self.host.url());
        let request = self.http.post(url).header("x-hub-signature-256", signature).body(body);
        request.send().await.expect("an answer").status().as_u16()
    }

    /// Starts a campaign and runs the scheduler until nobody waits any more.
    ///
    /// # Panics
    /// When the scheduler fails.
    pub async fn send_all(&self, campaign: &str) {
        self.post(&format!("/v1/campaigns/{campaign}/start"), &json!({})).await;
        loop {
            self.host.run_scheduler().await.expect("the scheduler runs");
            while !self.host.all_batches_done().await.expect("the table answers") {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            self.host.wait_until_counted().await;
            if self.report(campaign).await["pending"].as_u64() == Some(0) {
                return;
            }
        }
    }

    /// Waits until the report's `field` is `count`.
    pub async fn wait_for(&self, campaign: &str, field: &str, count: u64) {
        while self.report(campaign).await[field].as_u64() != Some(count) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn simulator(runtime: &tokio::runtime::Runtime, config: &StageConfig) -> Simulator {
    let number = whatsapp_simulator::Number {
        throughput: Some(config.throughput),
        ..whatsapp_simulator::Number::default()
    };
    let config = whatsapp_simulator::Config {
        numbers: vec![number],
        behaviour: config.behaviour.clone(),
        app_secret: APP_SECRET.to_owned(),
        verify_token: VERIFY_TOKEN.to_owned(),
        deliveries_in_flight: 8,
        ..whatsapp_simulator::Config::default()
    };
    let started = runtime.spawn(Simulator::start(config)).await;
    started.expect("the simulator runs").expect("the simulator starts")
}

/// Processor time by who used it, in microseconds a message: Carillon itself,
/// the engines, the simulator.
pub fn cpu_shares(before: &Cpu, after: &Cpu, messages: f64) -> (f64, f64, f64) {
    let by = |prefix: &str| after.since(before, prefix) / messages;
    (by("carillon"), by("engine"), by("simulator"))
}
