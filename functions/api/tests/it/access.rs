use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request};
use serde_json::json;

use crate::fixture::{Response, TestApi, request};

async fn with_key(api: &TestApi, method: Method, path: &str, key: &str) -> Response {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {key}"));
    api.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn public_routes_need_no_key() {
    let api = TestApi::new().await;
    for (path, kind) in
        [("/health", "application/json"), ("/openapi.json", "application/json"), ("/", "text/html")]
    {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        let response = api.send(request).await;
        assert_eq!(response.status, 200, "{path}");
        assert!(response.header("content-type").unwrap().starts_with(kind), "{path}");
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"), "{path}");
        let policy = response.header("content-security-policy").unwrap();
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
    }
    let request = Request::builder().uri("/health").body(Body::empty()).unwrap();
    assert_eq!(api.send(request).await.json["status"], "ok");
}

#[tokio::test]
async fn every_other_route_needs_a_key() {
    let api = TestApi::new().await;
    let bare = Request::builder().uri("/v1/campaigns").body(Body::empty()).unwrap();
    let response = api.send(bare).await;
    response.assert_problem(401, "Authorization: Bearer <key>");
    assert_eq!(response.header("www-authenticate"), Some("Bearer"));
    let unknown = with_key(&api, Method::GET, "/v1/campaigns", "crl_guessed").await;
    unknown.assert_problem(401, "not known");
    let basic = Request::builder().uri("/v1/campaigns").header("authorization", "Basic Zm9v");
    api.send(basic.body(Body::empty()).unwrap()).await.assert_problem(401, "Bearer");
}

#[tokio::test]
async fn a_new_key_is_shown_once_and_never_listed() {
    let api = TestApi::new().await;
    let made = api.post("/v1/keys", json!({"name": "CI", "scopes": ["send"]})).await.ok();
    let key = made["key"].as_str().unwrap();
    assert!(key.starts_with("crl_") && key.len() == 47, "{key}");
    let listed = api.get("/v1/keys").await;
    assert!(!listed.text().contains(key));
    assert_eq!(listed.ok()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_key_allows_its_scopes_only() {
    let api = TestApi::new().await;
    let key_with = async |scope: &str| {
        let made = api.post("/v1/keys", json!({"name": scope, "scopes": [scope]})).await;
        made.ok()["key"].as_str().unwrap().to_owned()
    };
    let (read, send) = (key_with("read").await, key_with("send").await);
    let (get, post, delete) = (Method::GET, Method::POST, Method::DELETE);
    for (key, method, path, status) in [
        (&read, &get, "/v1/campaigns", 200),
        (&read, &get, "/v1/connections", 200),
        (&read, &post, "/v1/campaigns", 403),
        (&read, &get, "/v1/keys", 403),
        (&read, &get, "/v1/me", 200),
        (&send, &get, "/v1/campaigns", 403),
        (&send, &post, "/v1/campaigns", 415),
        (&send, &get, "/v1/me", 200),
        (&send, &post, "/v1/connections", 403),
        (&send, &delete, "/v1/connections/con_01890a5d-ac96-774b-bcce-b302099a8057", 403),
        (&send, &post, "/v1/keys", 403),
    ] {
        let response = with_key(&api, method.clone(), path, key).await;
        assert_eq!(response.status.as_u16(), status, "{method} {path}: {response:?}");
    }
    let refused = with_key(&api, post, "/v1/campaigns", &read).await;
    refused.assert_problem(403, "needs the scope send; the key has read");
}

#[tokio::test]
async fn a_deleted_key_is_refused() {
    let api = TestApi::new().await;
    let made = api.post("/v1/keys", json!({"name": "x", "scopes": ["read"]})).await.ok();
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    assert_eq!(with_key(&api, Method::GET, "/v1/campaigns", key).await.status, 200);
    assert_eq!(api.delete(&format!("/v1/keys/{id}")).await.status, 204);
    with_key(&api, Method::GET, "/v1/campaigns", key).await.assert_problem(401, "not known");
    api.delete(&format!("/v1/keys/{id}")).await.assert_problem(404, "no such key");
    api.delete("/v1/keys/key_nonsense").await.assert_problem(404, "expected an id like key_");
}

#[tokio::test]
async fn a_key_needs_a_name_and_a_scope() {
    let api = TestApi::new().await;
    api.post("/v1/keys", json!({"name": " ", "scopes": ["read"]}))
        .await
        .assert_problem(422, "name");
    api.post("/v1/keys", json!({"name": "x", "scopes": []})).await.assert_problem(422, "scopes");
    let wrong = api.post("/v1/keys", json!({"name": "x", "scopes": ["root"]})).await;
    wrong.assert_problem(422, "scopes[0]");
}

#[tokio::test]
async fn the_admin_key_has_every_scope_and_is_not_listed() {
    let api = TestApi::new().await;
    assert_eq!(api.get("/v1/keys").await.ok()["items"], json!([]));
    let made = api.post("/v1/keys", json!({"name": "x", "scopes": ["admin"]})).await;
    assert_eq!(made.status, 201);
}

#[tokio::test]
async fn an_address_that_guesses_keys_is_throttled_and_a_valid_key_is_not() {
    let api = TestApi::new().await;
    let made = api.post("/v1/keys", json!({"name": "x", "scopes": ["read"]})).await.ok();
    let valid = made["key"].as_str().unwrap();
    assert_eq!(from(&api, 1, valid).await.status, 200);
    for _ in 0..20 {
        from(&api, 1, "crl_guessed").await.assert_problem(401, "not known");
    }
    let refused = from(&api, 1, "crl_guessed").await;
    refused.assert_problem(429, "Wait 60 seconds");
    assert_eq!(refused.header("retry-after"), Some("60"));
    assert_eq!(from(&api, 1, valid).await.status, 200);
    from(&api, 2, "crl_guessed").await.assert_problem(401, "not known");
    api.advance(Duration::from_secs(61));
    from(&api, 1, "crl_guessed").await.assert_problem(401, "not known");
}

/// A request with a key, from the address 10.0.0.`host`.
async fn from(api: &TestApi, host: u8, key: &str) -> Response {
    let address = SocketAddr::from(([10, 0, 0, host], 4000));
    let request = Request::builder()
        .uri("/v1/campaigns")
        .header("authorization", format!("Bearer {key}"))
        .extension(ConnectInfo(address));
    api.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn unknown_routes_and_methods_are_problems() {
    let api = TestApi::new().await;
    api.get("/v1/nothing").await.assert_problem(404, "GET /openapi.json");
    api.get("/nothing").await.assert_problem(404, "no such route");
    api.delete("/health").await.assert_problem(405, "other methods");
    let put = request(Method::PUT, "/v1/campaigns").body(Body::empty()).unwrap();
    api.send(put).await.assert_problem(405, "other methods");
}

#[tokio::test]
async fn an_unreadable_body_is_a_problem_that_names_the_field() {
    let api = TestApi::new().await;
    let send = async |kind: &str, body: String| {
        let request = request(Method::POST, "/v1/keys").header("content-type", kind);
        api.send(request.body(Body::from(body)).unwrap()).await
    };
    let json = "application/json";
    send("text/plain", "{}".into()).await.assert_problem(415, "application/json");
    send(json, "{\"name\": ".into()).await.assert_problem(400, "not valid JSON");
    send(json, "[]".into()).await.assert_problem(422, "The body");
    send(json, "{\"name\": 1, \"scopes\": []}".into())
        .await
        .assert_problem(422, "name has the wrong type");
    let unknown = send(json, "{\"nom\": \"x\"}".into()).await;
    unknown.assert_problem(422, "nom is not a member here: expected one of `name`, `scopes`");
    assert_eq!(unknown.fields(), ["nom", "name", "scopes"]);
    send(json, " ".repeat(300 * 1024)).await.assert_problem(413, "256 KiB");
    send("application/json; charset=utf-8", "{}".into()).await.assert_problem(422, "name");
}

#[tokio::test]
async fn an_unreachable_table_is_a_503_with_retry_after() {
    let mut api = TestApi::new().await;
    api.get("/v1/campaigns").await.ok();
    api.stop_engines();
    let response = api.get("/v1/campaigns").await;
    response.assert_problem(503, "The table cannot be reached");
    assert_eq!(response.header("retry-after"), Some("2"));
    assert!(!response.text().contains("127.0.0.1"));
}
