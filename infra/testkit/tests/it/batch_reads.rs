//! Reads of many items: a request has at most 100 keys and none twice, and keys that the table
//! has throttled are read again, a bounded number of times.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router};
use carillon::AwsConfig;
use carillon::ids::{ContactId, uuid_of};
use carillon::table::{Key, StoreError, Table};
use carillon::time::Timestamp;
use serde_json::{Value, json};

/// A table that reads this many keys of each request and throttles the others.
#[derive(Debug)]
struct Throttling {
    reads: usize,
    /// The keys of each request.
    requests: Mutex<Vec<usize>>,
}

async fn batch_get(State(table): State<Arc<Throttling>>, body: Bytes) -> Response {
    let request: Value = serde_json::from_slice(&body).expect("JSON");
    let keys = request["RequestItems"]["test"]["Keys"].as_array().expect("keys").clone();
    table.requests.lock().expect("no panic").push(keys.len());
    let unique: HashSet<String> = keys.iter().map(ToString::to_string).collect();
    if keys.len() > 100 || unique.len() < keys.len() {
        let refused = json!({"__type": "com.amazon.coral.validate#ValidationException"});
        return (StatusCode::BAD_REQUEST, Json(refused)).into_response();
    }
    let (read, left) = keys.split_at(table.reads.min(keys.len()));
    let left = if left.is_empty() { json!({}) } else { json!({"test": {"Keys": left}}) };
    Json(json!({"Responses": {"test": read}, "UnprocessedKeys": left})).into_response()
}

/// Reads the items with these keys from a table that reads `reads` of each request; returns how
/// many were found and how many keys each request had.
async fn read(keys: &[Key], reads: usize) -> (Result<usize, StoreError>, Vec<usize>) {
    let state = Arc::new(Throttling { reads, requests: Mutex::default() });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let router = Router::new().fallback(batch_get).with_state(state.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let table = Table::new(&AwsConfig::at(&url, &url).await, "test");
    let found = table.get_many::<Value>(keys).await.map(|found| found.len());
    let requests = state.requests.lock().expect("no panic").clone();
    (found, requests)
}

fn keys(count: usize) -> Vec<Key> {
    let id = |number: usize| {
        ContactId::from_uuid(uuid_of(Timestamp::UNIX_EPOCH, &[&number.to_string()]))
    };
    (0..count).map(|number| Key::Contact(id(number))).collect()
}

#[tokio::test]
async fn a_request_has_at_most_a_hundred_keys_and_none_twice() {
    let mut twice = keys(230);
    twice.extend(keys(230));
    let (found, requests) = read(&twice, 100).await;
    assert_eq!(found.expect("they are read"), 230);
    assert_eq!(requests, [100, 100, 30]);
}

#[tokio::test]
async fn throttled_keys_are_read_again() {
    let (found, requests) = read(&keys(100), 30).await;
    assert_eq!(found.expect("they are read"), 100);
    assert_eq!(requests, [100, 70, 40, 10]);
}

#[tokio::test]
async fn a_table_that_throttles_on_is_not_available() {
    let (found, requests) = read(&keys(50), 0).await;
    let error = found.expect_err("nothing is read");
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    assert!((5..=20).contains(&requests.len()), "{} requests", requests.len());
}
