//! Webhooks while the secret of a connection cannot be read: what may be its events is
//! redelivered, and the events of other connections are stored.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use carillon::AwsConfig;
use carillon::channel::whatsapp_cloud::signature;
use carillon::channel::{Credentials, ProviderSetup, Providers};
use carillon::connection::store::Changes;
use carillon::connection::{self, Connection, Sealed, Vault};
use carillon::contact::addresses;
use carillon::http_client::{Timeouts, http_client};
use carillon::ids::{ConnectionId, IdSource};
use carillon::table::{Table, ensure_table};
use carillon::time::{Clock, Timestamp};
use carillon_engines::{Engines, Storage};
use carillon_testkit::webhook_body::{self, status, statuses};
use carillon_testkit::{World, phone, wa_id};
use carillon_webhook::Webhook;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::parameter_store::{Shared, config, start};

/// A connection of the tests: its app's secret, its number and its account.
#[derive(Debug, Clone, Copy)]
struct Shop {
    secret: &'static str,
    number: &'static str,
    account: &'static str,
}

const FIRST: Shop = Shop { secret: "first-app", number: "800000000000001", account: "1" };
const SECOND: Shop = Shop { secret: "second-app", number: "800000000000002", account: "2" };
/// Another number of the first shop's app.
const SIBLING: Shop = Shop { secret: "first-app", number: "800000000000003", account: "1" };
/// A number of the first shop's app that is not connected.
const STRANGER: Shop = Shop { secret: "first-app", number: "800000000000009", account: "9" };

/// The webhook with its secrets in a Parameter Store.
struct TestWebhook {
    store: Shared,
    router: Router,
    table: Table,
    clock: Clock,
    connections: Vec<ConnectionId>,
    _engines: Engines,
}

impl TestWebhook {
    /// A webhook whose clock runs fast, so that it does not wait long between two attempts.
    async fn new(shops: &[Shop]) -> Self {
        Self::with_clock(shops, 50.0).await
    }

    async fn with_clock(shops: &[Shop], rate: f64) -> Self {
        let store = Shared::default();
        let config = config(&start(&store).await);
        let engines = Engines::start(Storage::Temporary).expect("the engines start");
        let aws = AwsConfig::at(&engines.dynamodb_url(), &engines.sqs_url()).await;
        let clock = Clock::movable(Timestamp::from_second(1_800_000_000).unwrap(), rate);
        let ids = IdSource::seeded(1);
        let addresses = carillon::address_key::AddressKeys::of(&config, &aws, &clock, &ids);
        let table = Table::new(&aws, "carillon").with_addresses(addresses.expect("a key"));
        ensure_table(&table).await.expect("the table is created");
        let vault = Vault::of(&config, &aws, &clock).expect("a vault");
        let mut connections = Vec::new();
        for shop in shops {
            let connection = shop.connect(&vault, &ids, clock.now()).await;
            connections.push(connection.id);
            assert!(connection::store::create(&table, &connection).await.expect("created"));
        }
        let http = http_client(Timeouts::default()).expect("an HTTP client");
        let providers = Providers::standard(&ProviderSetup { http, graph_url: None });
        let webhook = Webhook::new(&config, &aws, clock.clone(), ids, providers);
        let router = carillon_webhook::router(Arc::new(webhook.expect("the webhook starts")));
        Self { store, router, table, clock, connections, _engines: engines }
    }

    fn parameter(&self, connection: usize) -> String {
        format!("/shop/connections/{}", self.connections[connection])
    }

    /// Lets the secret of a connection be refused.
    fn break_secret(&self, connection: usize, code: &'static str) {
        self.store.lock().unwrap().broken.insert(self.parameter(connection), code);
    }

    /// Ends all faults, and lets the time pass in which they are remembered.
    fn mend(&self) {
        let mut store = self.store.lock().unwrap();
        store.broken.clear();
        store.hanging.clear();
        self.clock.advance(Duration::from_secs(2));
    }

    async fn request(&self, request: Request<Body>) -> u16 {
        self.router.clone().oneshot(request).await.expect("an answer").status().as_u16()
    }

    /// Posts a body that is signed with a secret.
    async fn post(&self, secret: &str, body: &Value) -> u16 {
        let body = body.to_string();
        let signature = signature::sign(&secret.into(), body.as_bytes());
        let request = Request::post("/webhooks/whatsapp").header(signature::HEADER, signature);
        self.request(request.body(body.into()).unwrap()).await
    }

