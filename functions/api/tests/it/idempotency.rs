use axum::body::Body;
use axum::http::Method;
use serde_json::{Value, json};

use crate::stage::{Answer, Stage, connection, draft, request};

async fn post(stage: &Stage, path: &str, key: &str, body: &Value) -> Answer {
    let request = request(Method::POST, path)
        .header("content-type", "application/json")
        .header("idempotency-key", key);
    stage.send(request.body(Body::from(body.to_string())).unwrap()).await
}

#[tokio::test]
async fn a_repetition_gets_the_first_answer_and_does_nothing() {
    let stage = Stage::set().await;
    let body = draft(&stage.connection().await);
    let first = post(&stage, "/v1/campaigns", "order-1", &body).await;
    let again = post(&stage, "/v1/campaigns", "order-1", &body).await;
    assert_eq!((first.status, again.status), (201.try_into().unwrap(), 201.try_into().unwrap()));
    assert_eq!(first.bytes, again.bytes);
    assert_eq!(first.header("idempotent-replayed"), None);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.header("content-type"), Some("application/json"));
    let listed = stage.get("/v1/campaigns").await.ok();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_refusal_is_repeated_too() {
    let stage = Stage::set().await;
    let body = json!({"name": "x", "scopes": []});
    let first = post(&stage, "/v1/keys", "k", &body).await;
    let again = post(&stage, "/v1/keys", "k", &body).await;
    again.is_problem(422, "scopes");
    assert_eq!(first.bytes, again.bytes);
}

#[tokio::test]
async fn a_key_is_for_one_request() {
    let stage = Stage::set().await;
    let body = draft(&stage.connection().await);
    post(&stage, "/v1/campaigns", "order-1", &body).await.ok();
    let mut other = body.clone();
    other["name"] = json!("Another");
    post(&stage, "/v1/campaigns", "order-1", &other).await.is_problem(422, "another request");
    let elsewhere = post(&stage, "/v1/campaigns/x/pause", "order-1", &body).await;
    elsewhere.is_problem(422, "another request");
}

#[tokio::test]
async fn a_key_has_1_to_255_characters() {
    let stage = Stage::set().await;
    for key in ["", &"k".repeat(256)] {
        let answer = post(&stage, "/v1/campaigns", key, &json!({})).await;
        answer.is_problem(422, "must have 1 to 255 characters");
    }
}

#[tokio::test]
async fn secrets_are_not_kept() {
    let stage = Stage::set().await;
    let path = "/v1/connections?check=false";
    let made = post(&stage, path, "c", &connection("800000000000001")).await.ok();
    assert!(made["verify_token"].is_string());
    let again = post(&stage, path, "c", &connection("800000000000001")).await;
    again.is_problem(409, "carried out before");
    let body = json!({"name": "x", "scopes": ["read"]});
    post(&stage, "/v1/keys", "k", &body).await.ok();
    post(&stage, "/v1/keys", "k", &body).await.is_problem(409, "GET /v1/keys");
    assert_eq!(stage.get("/v1/keys").await.ok()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_in_progress_is_not_begun_again() {
    use carillon::idempotency::{Request, digest, store};
    let stage = Stage::set().await;
    let caller = "key_00000000-0000-0000-0000-000000000000";
    let asked = Request {
        key: digest(&[caller.as_bytes(), b"slow"]),
        fingerprint: digest(&[b"POST", b"/v1/keys", b"{}"]),
    };
    store::begin(&stage.table, &asked, stage.clock.now()).await.unwrap();
    post(&stage, "/v1/keys", "slow", &json!({})).await.is_problem(409, "still being carried out");
    stage.advance(std::time::Duration::from_secs(301));
    post(&stage, "/v1/keys", "slow", &json!({})).await.is_problem(422, "missing field");
}

#[tokio::test]
async fn an_upload_needs_no_key_and_its_key_hides_no_other_file() {
    let stage = Stage::set().await;
    let id = stage.campaign(json!({})).await;
    let upload = async |phone: &'static str| {
        let request = request(Method::POST, &format!("/v1/campaigns/{id}/recipients"))
            .header("content-type", "text/csv")
            .header("idempotency-key", "a");
        stage.send(request.body(Body::from(format!("phone\n{phone}\n"))).unwrap()).await.ok()
    };
    assert_eq!(upload("+573001234567").await["added"], 1);
    assert_eq!(upload("+573001234567").await["duplicates"], 1);
    assert_eq!(upload("+573001234568").await["added"], 1);
}
