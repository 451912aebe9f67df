//! The API on a table of its own, and a client with the admin key.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use bytes::Bytes;
use carillon::AwsConfig;
use carillon::address_key::AddressKeys;
use carillon::campaign::{self, Campaign, Import};
use carillon::channel::{ProviderSetup, Providers};
use carillon::config::Config;
use carillon::http_client::http_client;
use carillon::ids::IdSource;
use carillon::jobs::Launcher;
use carillon::table::{Key, Table, ensure_table};
use carillon::time::{Clock, Timestamp};
use carillon_api::{Api, PROVIDER_TIMEOUTS};
use carillon_engines::{Engines, Storage};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

const ADMIN_KEY: &str = "crl_first-key";
pub(crate) const UNREACHABLE: &str = "http://127.0.0.1:9";
/// 32 times the letter k.
const SECRETS_KEY: &str = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=";
/// When the clock of every test starts.
const START: &str = "2026-11-21T12:00:00Z";

pub(crate) struct TestApi {
    pub(crate) table: Table,
    pub(crate) clock: Clock,
    router: Router,
    engines: Option<Engines>,
}

/// A response of the API.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
    /// The body as JSON; null where it is not JSON.
    pub(crate) json: Value,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap()
    }

    pub(crate) fn detail(&self) -> &str {
        self.json["detail"].as_str().unwrap_or_default()
    }

    /// The members and parameters that a problem names, such as `message.text.body`.
    pub(crate) fn fields(&self) -> Vec<String> {
        let errors = self.json["errors"].as_array().unwrap();
        let name = |error: &Value| match error["pointer"].as_str() {
            Some(pointer) => pointer.trim_start_matches('/').replace('/', "."),
            None => error["parameter"].as_str().unwrap().to_owned(),
        };
        errors.iter().map(name).collect()
    }

    /// Asserts a problem with this status, and with these words in its detail.
    #[track_caller]
    pub(crate) fn assert_problem(&self, status: u16, words: &str) {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        assert_eq!(self.json["status"], status, "{self:?}");
        assert!(self.json["type"].as_str().unwrap().starts_with("/problems/"), "{self:?}");
        for member in ["title", "code", "remedy"] {
            assert!(self.json[member].is_string(), "{member}: {self:?}");
        }
        let id = self.json["request_id"].as_str();
        assert_eq!(id, self.header("request-id"), "{self:?}");
        assert!(self.detail().contains(words), "{words:?} is not in {:?}", self.detail());
    }

    /// Asserts success and returns the body.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert!(self.status.is_success(), "{self:?}");
        self.json
    }
}

impl TestApi {
    /// The API with an unreachable Cloud API.
    pub(crate) async fn new() -> Self {
        Self::with_graph_url(UNREACHABLE).await
    }

    /// The API with a Cloud API at that address.
    pub(crate) async fn with_graph_url(graph_url: &str) -> Self {
        Self::with(standard_providers(graph_url), 0.001).await
    }

    /// The API with these providers.
    pub(crate) async fn with_providers(providers: Providers) -> Self {
        Self::with(providers, 0.001).await
    }

    /// The API with a clock that runs so many times faster than real time; by default
    /// it nearly stands still.
    pub(crate) async fn with_clock_rate(rate: f64) -> Self {
        Self::with(standard_providers(UNREACHABLE), rate).await
    }

    async fn with(providers: Providers, rate: f64) -> Self {
        let engines = Engines::start(Storage::Temporary).unwrap();
        let aws = AwsConfig::at(&engines.dynamodb_url(), &engines.sqs_url()).await;
        let config = Config::from_values([
            ("CARILLON_TABLE", "carillon"),
            ("CARILLON_SENDS_QUEUE_URL", "http://127.0.0.1:1/000000000000/sends.fifo"),
            ("CARILLON_PACED_QUEUE_URL", "http://127.0.0.1:1/000000000000/paced.fifo"),
            ("CARILLON_SECRETS_KEY", SECRETS_KEY),
            ("CARILLON_ADDRESS_KEY", SECRETS_KEY),
            ("CARILLON_ADMIN_KEY", ADMIN_KEY),
            ("CARILLON_PUBLIC_URL", "https://carillon.example/"),
        ]);
        let addresses = AddressKeys::fixed(&SECRETS_KEY.into()).unwrap();
        let table = Table::new(&aws, "carillon").with_addresses(addresses);
        ensure_table(&table).await.unwrap();
        let start: Timestamp = START.parse().unwrap();
        let clock = Clock::movable(start, rate);
        let (ids, launcher) = (IdSource::seeded(7), Launcher::closed());
        let api = Api::new(&config, &aws, clock.clone(), ids, providers, launcher).unwrap();
        let router = carillon_api::router(Arc::new(api));
        Self { table, clock, router, engines: Some(engines) }
    }