    /// Posts a message of a contact to a shop.
    async fn message(&self, contact: u32, shop: Shop) -> u16 {
        self.post(shop.secret, &body(&[shop.message(contact)])).await
    }

    /// Whether a contact's message is stored.
    async fn knows(&self, contact: u32) -> bool {
        let address = phone(contact).parse().expect("an address");
        addresses::find(&self.table, &address).await.expect("the table answers").is_some()
    }

    async fn handshake(&self, token: &str) -> u16 {
        let path = "/webhooks/whatsapp?hub.mode=subscribe&hub.challenge=7&hub.verify_token=";
        self.request(Request::get(format!("{path}{token}")).body(Body::empty()).unwrap()).await
    }
}

impl Shop {
    async fn connect(self, vault: &Vault, ids: &IdSource, now: Timestamp) -> Connection {
        let id = ConnectionId::from_uuid(ids.uuid(now));
        let credentials = Credentials::from_iter([
            ("access_token", "EAAtoken".into()),
            ("app_secret", self.secret.into()),
            ("verify_token", format!("verify-{}", self.number).into()),
        ]);
        let sealed = vault.seal(id, &credentials, ids).await.expect("sealed");
        let provider = json!({
            "type": "whatsapp_cloud", "sender_id": self.number, "account_id": self.account,
            "settings": {"phone_number_id": self.number, "waba_id": self.account},
        });
        let connection = json!({
            "id": id, "name": "Shop", "provider": provider, "credentials": sealed,
            "created_at": now,
        });
        serde_json::from_value(connection).expect("a connection")
    }

    fn entry(self, value: &Value) -> Value {
        let mut value = value.clone();
        value["metadata"] = json!({"display_phone_number": "1", "phone_number_id": self.number});
        json!({"id": self.account, "changes": [{"field": "messages", "value": value}]})
    }

    fn message(self, contact: u32) -> Value {
        self.entry(&json!({"messages": [{
            "from": wa_id(contact), "id": format!("wamid.{contact}"), "timestamp": "1800000000",
            "type": "text", "text": {"body": "hello"},
        }]}))
    }
}

fn body<const N: usize>(entries: &[Value; N]) -> Value {
    json!({"object": "whatsapp_business_account", "entry": entries.to_vec()})
}

/// Faults that pass, and faults that do not.
const FAULTS: [&str; 4] =
    ["ThrottlingException", "InternalServerError", "AccessDeniedException", "ParameterNotFound"];

#[tokio::test]
async fn an_unreadable_secret_stops_no_other_connections_webhooks() {
    for fault in FAULTS {
        let webhook = TestWebhook::new(&[FIRST, SECOND]).await;
        webhook.break_secret(1, fault);
        assert_eq!(webhook.message(901, FIRST).await, 200, "{fault}");
        assert!(webhook.knows(901).await, "{fault}");
        assert_eq!(webhook.handshake("verify-800000000000001").await, 200, "{fault}");
    }
}

#[tokio::test]
async fn a_webhook_that_may_be_signed_with_an_unreadable_secret_is_redelivered() {
    for fault in FAULTS {
        let webhook = TestWebhook::new(&[FIRST, SECOND]).await;
        webhook.break_secret(1, fault);
        assert_eq!(webhook.message(902, SECOND).await, 500, "{fault}");
        assert_eq!(webhook.post("nobodys-secret", &body(&[SECOND.message(902)])).await, 500);
        assert_eq!(webhook.handshake("verify-800000000000002").await, 500, "{fault}");
        assert!(!webhook.knows(902).await, "{fault}");

        webhook.mend();
        assert_eq!(webhook.message(902, SECOND).await, 200, "{fault}");
        assert!(webhook.knows(902).await, "{fault}");
        assert_eq!(webhook.post("nobodys-secret", &body(&[SECOND.message(903)])).await, 401);
        assert_eq!(webhook.handshake("unknown").await, 403, "{fault}");
    }
}

