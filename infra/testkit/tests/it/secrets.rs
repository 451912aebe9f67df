//! The secrets of connections in the Parameter Store, against a fake Parameter Store.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Json, Router, routing};
use carillon::AwsConfig;
use carillon::config::Config;
use carillon::connection::{Sealed, Secrets, Vault, VaultError};
use carillon::ids::{ConnectionId, IdSource};
use carillon::time::{Clock, Timestamp};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

/// A fake Parameter Store: `GetParameter` and `PutParameter`, as AWS documents them.
#[derive(Default)]
struct ParameterStore {
    /// Version and value, by name.
    parameters: BTreeMap<String, (u64, String)>,
    /// The errors that the next requests get.
    errors: VecDeque<(StatusCode, &'static str)>,
    requests: usize,
}

type Shared = Arc<Mutex<ParameterStore>>;

async fn handle(
    State(store): State<Shared>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, Json<Value>) {
    let request: Value = serde_json::from_str(&body).unwrap();
    let mut store = store.lock().unwrap();
    store.requests += 1;
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap();
    let signed = header("authorization");
    assert!(signed.starts_with("AWS4-HMAC-SHA256 Credential=local/"), "{signed}");
    assert!(signed.contains("/us-east-1/ssm/aws4_request"), "{signed}");
    assert!(signed.contains("x-amz-target"), "{signed}");
    if let Some((status, code)) = store.errors.pop_front() {
        return (status, Json(json!({ "__type": format!("com.amazonaws.ssm#{code}") })));
    }
    let name = request["Name"].as_str().unwrap().to_owned();
    match header("x-amz-target") {
        "AmazonSSM.PutParameter" => {
            assert_eq!(
                (&request["Type"], &request["Overwrite"]),
                (&json!("SecureString"), &json!(true))
            );
            let entry = store.parameters.entry(name).or_default();
            *entry = (entry.0 + 1, request["Value"].as_str().unwrap().to_owned());
            (StatusCode::OK, Json(json!({ "Version": entry.0 })))
        }
        "AmazonSSM.GetParameter" => match store.parameters.get(&name) {
            Some((version, value)) => {
                let found = json!({ "Name": name, "Value": value, "Version": version });
                (StatusCode::OK, Json(json!({ "Parameter": found })))
            }
            None => (StatusCode::BAD_REQUEST, Json(json!({ "__type": "ParameterNotFound" }))),
        },
        other => panic!("{other}"),
    }
}

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
        let router = Router::new().route("/", routing::post(handle)).with_state(store.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self::with(store, &url).await
    }

    async fn with(store: Shared, url: &str) -> Self {
        let aws = AwsConfig::at("http://127.0.0.1:9", "http://127.0.0.1:9").await;
        let config = Config::from_values([
            ("CARILLON_SECRETS_PREFIX", "/shop/connections/"),
            ("AWS_ENDPOINT_URL_SSM", url),
        ]);
        let clock = Clock::movable(Timestamp::from_second(1_800_000_000).unwrap(), 50.0);
        let vault = Vault::of(&config, &aws, &clock).unwrap();
        let ids = IdSource::seeded(1);
        let connection = ConnectionId::from_uuid(ids.uuid(clock.now()));
        Self { store, vault, clock, ids, connection }
    }

    async fn token(&self, sealed: &Sealed) -> Result<String, VaultError> {
        let secrets = self.vault.open(self.connection, sealed).await?;
        Ok(secrets.access_token.expose_secret().to_owned())
    }

    async fn seal(&self, token: &str) -> Sealed {
        let secrets = Secrets {
            access_token: token.into(),
            app_secret: "app secret".into(),
            verify_token: "verify token".into(),
        };
        self.vault.seal(self.connection, &secrets, &self.ids).await.unwrap()
    }

    /// Lets the next requests fail.
    fn fail(&self, code: &'static str, times: usize) {
        let errors = std::iter::repeat_n((StatusCode::BAD_REQUEST, code), times);
        self.store.lock().unwrap().errors.extend(errors);
    }
}

#[tokio::test]
async fn sealed_secrets_are_in_the_parameter_store_and_not_in_the_table() {
    let fixture = Fixture::new().await;
    let sealed = fixture.seal("EAAone").await;
    assert_eq!(serde_json::to_value(&sealed).unwrap(), json!("parameter:1"));
    assert_eq!(fixture.token(&sealed).await.unwrap(), "EAAone");
    let store = fixture.store.lock().unwrap();
    let name = format!("/shop/connections/{}", fixture.connection);
    assert_eq!(store.parameters.keys().collect::<Vec<_>>(), [&name]);
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
    fixture.fail("ThrottlingException", 2);
    assert_eq!(fixture.token(&sealed).await.unwrap(), "EAAone");

    let fixture = Fixture::with(fixture.store.clone(), "http://127.0.0.1:9").await;
    let unreachable = fixture.token(&sealed).await.unwrap_err();
    assert!(unreachable.may_pass(), "{unreachable}");

    let fixture = Fixture::new().await;
    fixture.fail("AccessDeniedException", 1);
    let refused = fixture.token(&sealed).await.unwrap_err();
    assert!(!refused.may_pass() && refused.to_string().contains("AccessDenied"), "{refused}");
    let missing = fixture.token(&sealed).await.unwrap_err();
    assert!(!missing.may_pass() && missing.to_string().contains("is not there"), "{missing}");
}
