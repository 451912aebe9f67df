//! A proxy in front of an engine that injects faults: throttling, server errors,
//! lost responses, latency and redelivered queue messages.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use tokio::sync::oneshot;

/// How long a test waits for a request that it holds, in real time.
const MAX_WAIT: Duration = Duration::from_mins(2);

/// The rate of each fault, from 0 to 1. The default is no faults.
#[derive(Debug, Clone, Default)]
pub struct FaultRates {
    /// Requests that are throttled and not carried out.
    pub throttled: f64,
    /// Requests that fail with a server error and are not carried out.
    pub failed: f64,
    /// Requests that are carried out, and whose response is then lost: the caller
    /// gets a server error.
    pub response_lost: f64,
    /// Requests that are delayed by up to 200 ms.
    pub delayed: f64,
    /// Empty `ReceiveMessage` responses that are replaced by an earlier response with
    /// messages.
    pub redelivered: f64,
}

/// A request that the proxy holds, see [`FaultProxy::hold`] and [`FaultProxy::hold_answer`].
#[derive(Debug)]
pub struct HeldRequest {
    arrived: oneshot::Receiver<()>,
    released: oneshot::Sender<()>,
}

impl HeldRequest {
    /// Waits until the request is held.
    ///
    /// # Panics
    /// If nobody makes it for two minutes of real time.
    pub async fn arrived(&mut self) {
        let arrived = tokio::time::timeout(MAX_WAIT, &mut self.arrived).await;
        let _ = arrived.expect("the request to be held is made");
    }

    /// Lets the request go on; its caller may have gone.
    pub fn release(self) {
        let _ = self.released.send(());
    }
}

/// When a request is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// Before it is carried out.
    Arrived,
    /// Before its response goes to the caller.
    CarriedOut,
}

/// What the proxy does when a request comes that is to be held.
#[derive(Debug)]
struct Hold {
    moment: Moment,
    operation: String,
    text: String,
    arrived: oneshot::Sender<()>,
    released: oneshot::Receiver<()>,
}

/// How the next requests with a text fail, see [`FaultProxy::fail_next`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// They are throttled and not carried out.
    Throttled,
    /// They are carried out, and the caller gets a server error.
    ResponseLost,
}

/// Requests that fail, chosen by their operation and their text.
#[derive(Debug)]
struct Failing {
    failure: Failure,
    operation: String,
    text: String,
    left: u32,
}

/// A request that the proxy saw.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Its operation, such as `GetItem`.
    pub operation: String,
    /// Its body.
    pub body: String,
}

/// How many `ReceiveMessage` responses the proxy can redeliver.
const MAX_REDELIVERABLE: usize = 16;

/// A proxy in front of an engine.
#[derive(Debug, Clone)]
pub struct FaultProxy {
    upstream: String,
    http: reqwest::Client,
    state: Arc<Mutex<ProxyState>>,
}

#[derive(Debug)]
struct ProxyState {
    rates: FaultRates,
    rng: StdRng,
    redeliverable: VecDeque<Bytes>,
    injected: u64,
    /// Requests with this text fail.
    broken: Option<String>,
    hold: Option<Hold>,
    failing: Option<Failing>,
    /// The requests since [`FaultProxy::record`].
    seen: Option<Vec<Seen>>,
}

/// The fault of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Throttled,
    Failed,
    ResponseLost,
    Delayed(Duration),
}

impl FaultProxy {
    /// Starts a proxy in front of `upstream`, without faults, and returns its URL too.
    pub async fn start(upstream: &str, seed: u64) -> std::io::Result<(Self, String)> {
        let state = ProxyState {
            rates: FaultRates::default(),
            rng: StdRng::seed_from_u64(seed),
            redeliverable: VecDeque::new(),
            injected: 0,
            broken: None,
            hold: None,
            failing: None,
            seen: None,
        };
        let proxy = Self {
            upstream: upstream.to_owned(),
            http: reqwest::Client::new(),
            state: Arc::new(Mutex::new(state)),
        };
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let router = Router::new().fallback(handle).with_state(proxy.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok((proxy, url))
    }

    /// Sets the fault rates.
    pub fn set_rates(&self, rates: FaultRates) {
        self.state().rates = rates;
    }

    /// Lets every request fail that has this text in its body, such as a partition key.
    pub fn break_requests_with(&self, text: Option<&str>) {
        self.state().broken = text.map(str::to_owned);
    }

    /// Lets the next `times` requests of an operation fail that have this text in their body,
    /// and no others.
    pub fn fail_next(&self, failure: Failure, operation: &str, text: &str, times: u32) {
        let (operation, text) = (format!(".{operation}"), text.to_owned());
        self.state().failing = Some(Failing { failure, operation, text, left: times });
    }

    /// Records the requests from now on.
    pub fn record(&self) {
        self.state().seen = Some(Vec::new());
    }

    /// The requests since [`FaultProxy::record`].
    pub fn recorded(&self) -> Vec<Seen> {
        self.state().seen.take().unwrap_or_default()
    }

    /// Holds the next request of an operation that has this text in its body, until it is
    /// released.
    pub fn hold(&self, operation: &str, text: &str) -> HeldRequest {
        self.hold_at(Moment::Arrived, operation, text)
    }

    /// Holds back the response to the next request of an operation that has this text in its
    /// body: to its caller, the process seems to stand still.
    pub fn hold_answer(&self, operation: &str, text: &str) -> HeldRequest {
        self.hold_at(Moment::CarriedOut, operation, text)
    }

    fn hold_at(&self, moment: Moment, operation: &str, text: &str) -> HeldRequest {
        let (arrived_sender, arrived) = oneshot::channel();
        let (released, released_receiver) = oneshot::channel();
        self.state().hold = Some(Hold {
            moment,
            operation: format!(".{operation}"),
            text: text.to_owned(),
            arrived: arrived_sender,
            released: released_receiver,
        });
        HeldRequest { arrived, released }
    }

    /// How many faults the proxy has injected.
    pub fn injected(&self) -> u64 {
        self.state().injected
    }

    fn state(&self) -> MutexGuard<'_, ProxyState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn forward(&self, headers: &HeaderMap, body: Bytes) -> Option<(StatusCode, Bytes)> {
        let mut request = self.http.post(&self.upstream).body(body);
        for name in ["x-amz-target", "content-type", "authorization", "x-amz-date"] {
            if let Some(value) = headers.get(name) {
                request = request.header(name, value);
            }
        }
        let response = request.send().await.ok()?;
        Some((response.status(), response.bytes().await.ok()?))
    }
}

