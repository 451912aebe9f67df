//! A simulator with a webhook receiver, a manual clock and an HTTP client.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use serde_json::{Value, json};
use whatsapp_simulator::{Behaviour, Clock, Config, Simulator};

pub(crate) const NUMBER: &str = "800000000000001";
pub(crate) const PHONE: &str = "+14155550101";

/// A webhook receiver that stores the requests it accepts.
#[derive(Clone, Default)]
pub(crate) struct Receiver {
    pub(crate) requests: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
    /// How many of the next requests to refuse with 500.
    pub(crate) to_refuse: Arc<AtomicUsize>,
    pub(crate) refused: Arc<AtomicUsize>,
}

impl Receiver {
    pub(crate) async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let routes =
            Router::new().route("/hook", get(verify).post(receive)).with_state(self.clone());
        tokio::spawn(async { axum::serve(listener, routes).await.unwrap() });
        url
    }

    pub(crate) fn bodies(&self) -> Vec<Value> {
        let requests = self.requests.lock().unwrap();
        requests.iter().map(|(_, body)| serde_json::from_slice(body).unwrap()).collect()
    }

    /// The values of all changes with this field.
    pub(crate) fn values(&self, field: &str) -> Vec<Value> {
        let mut values = Vec::new();
        for body in self.bodies() {
            for entry in body["entry"].as_array().unwrap() {
                let changes = entry["changes"].as_array().unwrap().clone();
                values.extend(changes.into_iter().filter(|change| change["field"] == field));
            }
        }
        values.into_iter().map(|mut change| change["value"].take()).collect()
    }

    fn items(&self, kind: &str) -> Vec<Value> {
        let values = self.values("messages");
        values
            .iter()
            .flat_map(|value| value[kind].as_array().cloned().unwrap_or_default())
            .collect()
    }

    pub(crate) fn statuses(&self) -> Vec<Value> {
        self.items("statuses")
    }

    pub(crate) fn messages(&self) -> Vec<Value> {
        self.items("messages")
    }

    /// The `status` fields, in the order of arrival.
    pub(crate) fn status_names(&self) -> Vec<String> {
        let name = |status: &Value| status["status"].as_str().unwrap().to_owned();
        self.statuses().iter().map(name).collect()
    }
}

async fn verify(
    Query(query): Query<std::collections::HashMap<String, String>>,
) -> (StatusCode, String) {
    if query["hub.mode"] == "subscribe" && query["hub.verify_token"] == "token" {
        return (StatusCode::OK, query["hub.challenge"].clone());
    }
    (StatusCode::FORBIDDEN, String::new())
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let refuse = receiver
        .to_refuse
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
    if refuse.is_ok() {
        receiver.refused.fetch_add(1, Ordering::SeqCst);
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    receiver.requests.lock().unwrap().push((headers, body));
    StatusCode::OK
}

/// A clock that moves only on request.
#[derive(Clone)]
pub(crate) struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(1_792_000_000_000)))
    }

    pub(crate) fn advance(&self, milliseconds: u64) {
        self.0.fetch_add(milliseconds, Ordering::SeqCst);
    }

    /// Moves the clock back, before anything happens.
    pub(crate) fn rewind(&self, milliseconds: u64) {
        self.0.fetch_sub(milliseconds, Ordering::SeqCst);
    }

    pub(crate) fn clock(&self) -> Clock {
        let now = Arc::clone(&self.0);
        Arc::new(move || SystemTime::UNIX_EPOCH + Duration::from_millis(now.load(Ordering::SeqCst)))
    }
}

pub(crate) struct Fixture {
    pub(crate) simulator: Simulator,
    pub(crate) receiver: Receiver,
    pub(crate) clock: ManualClock,
    pub(crate) http: reqwest::Client,
}

impl Fixture {
    pub(crate) async fn with(behaviour: Behaviour) -> Self {
        Self::new(Config { behaviour, ..Config::default() }).await
    }

