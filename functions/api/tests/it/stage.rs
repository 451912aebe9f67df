//! The API on a table of its own, and a client that knows its key.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use bytes::Bytes;
use carillon::AwsConfig;
use carillon::campaign::Campaign;
use carillon::config::Config;
use carillon::ids::IdSource;
use carillon::table::{Table, ensure_table};
use carillon::time::{Clock, Timestamp};
use carillon_api::Api;
use carillon_engines::{Engines, Storage};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

pub(crate) const ADMIN: &str = "crl_first-key";
/// The secrets' key: 32 times the letter k.
const SECRETS_KEY: &str = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=";
/// The moment at which every test begins.
pub(crate) const NOW: &str = "2026-11-21T12:00:00Z";

pub(crate) struct Stage {
    pub(crate) table: Table,
    pub(crate) clock: Clock,
    router: Router,
    engines: Option<Engines>,
}

/// What the API answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
    /// The body as JSON; null when it is none.
    pub(crate) json: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap()
    }

    pub(crate) fn detail(&self) -> &str {
        self.json["detail"].as_str().unwrap_or_default()
    }

    /// Asserts a problem of that status whose detail has these words.
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16, words: &str) {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        assert_eq!(self.json["status"], status, "{self:?}");
        assert!(self.json["type"].as_str().unwrap().starts_with("/problems/"), "{self:?}");
        assert!(self.json["title"].is_string(), "{self:?}");
        assert!(self.detail().contains(words), "{words:?} is not in {:?}", self.detail());
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert!(self.status.is_success(), "{self:?}");
        self.json
    }
}

impl Stage {
    pub(crate) async fn set() -> Self {
        Self::at("http://127.0.0.1:9").await
    }

    /// A stage whose Cloud API lies at that address, and whose clock all but
    /// stands still.
    pub(crate) async fn at(graph_url: &str) -> Self {
        Self::with(graph_url, 0.001).await
    }

    /// A stage whose clock runs so many times as fast as the machine's.
    pub(crate) async fn running(rate: f64) -> Self {
        Self::with("http://127.0.0.1:9", rate).await
    }

    async fn with(graph_url: &str, rate: f64) -> Self {
        let engines = Engines::start(Storage::Temporary).unwrap();
        let aws = AwsConfig::at(&engines.dynamodb_url(), &engines.sqs_url()).await;
        let config = Config::from_values([
            ("CARILLON_TABLE", "carillon"),
            ("CARILLON_SENDS_QUEUE_URL", "http://127.0.0.1:1/000000000000/sends.fifo"),
            ("CARILLON_SECRETS_KEY", SECRETS_KEY),
            ("CARILLON_ADMIN_KEY", ADMIN),
            ("CARILLON_GRAPH_URL", graph_url),
            ("CARILLON_PUBLIC_URL", "https://carillon.example/"),
        ]);
        let table = Table::new(&aws, "carillon");
        ensure_table(&table).await.unwrap();
        let start: Timestamp = NOW.parse().unwrap();
        let clock = Clock::movable(start, rate);
        let api = Api::new(&config, &aws, clock.clone(), IdSource::seeded(7)).unwrap();
        let router = carillon_api::router(Arc::new(api));
        Self { table, clock, router, engines: Some(engines) }
    }

    /// Takes the table away.
    pub(crate) fn lose_table(&mut self) {
        self.engines.take();
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status: head.status, headers: head.headers, bytes, json }
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let request = request(method, path);
        let request = match body {
            Some(body) => request
                .header(header::CONTENT_TYPE, "application/json")
                .body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        self.send(request.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(body)).await
    }

    /// A POST without a body.
    pub(crate) async fn tell(&self, path: &str) -> Answer {
        self.call(Method::POST, path, None).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, None).await
    }

    /// Uploads recipients to a campaign.
    pub(crate) async fn upload(&self, campaign: &str, kind: &str, body: impl Into<Body>) -> Answer {
        let path = format!("/v1/campaigns/{campaign}/recipients");
        let request = request(Method::POST, &path).header(header::CONTENT_TYPE, kind);
        self.send(request.body(body.into()).unwrap()).await
    }

    pub(crate) async fn csv(&self, campaign: &str, body: impl Into<Body>) -> Answer {
        self.upload(campaign, "text/csv", body).await
    }

    /// A connection that Meta was not asked about.
    pub(crate) async fn connection(&self) -> String {
        let made = self.post("/v1/connections?check=false", connection("800000000000001")).await;
        id(&made.ok())
    }

    /// A draft that says hello, by those settings beside the usual ones.
    pub(crate) async fn campaign(&self, settings: Value) -> String {
        let connection = self.connection().await;
        let mut body = draft(&connection);
        merge(&mut body, &settings);
        id(&self.post("/v1/campaigns", body).await.ok())
    }

    /// A campaign that is at work for two people.
    pub(crate) async fn active(&self) -> String {
        let id = self.campaign(json!({})).await;
        self.csv(&id, "phone\n+573001234567\n+573001234568\n").await.ok();
        self.tell(&format!("/v1/campaigns/{id}/start")).await.ok();
        id
    }

    pub(crate) async fn stored(&self, campaign: &str) -> Campaign {
        let id = campaign.parse().unwrap();
        carillon::campaign::store::get(&self.table, id).await.unwrap().unwrap()
    }
}

pub(crate) fn request(method: Method, path: &str) -> axum::http::request::Builder {
    let key = format!("Bearer {ADMIN}");
    Request::builder().method(method).uri(path).header(header::AUTHORIZATION, key)
}

pub(crate) fn connection(number: &str) -> Value {
    json!({
        "name": "Shop", "phone_number_id": number, "waba_id": "700000000000001",
        "access_token": "EAAtoken", "app_secret": "app-secret"
    })
}

pub(crate) fn draft(connection: &str) -> Value {
    json!({
        "name": "Hello", "connection_id": connection,
        "message": {"text": {"body": "Hello"}}, "default_country": "CO"
    })
}

/// A file with that many phones.
pub(crate) fn file_of(count: u32) -> String {
    let mut lines = vec!["phone".to_owned()];
    lines.extend((0..count).map(|n| format!("+57300{n:07}")));
    lines.join("\n")
}

pub(crate) fn merge(into: &mut Value, more: &Value) {
    let more = more.as_object().cloned().unwrap_or_default();
    into.as_object_mut().unwrap().extend(more);
}

pub(crate) fn id(made: &Value) -> String {
    made["id"].as_str().unwrap().to_owned()
}