impl ProxyState {
    fn next_fault(&mut self) -> Option<Fault> {
        let FaultRates { throttled, failed, response_lost, delayed, .. } = self.rates;
        let number: f64 = self.rng.random();
        let delay = Duration::from_millis(self.rng.random_range(1..200));
        let mut upto = 0.0;
        for (rate, fault) in [
            (throttled, Fault::Throttled),
            (failed, Fault::Failed),
            (response_lost, Fault::ResponseLost),
            (delayed, Fault::Delayed(delay)),
        ] {
            upto += rate;
            if number < upto {
                self.injected += 1;
                return Some(fault);
            }
        }
        None
    }

    fn take_hold(&mut self, moment: Moment, target: &str, body: &Bytes) -> Option<Hold> {
        let is_meant = |hold: &mut Hold| {
            hold.moment == moment && target.ends_with(&hold.operation) && has_text(body, &hold.text)
        };
        self.hold.take_if(is_meant)
    }

    fn note(&mut self, target: &str, body: &Bytes) {
        if let Some(seen) = &mut self.seen {
            let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
            seen.push(Seen { operation, body: String::from_utf8_lossy(body).into_owned() });
        }
    }

    fn failure_of(&mut self, target: &str, body: &Bytes) -> Option<Failure> {
        let failing = self.failing.as_mut().filter(|failing| {
            failing.left > 0
                && target.ends_with(&failing.operation)
                && has_text(body, &failing.text)
        })?;
        failing.left -= 1;
        self.injected += 1;
        Some(failing.failure)
    }

    fn is_broken(&mut self, body: &Bytes) -> bool {
        let is_broken = self.broken.as_ref().is_some_and(|text| has_text(body, text));
        self.injected += u64::from(is_broken);
        is_broken
    }

    /// The response to `ReceiveMessage`: the engine's, or an earlier one again.
    fn receive(&mut self, response: Bytes) -> Bytes {
        if response.windows(13).any(|word| word == b"ReceiptHandle") {
            self.redeliverable.push_back(response.clone());
            self.redeliverable.truncate(MAX_REDELIVERABLE);
            return response;
        }
        let redelivers = self.rng.random_bool(self.rates.redelivered.clamp(0.0, 1.0));
        if !redelivers || self.redeliverable.is_empty() {
            return response;
        }
        self.injected += 1;
        // Any of them, so that messages also come out of order.
        let index = self.rng.random_range(0..self.redeliverable.len());
        self.redeliverable.remove(index).unwrap_or(response)
    }
}

async fn handle(State(proxy): State<FaultProxy>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or("");
    let hold = proxy.state().take_hold(Moment::Arrived, target, &body);
    wait(hold).await;
    proxy.state().note(target, &body);
    if proxy.state().is_broken(&body) {
        return server_error();
    }
    let failure = proxy.state().failure_of(target, &body);
    let fault = match failure {
        Some(Failure::Throttled) => Some(Fault::Throttled),
        Some(Failure::ResponseLost) => Some(Fault::ResponseLost),
        None => proxy.state().next_fault(),
    };
    match fault {
        Some(Fault::Throttled) => {
            return error(StatusCode::BAD_REQUEST, "ProvisionedThroughputExceededException");
        }
        Some(Fault::Failed) => return server_error(),
        Some(Fault::Delayed(delay)) => tokio::time::sleep(delay).await,
        Some(Fault::ResponseLost) | None => {}
    }
    let hold = proxy.state().take_hold(Moment::CarriedOut, target, &body);
    let Some((status, mut response)) = proxy.forward(&headers, body).await else {
        return server_error();
    };
    wait(hold).await;
    if fault == Some(Fault::ResponseLost) {
        return server_error();
    }
    if target.ends_with(".ReceiveMessage") {
        response = proxy.state().receive(response);
    }
    (status, [("content-type", "application/x-amz-json-1.0")], response).into_response()
}

async fn wait(hold: Option<Hold>) {
    if let Some(Hold { arrived, released, .. }) = hold {
        let _ = arrived.send(());
        let _ = released.await;
    }
}

fn has_text(body: &Bytes, text: &str) -> bool {
    body.windows(text.len()).any(|part| part == text.as_bytes())
}

fn server_error() -> Response {
    error(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError")
}

fn error(status: StatusCode, kind: &str) -> Response {
    let body = json!({
        "__type": format!("com.amazonaws.dynamodb.v20120810#{kind}"), "message": "injected",
    });
    (status, [("content-type", "application/x-amz-json-1.0")], body.to_string()).into_response()
}
