use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

/// Requests by operation, and the capacity units that `DynamoDB` says they took.
#[derive(Debug, Clone, Default)]
pub struct Counted {
    /// How many requests of each operation.
    pub requests: BTreeMap<String, u64>,
    /// Read units of each operation.
    pub read_units: BTreeMap<String, f64>,
    /// Write units of each operation.
    pub write_units: BTreeMap<String, f64>,
}

/// Stands between Carillon and an engine, asks for the consumed capacity with
/// every request, and counts.
#[derive(Debug, Clone)]
pub struct CountingProxy {
    upstream: String,
    http: reqwest::Client,
    counted: Arc<Mutex<Counted>>,
}

const READS: [&str; 4] = ["GetItem", "BatchGetItem", "Query", "DescribeTable"];

impl CountingProxy {
    /// A proxy before `upstream`, and its own address.
    pub async fn start(upstream: &str) -> std::io::Result<(Self, String)> {
        let proxy = Self {
            upstream: upstream.to_owned(),
            http: reqwest::Client::new(),
            counted: Arc::default(),
        };
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let router = Router::new().fallback(pass).with_state(proxy.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok((proxy, url))
    }

    /// What was counted so far; starts again from nothing.
    pub fn take(&self) -> Counted {
        std::mem::take(&mut self.counted.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn count(&self, operation: &str, answer: &[u8]) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        *counted.requests.entry(operation.to_owned()).or_default() += 1;
        let Ok(answer) = serde_json::from_slice::<Value>(answer) else { return };
        let units = consumed(&answer["ConsumedCapacity"]);
        let kind = if READS.contains(&operation) {
            &mut counted.read_units
        } else {
            &mut counted.write_units
        };
        *kind.entry(operation.to_owned()).or_default() += units;
    }
}

fn consumed(capacity: &Value) -> f64 {
    match capacity {
        Value::Array(all) => all.iter().map(consumed).sum(),
        one => one["CapacityUnits"].as_f64().unwrap_or(0.0),
    }
}

async fn pass(State(proxy): State<CountingProxy>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or("");
    let (service, operation) = target.split_once('.').unwrap_or(("", target));
    let operation = operation.to_owned();
    let body = if service.starts_with("DynamoDB") { ask_capacity(&body) } else { body };
    let mut request = proxy.http.post(&proxy.upstream).body(body);
    for name in ["x-amz-target", "content-type", "authorization", "x-amz-date"] {
        if let Some(value) = headers.get(name) {
            request = request.header(name, value);
        }
    }
    let Ok(answer) = request.send().await else { return StatusCode::BAD_GATEWAY.into_response() };
    let status = answer.status();
    let kind = answer.headers().get("content-type").cloned();
    let bytes = answer.bytes().await.unwrap_or_default();
    proxy.count(&operation, &bytes);
    let mut response = (status, bytes).into_response();
    if let Some(kind) = kind {
        response.headers_mut().insert("content-type", kind);
    }
    response
}

fn ask_capacity(body: &Bytes) -> Bytes {
    match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(mut fields)) => {
            fields.insert("ReturnConsumedCapacity".to_owned(), "TOTAL".into());
            Value::Object(fields).to_string().into()
        }
        Ok(_) | Err(_) => body.clone(),
    }
}
