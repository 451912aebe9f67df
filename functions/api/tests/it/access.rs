use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request};
use serde_json::json;

use crate::stage::{Answer, Stage, request};

async fn with_key(stage: &Stage, method: Method, path: &str, key: &str) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {key}"));
    stage.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn what_is_open_needs_no_key() {
    let stage = Stage::set().await;
    for (path, kind) in
        [("/health", "application/json"), ("/openapi.json", "application/json"), ("/", "text/html")]
    {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        let answer = stage.send(request).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.header("content-type").unwrap().starts_with(kind), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
    }
    let request = Request::builder().uri("/health").body(Body::empty()).unwrap();
    assert_eq!(stage.send(request).await.json["status"], "ok");
}

#[tokio::test]
async fn everything_else_needs_a_key() {
    let stage = Stage::set().await;
    let bare = Request::builder().uri("/v1/campaigns").body(Body::empty()).unwrap();
    let answer = stage.send(bare).await;
    answer.is_problem(401, "Authorization: Bearer <key>");
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    let unknown = with_key(&stage, Method::GET, "/v1/campaigns", "crl_guessed").await;
    unknown.is_problem(401, "not known");
    let basic = Request::builder().uri("/v1/campaigns").header("authorization", "Basic Zm9v");
    stage.send(basic.body(Body::empty()).unwrap()).await.is_problem(401, "Bearer");
}

