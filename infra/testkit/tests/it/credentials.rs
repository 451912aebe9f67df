//! The credentials of connections in the Parameter Store, against a fake Parameter Store.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request};
use carillon::AwsConfig;
use carillon::channel::{Credentials, ProviderSetup, Providers};
use carillon::connection::{Sealed, Vault, VaultError};
use carillon::http_client::{Timeouts, http_client};
use carillon::ids::{ConnectionId, IdSource};
use carillon::jobs::Launcher;
use carillon::table::{Table, ensure_table};
use carillon::time::{Clock, Timestamp};
use carillon_api::Api;
use carillon_engines::{Engines, Storage};
use futures::future::join_all;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::parameter_store::{ADDRESS_KEY, ADMIN_KEY, Shared, config, fail, names, start};

struct Fixture {
    store: Shared,
    vault: Vault,
    clock: Clock,
    ids: IdSource,
    connection: ConnectionId,
}

impl Fixture {
    async fn new() -> Self {
        let store = Shared::default();
        let url = start(&store).await;
        Self::with(store, &url).await
    }

    async fn with(store: Shared, url: &str) -> Self {
        let aws = AwsConfig::at("http://127.0.0.1:9", "http://127.0.0.1:9").await;
        let config = config(url);
        let clock = Clock::movable(Timestamp::from_second(1_800_000_000).unwrap(), 50.0);
        let vault = Vault::of(&config, &aws, &clock).unwrap();
        let ids = IdSource::seeded(1);
        let connection = ConnectionId::from_uuid(ids.uuid(clock.now()));
        Self { store, vault, clock, ids, connection }
    }

    async fn token(&self, sealed: &Sealed) -> Result<String, VaultError> {
        let credentials = self.vault.open(self.connection, sealed).await?;
        let token = credentials.get("access_token").expect("an access token");
        Ok(token.expose_secret().to_owned())
    }

    async fn seal(&self, token: &str) -> Sealed {
        let credentials = Credentials::from_iter([
            ("access_token", token.into()),
            ("app_secret", "app secret".into()),
            ("verify_token", "verify token".into()),
        ]);
        self.vault.seal(self.connection, &credentials, &self.ids).await.unwrap()
    }
}

#[tokio::test]
async fn sealed_credentials_are_in_the_parameter_store_and_not_in_the_table() {
    let fixture = Fixture::new().await;
    let sealed = fixture.seal("EAAone").await;
    assert_eq!(serde_json::to_value(&sealed).unwrap(), json!("parameter:1"));
    assert_eq!(fixture.token(&sealed).await.unwrap(), "EAAone");
    let name = format!("/shop/connections/{}", fixture.connection);
    assert_eq!(names(&fixture.store), [name]);
}

#[tokio::test]
async fn a_sealed_token_is_read_at_once_and_one_set_by_hand_when_the_cache_expires() {
    let fixture = Fixture::new().await;
    let first = fixture.seal("EAAone").await;
    assert_eq!(fixture.token(&first).await.unwrap(), "EAAone");
    let second = fixture.seal("EAAtwo").await;
    assert_eq!(fixture.token(&second).await.unwrap(), "EAAtwo");
    let requests = fixture.store.lock().unwrap().requests;
    assert_eq!(fixture.token(&second).await.unwrap(), "EAAtwo");
    assert_eq!(fixture.store.lock().unwrap().requests, requests, "the token was not cached");
    for (_, value) in fixture.store.lock().unwrap().parameters.values_mut() {
        *value = value.replace("EAAtwo", "EAAthree");
    }
    fixture.clock.advance(Duration::from_secs(301));
    assert_eq!(fixture.token(&second).await.unwrap(), "EAAthree");
}

#[tokio::test]
async fn throttling_is_retried_and_a_refusal_is_not() {
    let fixture = Fixture::new().await;
    let sealed = fixture.seal("EAAone").await;
    fail(&fixture.store, "ThrottlingException", 2);
    assert_eq!(fixture.token(&sealed).await.unwrap(), "EAAone");

    let fixture = Fixture::with(fixture.store.clone(), "http://127.0.0.1:9").await;
    let unreachable = fixture.token(&sealed).await.unwrap_err();
    assert!(unreachable.is_transient(), "{unreachable}");

    let fixture = Fixture::new().await;
    fail(&fixture.store, "AccessDeniedException", 1);
    let refused = fixture.token(&sealed).await.unwrap_err();
    assert!(!refused.is_transient() && refused.to_string().contains("AccessDenied"), "{refused}");
    let missing = fixture.token(&sealed).await.unwrap_err();
    assert!(!missing.is_transient() && missing.to_string().contains("is not there"), "{missing}");
}

