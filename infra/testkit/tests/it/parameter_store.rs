//! A fake Parameter Store: `GetParameter`, `PutParameter` and `DeleteParameter`, as AWS
//! documents them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Router, routing};
use carillon::config::Config;
use serde_json::{Value, json};

/// The parameter of the key that hashes addresses.
pub(super) const ADDRESS_KEY: &str = "/shop/connections/address-key";
pub(super) const ADMIN_KEY: &str = "test-admin-key";

#[derive(Default)]
pub(super) struct ParameterStore {
    /// Version and value, by name.
    pub(super) parameters: BTreeMap<String, (u64, String)>,
    /// The errors that the next requests get.
    pub(super) errors: VecDeque<(StatusCode, &'static str)>,
    /// The errors that requests for these parameters get.
    pub(super) broken: BTreeMap<String, &'static str>,
    /// The parameters that nobody answers for.
    pub(super) hanging: BTreeSet<String>,
    pub(super) requests: usize,
}

pub(super) type Shared = Arc<Mutex<ParameterStore>>;

async fn handle(
    State(store): State<Shared>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, String) {
    let request: Value = serde_json::from_str(&body).unwrap();
    let hangs = store.lock().unwrap().hanging.contains(request["Name"].as_str().unwrap());
    if hangs {
        std::future::pending::<()>().await;
    }
    let mut store = store.lock().unwrap();
    store.requests += 1;
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap();
    let signed = header("authorization");
    assert!(signed.starts_with("AWS4-HMAC-SHA256 Credential=local/"), "{signed}");
    assert!(signed.contains("/us-east-1/ssm/aws4_request"), "{signed}");
    assert!(signed.contains("x-amz-target"), "{signed}");
    if let Some((status, code)) = store.errors.pop_front() {
        let error = json!({ "__type": format!("com.amazonaws.ssm#{code}") });
        return (status, error.to_string());
    }
    let name = request["Name"].as_str().unwrap().to_owned();
    if let Some(code) = store.broken.get(&name) {
        return (StatusCode::BAD_REQUEST, json!({ "__type": code }).to_string());
    }
    match header("x-amz-target") {
        "AmazonSSM.PutParameter" => {
            assert_eq!(request["Type"], "SecureString");
            if request["Overwrite"] == false && store.parameters.contains_key(&name) {
                let error = json!({ "__type": "ParameterAlreadyExists" });
                return (StatusCode::BAD_REQUEST, error.to_string());
            }
            let entry = store.parameters.entry(name).or_default();
            *entry = (entry.0 + 1, request["Value"].as_str().unwrap().to_owned());
            (StatusCode::OK, json!({ "Version": entry.0 }).to_string())
        }
        "AmazonSSM.GetParameter" => match store.parameters.get(&name) {
            Some((version, value)) => {
                let found = json!({ "Name": name, "Value": value, "Version": version });
                (StatusCode::OK, json!({ "Parameter": found }).to_string())
            }
            None => not_found(),
        },
        // "An HTTP 200 response with an empty HTTP body".
        "AmazonSSM.DeleteParameter" => match store.parameters.remove(&name) {
            Some(_) => (StatusCode::OK, String::new()),
            None => not_found(),
        },
        other => panic!("{other}"),
    }
}

fn not_found() -> (StatusCode, String) {
    (StatusCode::BAD_REQUEST, json!({ "__type": "ParameterNotFound" }).to_string())
}

/// Starts a fake Parameter Store and returns its URL.
pub(super) async fn start(store: &Shared) -> String {
    let router = Router::new().route("/", routing::post(handle)).with_state(store.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

pub(super) fn config(url: &str) -> Config {
    Config::from_values([
        ("CARILLON_SECRETS_PREFIX", "/shop/connections/"),
        ("AWS_ENDPOINT_URL_SSM", url),
        ("CARILLON_TABLE", "carillon"),
        ("CARILLON_SENDS_QUEUE_URL", "http://127.0.0.1:1/000000000000/sends.fifo"),
        ("CARILLON_PACED_QUEUE_URL", "http://127.0.0.1:1/000000000000/paced.fifo"),
        ("CARILLON_ADMIN_KEY", ADMIN_KEY),
    ])
}

/// Lets the next requests fail.
pub(super) fn fail(store: &Shared, code: &'static str, times: usize) {
    let errors = std::iter::repeat_n((StatusCode::BAD_REQUEST, code), times);
    store.lock().unwrap().errors.extend(errors);
}

/// The names of the connections' parameters.
pub(super) fn names(store: &Shared) -> Vec<String> {
    let store = store.lock().unwrap();
    store.parameters.keys().filter(|name| *name != ADDRESS_KEY).cloned().collect()
}