#[tokio::test]
async fn a_key_is_shown_once_and_stored_as_a_hash() {
    let stage = Stage::set().await;
    let made = stage.post("/v1/keys", json!({"name": "CI", "scopes": ["write"]})).await.ok();
    let key = made["key"].as_str().unwrap();
    assert!(key.starts_with("crl_") && key.len() == 47, "{key}");
    let listed = stage.get("/v1/keys").await;
    assert!(!listed.text().contains(key));
    assert_eq!(listed.ok()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn scopes_are_kept() {
    let stage = Stage::set().await;
    let make = async |scope: &str| {
        let made = stage.post("/v1/keys", json!({"name": scope, "scopes": [scope]})).await;
        made.ok()["key"].as_str().unwrap().to_owned()
    };
    let (read, write) = (make("read").await, make("write").await);
    let (get, post) = (Method::GET, Method::POST);
    for (key, method, path, status) in [
        (&read, &get, "/v1/campaigns", 200),
        (&read, &get, "/v1/connections", 200),
        (&read, &post, "/v1/campaigns", 403),
        (&read, &get, "/v1/keys", 403),
        (&write, &get, "/v1/campaigns", 200),
        (&write, &post, "/v1/campaigns", 415),
        (&write, &post, "/v1/connections", 403),
        (&write, &post, "/v1/keys", 403),
    ] {
        let answer = with_key(&stage, method.clone(), path, key).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path}: {answer:?}");
    }
    let refused = with_key(&stage, post, "/v1/campaigns", &read).await;
    refused.is_problem(403, "scope write");
}

#[tokio::test]
async fn a_deleted_key_is_no_longer_known() {
    let stage = Stage::set().await;
    let made = stage.post("/v1/keys", json!({"name": "x", "scopes": ["read"]})).await.ok();
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    assert_eq!(with_key(&stage, Method::GET, "/v1/campaigns", key).await.status, 200);
    assert_eq!(stage.delete(&format!("/v1/keys/{id}")).await.status, 204);
    with_key(&stage, Method::GET, "/v1/campaigns", key).await.is_problem(401, "not known");
    stage.delete(&format!("/v1/keys/{id}")).await.is_problem(404, "no such key");
    stage.delete("/v1/keys/key_nonsense").await.is_problem(404, "expected an id like key_");
}

#[tokio::test]
async fn a_key_needs_a_name_and_a_scope() {
    let stage = Stage::set().await;
    stage.post("/v1/keys", json!({"name": " ", "scopes": ["read"]})).await.is_problem(422, "name");
    stage.post("/v1/keys", json!({"name": "x", "scopes": []})).await.is_problem(422, "scopes");
    let wrong = stage.post("/v1/keys", json!({"name": "x", "scopes": ["root"]})).await;
    wrong.is_problem(422, "scopes[0]");
}

#[tokio::test]
async fn the_first_key_allows_everything_and_is_in_no_table() {
    let stage = Stage::set().await;
    assert_eq!(stage.get("/v1/keys").await.ok()["items"], json!([]));
    let made = stage.post("/v1/keys", json!({"name": "x", "scopes": ["admin"]})).await;
    assert_eq!(made.status, 201);
}

#[tokio::test]
async fn who_guesses_keys_has_to_wait_and_who_has_one_does_not() {
    let stage = Stage::set().await;
    let made = stage.post("/v1/keys", json!({"name": "x", "scopes": ["read"]})).await.ok();
    let known = made["key"].as_str().unwrap();
    assert_eq!(from(&stage, 1, known).await.status, 200);
    for _ in 0..20 {
        from(&stage, 1, "crl_guessed").await.is_problem(401, "not known");
    }
    let refused = from(&stage, 1, "crl_guessed").await;
    refused.is_problem(429, "Wait 60 seconds");
    assert_eq!(refused.header("retry-after"), Some("60"));
    assert_eq!(from(&stage, 1, known).await.status, 200);
    from(&stage, 2, "crl_guessed").await.is_problem(401, "not known");
    stage.advance(std::time::Duration::from_secs(61));
    from(&stage, 1, "crl_guessed").await.is_problem(401, "not known");
}

/// A request with a key, from a machine of that number.
async fn from(stage: &Stage, machine: u8, key: &str) -> Answer {
    let address = SocketAddr::from(([10, 0, 0, machine], 4000));
    let request = Request::builder()
        .uri("/v1/campaigns")
        .header("authorization", format!("Bearer {key}"))
        .extension(ConnectInfo(address));
    stage.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn unknown_routes_and_wrong_methods_are_problems() {
    let stage = Stage::set().await;
    stage.get("/v1/nothing").await.is_problem(404, "GET /openapi.json");
    stage.get("/nothing").await.is_problem(404, "no such route");
    stage.delete("/health").await.is_problem(405, "other methods");
    let put = request(Method::PUT, "/v1/campaigns").body(Body::empty()).unwrap();
    stage.send(put).await.is_problem(405, "other methods");
}

#[tokio::test]
async fn bodies_that_can_not_be_read_say_where() {
    let stage = Stage::set().await;
    let send = async |kind: &str, body: String| {
        let request = request(Method::POST, "/v1/keys").header("content-type", kind);
        stage.send(request.body(Body::from(body)).unwrap()).await
    };
    let json = "application/json";
    send("text/plain", "{}".into()).await.is_problem(415, "application/json");
    send(json, "{\"name\": ".into()).await.is_problem(400, "not valid JSON");
    send(json, "[]".into()).await.is_problem(422, "body");
    send(json, "{\"name\": 1, \"scopes\": []}".into()).await.is_problem(422, "name does not fit");
    let unknown = send(json, "{\"nom\": \"x\"}".into()).await;
    unknown.is_problem(422, "unknown field `nom`, expected `name` or `scopes`");
    assert_eq!(unknown.json["errors"][0]["field"], "nom");
    send(json, " ".repeat(300 * 1024)).await.is_problem(413, "256 KiB");
    send("application/json; charset=utf-8", "{}".into()).await.is_problem(422, "name");
}

#[tokio::test]
async fn without_a_table_one_is_asked_to_come_back() {
    let mut stage = Stage::set().await;
    stage.get("/v1/campaigns").await.ok();
    stage.lose_table();
    let answer = stage.get("/v1/campaigns").await;
    answer.is_problem(503, "Try again in a moment");
    assert_eq!(answer.header("retry-after"), Some("2"));
    assert!(!answer.text().contains("127.0.0.1"));
}
