//! Connections' secrets in the Parameter Store, against a small one of its kind.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Json, Router, routing};
use carillon::AwsConfig;
use carillon::config::Config;
use carillon::connection::{Secrets, Vault, VaultError};
use carillon::ids::{ConnectionId, IdSource};
use carillon::time::{Clock, Timestamp};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

/// A Parameter Store: `GetParameter` and `PutParameter`, as AWS documents them.
#[derive(Default)]
struct Store {
    parameters: BTreeMap<String, (u64, String)>,
    /// The next answers, instead of the true ones.
    trouble: VecDeque<(StatusCode, &'static str)>,
    requests: usize,
}

type Shared = Arc<Mutex<Store>>;

async fn answer(
    State(store): State<Shared>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, Json<Value>) {
    let asked: Value = serde_json::from_str(&body).unwrap();
    let mut store = store.lock().unwrap();
    store.requests += 1;
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap();
    let signed = header("authorization");
    assert!(signed.starts_with("AWS4-HMAC-SHA256 Credential=local/"), "{signed}");
    assert!(signed.contains("/us-east-1/ssm/aws4_request"), "{signed}");
    assert!(signed.contains("x-amz-target"), "{signed}");
    if let Some((status, code)) = store.trouble.pop_front() {
        return (status, Json(json!({ "__type": format!("com.amazonaws.ssm#{code}") })));
    }
    let name = asked["Name"].as_str().unwrap().to_owned();
    match header("x-amz-target") {
        "AmazonSSM.PutParameter" => {
            assert_eq!(
                (&asked["Type"], &asked["Overwrite"]),
                (&json!("SecureString"), &json!(true))
            );
            let entry = store.parameters.entry(name).or_default();
            *entry = (entry.0 + 1, asked["Value"].as_str().unwrap().to_owned());
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

struct Stage {
    store: Shared,
    vault: Vault,
    clock: Clock,
    ids: IdSource,
    connection: ConnectionId,
}

impl Stage {
    async fn set() -> Self {
        let store = Shared::default();
        let router = Router::new().route("/", routing::post(answer)).with_state(store.clone());
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

    async fn token(&self, sealed: &carillon::connection::Sealed) -> Result<String, VaultError> {
        let secrets = self.vault.open(self.connection, sealed).await?;
        Ok(secrets.access_token.expose_secret().to_owned())
    }

    fn trouble(&self, status: StatusCode, code: &'static str, times: usize) {
        let trouble = std::iter::repeat_n((status, code), times);
        self.store.lock().unwrap().trouble.extend(trouble);
    }
}

fn secrets(token: &str) -> Secrets {
    Secrets {
        access_token: token.into(),
        app_secret: "app secret".into(),
        verify_token: "verify token".into(),
    }
}

#[tokio::test]
async fn what_is_put_away_is_found_again_and_the_table_holds_none_of_it() {
    let stage = Stage::set().await;
    let sealed = stage.vault.seal(stage.connection, &secrets("EAAone"), &stage.ids).await.unwrap();
    assert_eq!(serde_json::to_value(&sealed).unwrap(), json!("parameter:1"));
    assert_eq!(stage.token(&sealed).await.unwrap(), "EAAone");
    let store = stage.store.lock().unwrap();
    let name = format!("/shop/connections/{}", stage.connection);
    assert_eq!(store.parameters.keys().collect::<Vec<_>>(), [&name]);
}

#[tokio::test]
async fn a_new_token_is_taken_up_at_once_and_one_set_by_hand_within_minutes() {
    let stage = Stage::set().await;
    let first = stage.vault.seal(stage.connection, &secrets("EAAone"), &stage.ids).await.unwrap();
    assert_eq!(stage.token(&first).await.unwrap(), "EAAone");
    let second = stage.vault.seal(stage.connection, &secrets("EAAtwo"), &stage.ids).await.unwrap();
    assert_eq!(stage.token(&second).await.unwrap(), "EAAtwo");
    let requests = stage.store.lock().unwrap().requests;
    assert_eq!(stage.token(&second).await.unwrap(), "EAAtwo");
    assert_eq!(stage.store.lock().unwrap().requests, requests, "it was asked for again");
    for (_, value) in stage.store.lock().unwrap().parameters.values_mut() {
        *value = value.replace("EAAtwo", "EAAthree");
    }
    stage.clock.advance(Duration::from_secs(301));
    assert_eq!(stage.token(&second).await.unwrap(), "EAAthree");
}

#[tokio::test]
async fn a_fault_that_may_pass_is_asked_about_again_and_a_refusal_is_not() {
    let stage = Stage::set().await;
    let sealed = stage.vault.seal(stage.connection, &secrets("EAAone"), &stage.ids).await.unwrap();
    stage.trouble(StatusCode::BAD_REQUEST, "ThrottlingException", 2);
    assert_eq!(stage.token(&sealed).await.unwrap(), "EAAone");

    let stage = Stage::with(stage.store.clone(), "http://127.0.0.1:9").await;
    let away = stage.token(&sealed).await.unwrap_err();
    assert!(away.may_pass(), "{away}");

    let stage = Stage::set().await;
    stage.trouble(StatusCode::BAD_REQUEST, "AccessDeniedException", 1);
    let refused = stage.token(&sealed).await.unwrap_err();
    assert!(!refused.may_pass() && refused.to_string().contains("AccessDenied"), "{refused}");
    let missing = stage.token(&sealed).await.unwrap_err();
    assert!(!missing.may_pass() && missing.to_string().contains("is not there"), "{missing}");
}