#[tokio::test]
async fn forgotten_credentials_are_deleted_and_can_not_be_opened() {
    let fixture = Fixture::new().await;
    let sealed = fixture.seal("EAAone").await;
    assert_eq!(fixture.token(&sealed).await.unwrap(), "EAAone");
    for _ in 0..2 {
        fixture.vault.forget(fixture.connection).await.unwrap();
        assert!(names(&fixture.store).is_empty());
    }
    let missing = fixture.token(&sealed).await.unwrap_err();
    assert!(missing.to_string().contains("is not there"), "{missing}");
}

/// The API with its credentials in a Parameter Store.
struct TestApi {
    store: Shared,
    router: Router,
    _engines: Engines,
}

impl TestApi {
    async fn new() -> Self {
        let store = Shared::default();
        let url = start(&store).await;
        let engines = Engines::start(Storage::Temporary).expect("the engines start");
        let aws = AwsConfig::at(&engines.dynamodb_url(), &engines.sqs_url()).await;
        ensure_table(&Table::new(&aws, "carillon")).await.expect("the table is created");
        let http = http_client(Timeouts::default()).expect("an HTTP client");
        let graph_url = Some("http://127.0.0.1:9".to_owned());
        let providers = Providers::standard(&ProviderSetup { http, graph_url });
        let clock = Clock::movable(Timestamp::from_second(1_800_000_000).unwrap(), 50.0);
        let api = Api::new(
            &config(&url),
            &aws,
            clock,
            IdSource::seeded(1),
            providers,
            Launcher::closed(),
        );
        let router = carillon_api::router(Arc::new(api.expect("the API starts")));
        Self { store, router, _engines: engines }
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {ADMIN_KEY}"))
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()));
        let response = self.router.clone().oneshot(request.unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    /// Creates a connection; `query` says whether it is probed.
    async fn create(&self, query: &str) -> (u16, Value) {
        let settings = json!({"phone_number_id": "800000000000001"});
        let body = json!({
            "name": "Main",
            "provider": {"type": "whatsapp_cloud", "whatsapp_cloud": settings},
            "credentials": {"access_token": "EAAtoken", "app_secret": "app-secret"},
        });
        self.call(Method::POST, &format!("/v1/connections{query}"), body).await
    }

    async fn delete(&self, connection: &Value) -> u16 {
        let path = format!("/v1/connections/{}", connection["id"].as_str().expect("an id"));
        self.call(Method::DELETE, &path, Value::Null).await.0
    }
}

#[tokio::test]
async fn deleting_a_connection_deletes_its_parameter() {
    let api = TestApi::new().await;
    let (status, made) = api.create("?check=false").await;
    assert_eq!((status, names(&api.store).len()), (201, 1), "{made}");
    assert_eq!(api.delete(&made).await, 204);
    assert!(names(&api.store).is_empty());
}

/// Whoever repeats a deletion that has failed must not leave the credentials behind.
#[tokio::test]
async fn a_deletion_that_the_parameter_store_refused_can_be_repeated() {
    let api = TestApi::new().await;
    let (_, made) = api.create("?check=false").await;
    fail(&api.store, "AccessDeniedException", 1);
    assert_eq!(api.delete(&made).await, 500);
    assert_eq!(api.delete(&made).await, 204);
    assert!(names(&api.store).is_empty());
}

#[tokio::test]
async fn a_connection_that_is_not_created_leaves_no_parameter() {
    let api = TestApi::new().await;
    let (status, refused) = api.create("").await;
    assert_eq!(status, 422, "the provider is unreachable: {refused}");
    assert!(names(&api.store).is_empty(), "{:?}", names(&api.store));
}

#[tokio::test]
async fn concurrent_creations_leave_the_parameter_of_one_connection() {
    let api = TestApi::new().await;
    let create = || api.create("?check=false");
    let answers = join_all([create(), create(), create(), create()]).await;
    let created: Vec<_> = answers.iter().filter(|(status, _)| *status == 201).collect();
    let ids: Vec<_> = created.iter().filter_map(|(_, made)| made["id"].as_str()).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(names(&api.store), [format!("/shop/connections/{}", ids[0])]);
    let (version, key) = api.store.lock().unwrap().parameters[ADDRESS_KEY].clone();
    assert_eq!((version, key.len()), (1, 44), "the key of the addresses is made once");
}