    pub(crate) async fn new(config: Config) -> Self {
        let (clock, receiver) = (ManualClock::new(), Receiver::default());
        let url = receiver.start().await;
        let config = Config { clock: clock.clock(), webhook_url: Some(url), ..config };
        Self {
            simulator: Simulator::start(config).await.unwrap(),
            receiver,
            clock,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/v26.0/{path}", self.simulator.url())
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let request = self.http.get(self.url(path)).bearer_auth("t");
        Self::response(request).await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.try_post(path, body).await.unwrap()
    }

    pub(crate) async fn try_post(&self, path: &str, body: &Value) -> reqwest::Result<(u16, Value)> {
        Self::response(self.http.post(self.url(path)).bearer_auth("t").json(body)).await
    }

    /// Uploads an image for a number. Returns the media id.
    pub(crate) async fn upload(&self, number: &str) -> String {
        let part = reqwest::multipart::Part::bytes(b"picture".to_vec());
        let form = reqwest::multipart::Form::new()
            .text("messaging_product", "whatsapp")
            .part("file", part.mime_str("image/png").unwrap());
        let request = self.http.post(self.url(&format!("{number}/media"))).bearer_auth("t");
        let (_, body) = Self::response(request.multipart(form)).await.unwrap();
        body["id"].as_str().unwrap().to_owned()
    }

    /// Returns the HTTP status.
    pub(crate) async fn delete(&self, path: &str) -> u16 {
        let request = self.http.delete(self.url(path)).bearer_auth("t");
        Self::response(request).await.unwrap().0
    }

    pub(crate) async fn control(&self, path: &str, body: &Value) -> (u16, Value) {
        let url = format!("{}/_simulator/{path}", self.simulator.url());
        Self::response(self.http.post(url).json(body)).await.unwrap()
    }

    async fn response(request: reqwest::RequestBuilder) -> reqwest::Result<(u16, Value)> {
        let response = request.send().await?;
        Ok((response.status().as_u16(), response.json().await?))
    }

    /// Sends a message. Returns the HTTP status and the body.
    pub(crate) async fn send(&self, message: &Value) -> (u16, Value) {
        self.post(&format!("{NUMBER}/messages"), message).await
    }

    /// Sends a text message. Returns 200 or the error code.
    pub(crate) async fn text_to(&self, phone: &str) -> u64 {
        self.code_of(NUMBER, &text(phone)).await
    }

    /// Sends a message from a number. Returns 200 or the error code.
    pub(crate) async fn code_of(&self, number: &str, message: &Value) -> u64 {
        let (_, body) = self.post(&format!("{number}/messages"), message).await;
        body["error"]["code"].as_u64().unwrap_or(200)
    }

    /// The failure codes of all accepted messages.
    pub(crate) fn failure_codes(&self) -> Vec<Option<u32>> {
        self.simulator.log().iter().map(|entry| entry.failure_code).collect()
    }

    /// Waits until the receiver has acknowledged all due events.
    pub(crate) async fn wait_for_due_events(&self) {
        self.wait_until(|| self.simulator.due_events_acknowledged()).await;
    }

    pub(crate) async fn wait_until(&self, condition: impl Fn() -> bool) {
        for _ in 0..1000 {
            if condition() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("timed out: {:?}", self.simulator.summary());
    }
}

pub(crate) fn text(phone: &str) -> Value {
    json!({
        "messaging_product": "whatsapp", "to": phone, "type": "text",
        "text": { "body": "Hola" }, "biz_opaque_callback_data": format!("c1|{phone}|1"),
    })
}

pub(crate) fn template(phone: &str, name: &str, parameters: &[&str]) -> Value {
    let parameters: Vec<_> =
        parameters.iter().map(|text| json!({ "type": "text", "text": text })).collect();
    json!({
        "messaging_product": "whatsapp", "to": phone, "type": "template",
        "template": {
            "name": name, "language": { "code": "en_US" },
            "components": [{ "type": "body", "parameters": parameters }],
        },
    })
}