    /// Makes the table unreachable.
    pub(crate) fn stop_engines(&mut self) {
        self.engines.take();
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Response {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Response { status: head.status, headers: head.headers, bytes, json }
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Response {
        let request = request(method, path);
        let request = match body {
            Some(body) => request
                .header(header::CONTENT_TYPE, "application/json")
                .body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        self.send(request.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Response {
        self.call(Method::POST, path, Some(body)).await
    }

    /// A POST without a body.
    pub(crate) async fn post_empty(&self, path: &str) -> Response {
        self.call(Method::POST, path, None).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Response {
        self.call(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Response {
        self.call(Method::DELETE, path, None).await
    }

    /// Uploads recipients to a campaign.
    pub(crate) async fn upload(
        &self,
        campaign: &str,
        kind: &str,
        body: impl Into<Body>,
    ) -> Response {
        let path = format!("/v1/campaigns/{campaign}/recipients");
        let request = request(Method::POST, &path).header(header::CONTENT_TYPE, kind);
        self.send(request.body(body.into()).unwrap()).await
    }

    pub(crate) async fn upload_csv(&self, campaign: &str, body: impl Into<Body>) -> Response {
        self.upload(campaign, "text/csv", body).await
    }

    /// Creates a connection whose number is not probed.
    pub(crate) async fn connection(&self) -> String {
        self.connection_with(json!({})).await
    }

    /// [`TestApi::connection`]; `settings` replace or add fields of the request.
    pub(crate) async fn connection_with(&self, settings: Value) -> String {
        let mut body = connection_body("800000000000001");
        merge(&mut body, &settings);
        id(&self.post("/v1/connections?check=false", body).await.ok())
    }

    /// A draft without recipients, on a new connection. `settings` replace or add
    /// fields of the request.
    pub(crate) async fn campaign(&self, settings: Value) -> String {
        let connection = self.connection().await;
        self.campaign_on(&connection, settings).await
    }

    /// [`TestApi::campaign`] on a connection.
    pub(crate) async fn campaign_on(&self, connection: &str, settings: Value) -> String {
        let mut body = campaign_body(connection);
        merge(&mut body, &settings);
        id(&self.post("/v1/campaigns", body).await.ok())
    }

    /// [`TestApi::campaign`] with `count` recipients.
    pub(crate) async fn draft_with(&self, count: u32, settings: Value) -> String {
        let id = self.campaign(settings).await;
        self.upload_csv(&id, phones_csv(count)).await.ok();
        id
    }

    /// An active campaign with `count` recipients, on a new connection.
    pub(crate) async fn started(&self, count: u32) -> String {
        let id = self.draft_with(count, json!({})).await;
        self.start(&id).await.ok();
        id
    }

    /// Starts a campaign.
    /// The path of the contact with an address, created where there is none.
    pub(crate) async fn contact_path(&self, address: &str) -> String {
        let contact = self.post("/v1/contacts", json!({"addresses": [address]})).await.ok();
        format!("/v1/contacts/{}", id(&contact))
    }

    /// The path of the recipient with an address.
    pub(crate) async fn recipient_path(&self, campaign: &str, address: &str) -> String {
        let path = format!("/v1/campaigns/{campaign}/recipients");
        let list = self.get(&format!("{path}?limit=500")).await.ok();
        let items = list["items"].as_array().unwrap();
        let found = items.iter().find(|one| one["address"] == address).unwrap();
        format!("{path}/{}", found["contact_id"].as_str().unwrap())
    }

    pub(crate) async fn start(&self, campaign: &str) -> Response {
        self.post_empty(&format!("/v1/campaigns/{campaign}/start")).await
    }

    /// Cancels a campaign.
    pub(crate) async fn cancel(&self, campaign: &str) -> Response {
        self.post_empty(&format!("/v1/campaigns/{campaign}/cancel")).await
    }

    /// The campaign as stored.
    pub(crate) async fn stored_campaign(&self, campaign: &str) -> Campaign {
        let id = campaign.parse().unwrap();
        campaign::store::get(&self.table, id).await.unwrap().unwrap()
    }

    /// The items of the table that contain a text.
    pub(crate) async fn items_containing(&self, text: &str) -> usize {
        let (mut count, mut after) = (0, None);
        loop {
            let page = self.table.scan(after).await.unwrap();
            count += page.items.iter().filter(|item| format!("{item:?}").contains(text)).count();
            after = page.next;
            if after.is_none() {
                return count;
            }
        }
    }

    /// The imports of a campaign.
    pub(crate) async fn imports(&self, campaign: &str) -> Vec<Import> {
        let key = Key::Campaign(campaign.parse().unwrap());
        self.table.query_all(&key.pk(), Key::IMPORTS).await.unwrap()
    }
}

/// A request with the admin key.
pub(crate) fn request(method: Method, path: &str) -> axum::http::request::Builder {
    let key = format!("Bearer {ADMIN_KEY}");
    Request::builder().method(method).uri(path).header(header::AUTHORIZATION, key)
}

/// The providers of the product, with a Cloud API at that address.
pub(crate) fn standard_providers(graph_url: &str) -> Providers {
    let http = http_client(PROVIDER_TIMEOUTS).unwrap();
    Providers::standard(&ProviderSetup { http, graph_url: Some(graph_url.to_owned()) })
}

/// The request for a connection.
pub(crate) fn connection_body(number: &str) -> Value {
    json!({
        "name": "Shop",
        "provider": {
            "type": "whatsapp_cloud",
            "whatsapp_cloud": {"phone_number_id": number, "waba_id": "700000000000001"}
        },
        "credentials": {"access_token": "EAAtoken", "app_secret": "app-secret"}
    })
}

/// The request for a campaign.
pub(crate) fn campaign_body(connection: &str) -> Value {
    json!({
        "name": "Hello", "connection_id": connection,
        "message": {"type": "text", "text": {"body": "Hello"}}, "default_country": "CO"
    })
}

/// The phone number of contact `number`, in E.164.
pub(crate) fn phone(number: u32) -> String {
    format!("+57300{number:07}")
}

/// A CSV file of contacts 0 to `count`.
pub(crate) fn phones_csv(count: u32) -> String {
    let mut lines = vec!["phone".to_owned()];
    lines.extend((0..count).map(phone));
    lines.join("\n")
}

pub(crate) fn merge(into: &mut Value, more: &Value) {
    let more = more.as_object().cloned().unwrap_or_default();
    into.as_object_mut().unwrap().extend(more);
}

pub(crate) fn id(made: &Value) -> String {
    made["id"].as_str().unwrap().to_owned()
}
