use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use carillon::idempotency::{Request, digest, store};
use serde_json::{Value, json};

use crate::fixture::{Response, TestApi, campaign_body, connection_body, request};

async fn post(api: &TestApi, path: &str, key: &str, body: &Value) -> Response {
    let request = request(Method::POST, path)
        .header("content-type", "application/json")
        .header("idempotency-key", key);
    api.send(request.body(Body::from(body.to_string())).unwrap()).await
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_response_and_does_nothing() {
    let api = TestApi::new().await;
    let body = campaign_body(&api.connection().await);
    let first = post(&api, "/v1/campaigns", "order-1", &body).await;
    let again = post(&api, "/v1/campaigns", "order-1", &body).await;
    assert_eq!((first.status, again.status), (201.try_into().unwrap(), 201.try_into().unwrap()));
    assert_eq!(first.bytes, again.bytes);
    assert_eq!(first.header("idempotent-replayed"), None);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.header("content-type"), Some("application/json"));
    let listed = api.get("/v1/campaigns").await.ok();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_refused_request_succeeds_with_its_key_once_the_reason_is_gone() {
    let api = TestApi::new().await;
    let id = api.campaign(json!({})).await;
    let path = format!("/v1/campaigns/{id}/start");
    for _ in 0..2 {
        post(&api, &path, "start", &json!({})).await.assert_problem(409, "no pending recipients");
    }
    api.upload_csv(&id, "phone\n+573001234567\n").await.ok();
    let first = post(&api, &path, "start", &json!({})).await;
    let again = post(&api, &path, "start", &json!({})).await;
    assert_eq!(first.bytes, again.bytes);
    assert_eq!(again.ok()["status"], "active");
}

#[tokio::test]
async fn a_repeated_response_has_the_headers_of_the_first() {
    let api = TestApi::new().await;
    let body = campaign_body(&api.connection().await);
    let first = post(&api, "/v1/campaigns", "order-1", &body).await;
    let again = post(&api, "/v1/campaigns", "order-1", &body).await;
    for name in ["location", "etag", "content-type"] {
        assert!(first.header(name).is_some(), "{name}");
        assert_eq!(first.header(name), again.header(name), "{name}");
    }
    assert_ne!(first.header("request-id"), again.header("request-id"));
}

#[tokio::test]
async fn a_key_with_another_request_is_refused() {
    let api = TestApi::new().await;
    let body = campaign_body(&api.connection().await);
    post(&api, "/v1/campaigns", "order-1", &body).await.ok();
    let mut other = body.clone();
    other["name"] = json!("Another");
    post(&api, "/v1/campaigns", "order-1", &other).await.assert_problem(422, "another request");
    let elsewhere = post(&api, "/v1/campaigns/x/pause", "order-1", &body).await;
    elsewhere.assert_problem(422, "another request");
}

#[tokio::test]
async fn a_key_has_1_to_255_characters() {
    let api = TestApi::new().await;
    for key in ["", &"k".repeat(256)] {
        let response = post(&api, "/v1/campaigns", key, &json!({})).await;
        response.assert_problem(422, "must have 1 to 255 characters");
    }
}

#[tokio::test]
async fn a_response_with_a_secret_is_not_replayed() {
    let api = TestApi::new().await;
    let path = "/v1/connections?check=false";
    let made = post(&api, path, "c", &connection_body("800000000000001")).await.ok();
    assert!(made["generated_credentials"]["verify_token"].is_string());
    let again = post(&api, path, "c", &connection_body("800000000000001")).await;
    again.assert_problem(409, "carried out before");
    let body = json!({"name": "x", "scopes": ["read"]});
    post(&api, "/v1/keys", "k", &body).await.ok();
    post(&api, "/v1/keys", "k", &body).await.assert_problem(409, "GET /v1/keys");
    assert_eq!(api.get("/v1/keys").await.ok()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_request_in_progress_is_not_executed_again() {
    let api = TestApi::new().await;
    let request =
        Request { key: digest(&[b"slow"]), fingerprint: digest(&[b"POST", b"/v1/keys", b"{}"]) };
    store::begin(&api.table, &request, api.clock.now()).await.unwrap();
    let again = post(&api, "/v1/keys", "slow", &json!({})).await;
    again.assert_problem(409, "still in progress");
    assert!(again.header("retry-after").is_some());
    api.advance(Duration::from_secs(301));
    post(&api, "/v1/keys", "slow", &json!({})).await.assert_problem(422, "name is missing");
}

#[tokio::test]
async fn an_upload_ignores_its_idempotency_key() {
    let api = TestApi::new().await;
    let id = api.campaign(json!({})).await;
    let upload = async |phone: &'static str| {
        let request = request(Method::POST, &format!("/v1/campaigns/{id}/recipients"))
            .header("content-type", "text/csv")
            .header("idempotency-key", "a");
        api.send(request.body(Body::from(format!("phone\n{phone}\n"))).unwrap()).await.ok()
    };
    assert_eq!(upload("+573001234567").await["added"], 1);
    assert_eq!(upload("+573001234567").await["duplicates"], 1);
    assert_eq!(upload("+573001234568").await["added"], 1);
}

#[tokio::test]
async fn answers_about_contacts_are_not_stored() {
    let api = TestApi::new().await;
    let person = json!({"addresses": ["+573001234567"]});
    let first = post(&api, "/v1/contacts", "k", &person).await;
    let again = post(&api, "/v1/contacts", "k", &person).await;
    assert_eq!(again.header("idempotent-replayed"), None);
    assert_eq!(first.ok()["id"], again.ok()["id"]);
    let search = json!({"address": "+573001234567"});
    let found = post(&api, "/v1/contacts/search", "k", &search).await.ok();
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
}
