//! A stand-in for the gateway. Of every third message it reports the delivery before it
//! answers, as a fast network does.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use carillon_channel::contract::{self, Answer};
use futures::stream;
use serde_json::{Value, json};

use super::receiver::{SIGNATURE, sign};

/// When the statuses happened: a minute after the start of a world.
pub(super) const AT: i64 = 1_795_255_260;
/// Every how many messages the stand-in reports early.
const EARLY: usize = 3;
/// How many of the others fail.
const FAILED: usize = 10;

#[derive(Debug, Clone)]
pub(super) struct StandIn {
    url: String,
    state: Arc<Mutex<Gateway>>,
}

/// A message that the gateway accepted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SentText {
    pub(super) to: String,
    pub(super) text: String,
    id: String,
}

#[derive(Debug, Default)]
pub(super) struct Gateway {
    webhook: String,
    refusals: BTreeMap<String, u32>,
    /// How it answers in the contract suite.
    answer: Option<Answer>,
    /// Send requests since the contract suite asked.
    sends: usize,
    texts: Vec<SentText>,
    /// Messages whose id is longer than a key may be, by number.
    long_ids: BTreeSet<usize>,
}

impl StandIn {
    pub(super) async fn start() -> Self {
        let state = Arc::new(Mutex::new(Gateway::default()));
        let router = Router::new()
            .route("/messages", post(accept))
            .route("/health", get(health))
            .with_state(state.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, state }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn set_webhook(&self, url: &str) {
        url.clone_into(&mut self.state.lock().unwrap().webhook);
    }

    /// Refuses messages to an address with this code.
    pub(super) fn refuse(&self, to: &str, code: u32) {
        self.state.lock().unwrap().refusals.insert(to.to_owned(), code);
    }

    /// Gives the message of that number an id that is longer than a key may be.
    pub(super) fn give_long_id(&self, number: usize) {
        self.state.lock().unwrap().long_ids.insert(number);
    }

    /// All texts that it accepted.
    pub(super) fn accepted(&self) -> Vec<SentText> {
        self.state.lock().unwrap().texts.clone()
    }

    /// Reports what it has not reported early: the first few failed, the others were
    /// delivered. Returns the HTTP status of the response.
    pub(super) async fn report_the_rest(&self, token: &str) -> u16 {
        let rest = self.accepted().into_iter().enumerate().filter(|(index, _)| index % EARLY != 0);
        let statuses = rest.enumerate().map(|(number, (_, text))| {
            let mut status =
                json!({"sender": "SHOP", "id": text.id, "at": AT, "status": "delivered"});
            if number < FAILED {
                status["status"] = json!("failed");
                status["code"] = json!(101);
            }
            status
        });
        let webhook = self.state.lock().unwrap().webhook.clone();
        call_webhook(&webhook, token, &json!({"statuses": statuses.collect::<Vec<_>>()})).await
    }
}

async fn accept(
    State(state): State<Arc<Mutex<Gateway>>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    let field = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
    let answer = {
        let mut gateway = state.lock().unwrap();
        gateway.sends += 1;
        gateway.answer.clone()
    };
    if let Some(answer) = answer {
        return contract_answer(answer).await;
    }
    let (id, early, webhook) = {
        let mut gateway = state.lock().unwrap();
        if let Some(code) = gateway.refusals.get(&field("to")) {
            return (StatusCode::BAD_REQUEST, Json(json!({"code": code}))).into_response();
        }
        let number = gateway.texts.len();
        let long =
            if gateway.long_ids.contains(&number) { "x".repeat(3_000) } else { String::new() };
        let id = format!("text-{number}{long}");
        gateway.texts.push(SentText { to: field("to"), text: field("text"), id: id.clone() });
        (id, number % EARLY == 0, gateway.webhook.clone())
    };
    if early {
        let authorization = headers.get("authorization").and_then(|value| value.to_str().ok());
        let token = authorization.and_then(|value| value.strip_prefix("Bearer "));
        let status = json!({"sender": field("from"), "id": id, "at": AT, "status": "delivered"});
        let body = json!({"statuses": [status]});
        assert_eq!(call_webhook(&webhook, token.unwrap_or_default(), &body).await, 200);
    }
    Json(json!({"id": id})).into_response()
}

async fn health(State(state): State<Arc<Mutex<Gateway>>>) -> Response {
    let answer = state.lock().unwrap().answer.clone();
    match answer {
        Some(answer) => contract_answer(answer).await,
        None => "{}".into_response(),
    }
}

async fn contract_answer(answer: Answer) -> Response {
    match answer {
        Answer::Accept { message_id } => Json(json!({"id": message_id})).into_response(),
        Answer::Refuse { code } => {
            (StatusCode::BAD_REQUEST, Json(json!({"code": code}))).into_response()
        }
        Answer::Silence => {
            tokio::time::sleep(Duration::from_secs(5)).await;
            StatusCode::OK.into_response()
        }
        Answer::BreakOff => {
            let broken = [Ok(Bytes::from("{")), Err(io::Error::other("broken off"))];
            Body::from_stream(stream::iter(broken)).into_response()
        }
        Answer::Nonsense => "nonsense".into_response(),
    }
}

impl contract::StandIn for StandIn {
    fn answer_with(&self, answer: Answer) {
        self.state.lock().unwrap().answer = Some(answer);
    }

    fn take_sends(&self) -> usize {
        std::mem::take(&mut self.state.lock().unwrap().sends)
    }
}

/// Calls a webhook with a body that is signed with the token; returns the HTTP status.
pub(super) async fn call_webhook(url: &str, token: &str, body: &Value) -> u16 {
    let body = body.to_string();
    let signature = sign(token, body.as_bytes());
    let request = reqwest::Client::new().post(url).header(SIGNATURE, signature).body(body);
    request.send().await.expect("the webhook answers").status().as_u16()
}
