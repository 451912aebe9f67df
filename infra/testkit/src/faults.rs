//! Faults between Carillon and its engines: a proxy that throttles, fails, loses
//! answers, is slow, and hands messages of a queue out again.

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

/// What goes wrong. All shares are between 0 and 1.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// The share of requests that are throttled; nothing was done.
    pub throttled: f64,
    /// The share answered with a server fault before anything was done.
    pub failed: f64,
    /// The share that is carried out, and then answered with a server fault.
    pub lost: f64,
    /// The share that is slow, by up to 200 ms.
    pub slow: f64,
    /// The share of empty answers of a queue that hand out messages again which
    /// were handed out before.
    pub repeated: f64,
    /// Only these operations; all when empty.
    pub only: Vec<&'static str>,
}

/// How many answers of a queue are kept to be repeated.
const KEPT: usize = 16;

/// A proxy before an engine.
#[derive(Debug, Clone)]
pub struct FaultyProxy {
    upstream: String,
    http: reqwest::Client,
    state: Arc<Mutex<Faulty>>,
}

#[derive(Debug)]
struct Faulty {
    faults: Faults,
    dice: StdRng,
    handed_out: VecDeque<Bytes>,
    injected: u64,
}

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Passes,
    IsThrottled,
    Fails,
    IsLost,
    IsSlow(Duration),
}

impl FaultyProxy {
    /// A proxy before `upstream`, and its own address.
    pub async fn start(
        upstream: &str,
        faults: Faults,
        seed: u64,
    ) -> std::io::Result<(Self, String)> {
        let dice = StdRng::seed_from_u64(seed);
        let state = Faulty { faults, dice, handed_out: VecDeque::new(), injected: 0 };
        let proxy = Self {
            upstream: upstream.to_owned(),
            http: reqwest::Client::new(),
            state: Arc::new(Mutex::new(state)),
        };
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let router = Router::new().fallback(pass).with_state(proxy.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok((proxy, url))
    }

    /// Changes what goes wrong from now on.
    pub fn set(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// How many faults there were so far.
    pub fn injected(&self) -> u64 {
        self.state().injected
    }

    fn state(&self) -> MutexGuard<'_, Faulty> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn forward(&self, headers: &HeaderMap, body: Bytes) -> Option<(StatusCode, Bytes)> {
        let mut request = self.http.post(&self.upstream).body(body);
        for name in ["x-amz-target", "content-type", "authorization", "x-amz-date"] {
            if let Some(value) = headers.get(name) {
                request = request.header(name, value);
            }
        }
        let answer = request.send().await.ok()?;
        Some((answer.status(), answer.bytes().await.ok()?))
    }
}

impl Faulty {
    fn fate(&mut self, operation: &str) -> Fate {
        let Faults { throttled, failed, lost, slow, only, .. } = &self.faults;
        if !only.is_empty() && !only.contains(&operation) {
            return Fate::Passes;
        }
        let number: f64 = self.dice.random();
        let fates = [
            (*throttled, Fate::IsThrottled),
            (*failed, Fate::Fails),
            (*lost, Fate::IsLost),
            (*slow, Fate::IsSlow(Duration::from_millis(self.dice.random_range(1..200)))),
        ];
        let mut upto = 0.0;
        for (share, fate) in fates {
            upto += share;
            if number < upto {
                self.injected += 1;
                return fate;
            }
        }
        Fate::Passes
    }

    /// What a queue hands out: what it has, or perhaps something again.
    fn handed_out(&mut self, answer: Bytes) -> Bytes {
        if answer.windows(13).any(|word| word == b"ReceiptHandle") {
            self.handed_out.push_back(answer.clone());
            self.handed_out.truncate(KEPT);
            return answer;
        }
        let again = self.dice.random_bool(self.faults.repeated.clamp(0.0, 1.0));
        match self.handed_out.len() {
            kept if again && kept > 0 => {
                self.injected += 1;
                // Any of them: repeated, and out of order.
                let which = self.dice.random_range(0..kept);
                self.handed_out.remove(which).unwrap_or(answer)
            }
            _ => answer,
        }
    }
}

async fn pass(State(proxy): State<FaultyProxy>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or("");
    let operation = target.rsplit_once('.').map_or(target, |(_, operation)| operation).to_owned();
    let fate = proxy.state().fate(&operation);
    match fate {
        Fate::IsThrottled => {
            return fault(StatusCode::BAD_REQUEST, "ProvisionedThroughputExceededException");
        }
        Fate::Fails => return server_fault(),
        Fate::IsSlow(wait) => tokio::time::sleep(wait).await,
        Fate::Passes | Fate::IsLost => {}
    }
    let Some((status, mut answer)) = proxy.forward(&headers, body).await else {
        return server_fault();
    };
    if fate == Fate::IsLost {
        return server_fault();
    }
    if operation == "ReceiveMessage" {
        answer = proxy.state().handed_out(answer);
    }
    (status, [("content-type", "application/x-amz-json-1.0")], answer).into_response()
}

fn server_fault() -> Response {
    fault(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError")
}

fn fault(status: StatusCode, kind: &str) -> Response {
    let body = serde_json::json!({
        "__type": format!("com.amazonaws.dynamodb.v20120810#{kind}"), "message": "injected",
    });
    (status, [("content-type", "application/x-amz-json-1.0")], body.to_string()).into_response()
}
