use std::time::Duration;

use carillon::channel::whatsapp_cloud::signature;
use carillon::time::Clock;
use carillon_api::Cursors;
use carillon_host::Host;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;
use tokio::time::Instant;
use whatsapp_simulator::{Simulator, StepCounts};

use crate::host_setup::{ADMIN_KEY, APP_SECRET, HostSetup, Proxies};
use crate::{FaultRates, Response};

/// How long a test waits without any progress, in real time.
const MAX_WAIT: Duration = Duration::from_mins(2);

/// Carillon, a WhatsApp simulator, and the clock of both.
pub struct World {
    /// Carillon.
    pub host: Host,
    /// WhatsApp.
    pub simulator: Simulator,
    /// The clock of both.
    pub clock: Clock,
    proxies: Option<Proxies>,
    http: reqwest::Client,
    /// Opens the API's cursors.
    cursors: Cursors,
    setup: HostSetup,
}

/// Start, stop, faults.
impl World {
    pub(crate) async fn open(setup: HostSetup, simulator: Simulator) -> Self {
        let (host, proxies) = setup.start(&simulator).await;
        let (clock, http) = (setup.clock.clone(), reqwest::Client::new());
        let cursors = setup.cursors().await;
        Self { host, simulator, clock, proxies, http, cursors, setup }
    }

    /// Stops the host and starts it again on the same table.
    #[must_use]
    pub async fn restart(self) -> Self {
        self.host.stop().await;
        Self::open(self.setup, self.simulator).await
    }

    /// The fault proxies.
    ///
    /// # Panics
    /// If the world was built without faults.
    pub fn proxies(&self) -> &Proxies {
        self.proxies.as_ref().expect("a world with faults")
    }

    /// Stops injecting faults.
    pub fn stop_faults(&self) {
        self.proxies().set_rates(&FaultRates::default());
    }
}

/// Time and work.
impl World {
    /// Runs the scheduler once.
    ///
    /// # Panics
    /// If the run fails.
    pub async fn tick(&self) {
        self.host.run_scheduler().await.expect("the scheduler runs");
    }

    /// Runs the scheduler once, then waits as [`World::wait_until_idle`] does.
    ///
    /// # Panics
    /// As [`World::wait_until_idle`].
    pub async fn run_until_idle(&self) {
        self.tick().await;
        self.wait_until_idle().await;
    }

    /// Waits until every batch is closed, every job is done, every webhook that is due is
    /// stored, and every change of the table is counted.
    ///
    /// # Panics
    /// If nothing is done for two minutes of real time: no message accepted, no webhook
    /// acknowledged. Another engine may be slow, but it may not stop.
    pub async fn wait_until_idle(&self) {
        let mut progress = Progress::default();
        while !(self.simulator.due_events_acknowledged()
            && self.host.all_batches_done().await.expect("the table answers")
            && self.host.all_jobs_done().await.expect("the table answers"))
        {
            progress.check(&self.simulator);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let counted = self.host.wait_until_counted();
        tokio::time::timeout(MAX_WAIT, counted).await.expect("the changes are counted");
    }

    /// Waits until the simulator has accepted that many messages.
    ///
    /// # Panics
    /// As [`World::wait_until_idle`].
    pub async fn wait_until_accepted(&self, messages: u64) {
        let mut progress = Progress::default();
        while self.simulator.summary().accepted < messages {
            progress.check(&self.simulator);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Advances the clock in steps, and runs the scheduler until idle after each.
    pub async fn advance_hours(&self, hours: u32, step_minutes: u32) {
        for _ in 0..(hours * 60 / step_minutes) {
            self.clock.advance(Duration::from_mins(step_minutes.into()));
            self.run_until_idle().await;
        }
    }
}

/// What is done, and since when nothing was.
struct Progress {
    /// Accepted messages, acknowledged steps.
    done: (u64, StepCounts),
    since: Instant,
    next_check: Instant,
}

impl Default for Progress {
    fn default() -> Self {
        let now = Instant::now();
        Self { done: Default::default(), since: now, next_check: now }
    }
}

impl Progress {
    /// Once a second, because a summary reads the whole log.
    fn check(&mut self, simulator: &Simulator) {
        let now = Instant::now();
        if now < self.next_check {
            return;
        }
        self.next_check = now + Duration::from_secs(1);
        let summary = simulator.summary();
        let done = (summary.accepted, summary.acknowledged);
        if done != self.done {
            (self.done, self.since) = (done, now);
        }
        assert!(now - self.since < MAX_WAIT, "nothing is done any more: {summary:?}");
    }
}

/// Requests with the admin key, and webhooks.
impl World {
    /// GET.
    pub async fn get(&self, path: &str) -> Response {
        self.send(self.request("GET", path)).await
    }

    /// POST with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.send(self.request("POST", path).json(body)).await
    }

    /// PATCH with a JSON body.
    pub async fn patch(&self, path: &str, body: &Value) -> Response {
        self.send(self.request("PATCH", path).json(body)).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Response {
        self.send(self.request("DELETE", path)).await
    }

    /// POST of a CSV file.
    pub(crate) async fn post_csv(&self, path: &str, csv: Vec<u8>) -> Response {
        self.post_file(path, "text/csv", csv).await
    }

    /// POST of a file.
    pub async fn post_file(&self, path: &str, mime_type: &str, file: Vec<u8>) -> Response {
        let request = self.request("POST", path).header(CONTENT_TYPE, mime_type);
        self.send(request.body(file)).await
    }

    /// POST of a webhook body with a signature.
    pub async fn post_webhook(&self, body: Vec<u8>, signature: &str) -> Response {
        let url = format!("{}/webhooks/whatsapp", self.host.url());
        let request = self.http.post(url).header("x-hub-signature-256", signature);
        self.send(request.body(body)).await
    }

    /// POST of a webhook body with its valid signature.
    pub async fn post_signed_webhook(&self, body: Vec<u8>) -> Response {
        let signature = Self::sign(&body);
        self.post_webhook(body, &signature).await
    }

    /// The signature of a webhook body with the app secret of the connection.
    pub fn sign(body: &[u8]) -> String {
        signature::sign(&APP_SECRET.into(), body)
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = method.parse().expect("a method");
        self.http.request(method, format!("{}{path}", self.host.url())).bearer_auth(ADMIN_KEY)
    }

    /// GET of a path with personal data, which no log may have.
    ///
    /// # Panics
    /// If there is no response.
    pub async fn get_hostile(&self, path: &str) -> Response {
        Response::read(self.request("GET", path).send().await.expect("a response")).await
    }

    /// Logs the addresses of requests and what their answers' cursors hold, so that the `logs`
    /// test searches them too.
    async fn send(&self, request: reqwest::RequestBuilder) -> Response {
        let request = request.build().expect("a request");
        let url = request.url();
        tracing::info!(path = url.path(), query = url.query(), "a test's request");
        let response = self.http.execute(request).await.expect("a response");
        let response = Response::read(response).await;
        if let Some(cursor) = response.body["next_cursor"].as_str() {
            let cursor = self.cursors.open(cursor).expect("a sealed cursor");
            tracing::info!(cursor = %String::from_utf8_lossy(&cursor), "an answer's cursor");
        }
        response
    }
}
