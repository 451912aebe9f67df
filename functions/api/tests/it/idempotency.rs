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
async fn an_error_response_is_replayed_too() {
    let api = TestApi::new().await;
    let body = json!({"name": "x", "scopes": []});
    let first = post(&api, "/v1/keys", "k", &body).await;
    let again = post(&api, "/v1/keys", "k", &body).await;
    again.assert_problem(422, "scopes");
    assert_eq!(first.bytes, again.bytes);
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
    let caller = "key_00000000-0000-0000-0000-000000000000";
    let request = Request {
        key: digest(&[caller.as_bytes(), b"slow"]),
        fingerprint: digest(&[b"POST", b"/v1/keys", b"{}"]),
    };
    store::begin(&api.table, &request, api.clock.now()).await.unwrap();
    post(&api, "/v1/keys", "slow", &json!({})).await.assert_problem(409, "still being carried out");
    api.advance(Duration::from_secs(301));
    post(&api, "/v1/keys", "slow", &json!({})).await.assert_problem(422, "missing field");
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