/// One app signs for several numbers. The secret of one of them says nothing of the others.
#[tokio::test]
async fn events_of_a_connection_with_an_unreadable_secret_are_redelivered_and_not_dropped() {
    for fault in FAULTS {
        let webhook = TestWebhook::new(&[FIRST, SIBLING]).await;
        webhook.break_secret(1, fault);
        let all = body(&[SIBLING.message(903), FIRST.message(901), STRANGER.message(909)]);
        assert_eq!(webhook.post("first-app", &all).await, 500, "{fault}");
        assert!(webhook.knows(901).await, "{fault}: the others' events are stored");
        assert!(!webhook.knows(903).await, "{fault}");
        assert_eq!(webhook.message(909, STRANGER).await, 200, "{fault}: a stranger's are dropped");

        webhook.mend();
        assert_eq!(webhook.post("first-app", &all).await, 200, "{fault}");
        assert!(webhook.knows(903).await && !webhook.knows(909).await, "{fault}");
    }
}

/// The secret that signed the request was readable a moment ago, and the connections are read
/// again for an event of a stranger.
#[tokio::test]
async fn a_secret_that_becomes_unreadable_drops_no_event() {
    let webhook = TestWebhook::with_clock(&[FIRST], 0.001).await;
    assert_eq!(webhook.message(901, FIRST).await, 200);
    // Longer than secrets are cached.
    webhook.clock.advance(Duration::from_secs(299));
    assert_eq!(webhook.message(902, FIRST).await, 200);
    webhook.clock.advance(Duration::from_secs(2));
    webhook.break_secret(0, "AccessDeniedException");
    let both = body(&[FIRST.message(903), STRANGER.message(909)]);
    assert_eq!(webhook.post("first-app", &both).await, 500);
    webhook.mend();
    assert_eq!(webhook.post("first-app", &both).await, 200);
    assert!(webhook.knows(903).await && !webhook.knows(909).await);
}

#[tokio::test]
async fn an_unreadable_secret_is_asked_for_once_a_second() {
    let webhook = TestWebhook::with_clock(&[FIRST, SIBLING], 0.001).await;
    webhook.break_secret(1, "AccessDeniedException");
    assert_eq!(webhook.message(903, SIBLING).await, 500);
    let before = webhook.store.lock().unwrap().requests;
    for _ in 0..20 {
        assert_eq!(webhook.message(903, SIBLING).await, 500);
        assert_eq!(webhook.post("nobodys-secret", &body(&[FIRST.message(901)])).await, 500);
    }
    assert_eq!(webhook.store.lock().unwrap().requests, before);
}

#[tokio::test]
async fn a_parameter_store_that_does_not_answer_for_one_secret_delays_the_others_for_seconds() {
    let webhook = TestWebhook::new(&[FIRST, SECOND]).await;
    webhook.store.lock().unwrap().hanging.insert(webhook.parameter(1));
    let answer = tokio::time::timeout(Duration::from_secs(8), webhook.message(901, FIRST));
    assert_eq!(answer.await.expect("an answer within the function's time"), 200);
    assert!(webhook.knows(901).await);
    assert_eq!(webhook.message(902, SECOND).await, 500);
}

/// Where the secrets are in the table, over HTTP.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_that_names_no_sender_waits_for_the_secret_of_its_campaigns_connection() {
    let world = World::silent().await;
    let campaign = world.started(3).await;
    world.run_until_idle().await;
    // A second number of the same app, whose secret stays readable.
    let provider = World::sender("800000000000002", "900000000000001");
    world.connection_with(json!({ "provider": provider })).await;
    let table = world.host.table();
    let all = connection::store::all(table).await.expect("the connections");
    let first = all.iter().find(|one| one.provider.sender_id == "800000000000001").expect("it");
    let damaged = Changes { credentials: Some(Sealed::from_text("damaged")), ..Changes::default() };
    assert!(connection::store::change(table, first, &damaged).await.expect("changed"));

    let log = world.simulator.log();
    let named = statuses(&[status(&log[0], "read")]);
    let value = json!({"statuses": [status(&log[1], "read")]});
    let unnamed = webhook_body::change("messages", &value);
    for body in [&named, &unnamed] {
        world.post_signed_webhook(body.clone()).await.expect(500);
    }
    assert_eq!(world.report(&campaign).await.number("read"), 0);

    let readable = connection::store::get(table, first.id).await.expect("read").expect("it");
    let mended = Changes { credentials: Some(first.credentials.clone()), ..Changes::default() };
    assert!(connection::store::change(table, &readable, &mended).await.expect("changed"));
    world.clock.advance(Duration::from_secs(61));
    for body in [&named, &unnamed] {
        world.post_signed_webhook(body.clone()).await.expect(200);
    }
    assert_eq!(world.report(&campaign).await.number("read"), 2);
}
