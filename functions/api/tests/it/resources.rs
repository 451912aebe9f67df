//! What all resources have in common: entity tags, merge patches, strict requests, keys.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};

use crate::fixture::{Response, TestApi, connection_body, id, request};

async fn with_header(
    api: &TestApi,
    (method, path): (Method, &str),
    (name, value): (&str, &str),
    body: Option<Value>,
) -> Response {
    let request = request(method, path).header(name, value);
    let request = match body {
        Some(body) => {
            request.header("content-type", "application/json").body(Body::from(body.to_string()))
        }
        None => request.body(Body::empty()),
    };
    api.send(request.unwrap()).await
}

/// The path of each resource that can be changed, and a change of it.
async fn resources(api: &TestApi) -> Vec<(String, Value)> {
    let connection = api.connection().await;
    let campaign = api.campaign_on(&connection, json!({})).await;
    let key = api.post("/v1/keys", json!({"name": "a", "scopes": ["read"]})).await.ok();
    vec![
        (format!("/v1/connections/{connection}"), json!({"name": "Other"})),
        (format!("/v1/campaigns/{campaign}"), json!({"name": "Other"})),
        (format!("/v1/keys/{}", id(&key)), json!({"name": "Other"})),
    ]
}

#[tokio::test]
async fn what_get_answers_can_be_sent_back_and_changes_nothing() {
    let api = TestApi::new().await;
    for (path, _) in resources(&api).await {
        let before = api.get(&path).await;
        let etag = before.header("etag").unwrap().to_owned();
        let before = before.ok();
        let after = api.patch(&path, before.clone()).await;
        assert_eq!(after.header("etag"), Some(&*etag), "{path}");
        assert_eq!(after.ok(), before, "{path}");
    }
}

#[tokio::test]
async fn a_change_of_what_somebody_else_has_changed_is_refused() {
    let api = TestApi::new().await;
    // The connection goes last: its draft cannot be changed without it.
    for (path, change) in resources(&api).await.into_iter().rev() {
        let etag = api.get(&path).await.header("etag").unwrap().to_owned();
        let if_match = ("if-match", &*etag);
        let changed = with_header(&api, (Method::PATCH, &path), if_match, Some(change)).await;
        let current = changed.ok();
        let again = json!({"name": "Third"});
        let refused = with_header(&api, (Method::PATCH, &path), if_match, Some(again)).await;
        refused.assert_problem(412, "another version");
        assert_eq!(refused.json["current"], current, "{path}");
        let refused = with_header(&api, (Method::DELETE, &path), if_match, None).await;
        refused.assert_problem(412, "another version");
        assert_eq!(api.get(&path).await.ok()["name"], "Other", "{path}");
        let etag = api.get(&path).await.header("etag").unwrap().to_owned();
        let deleted = with_header(&api, (Method::DELETE, &path), ("if-match", &etag), None).await;
        assert_eq!(deleted.status, 204, "{path}: {deleted:?}");
    }
}

#[tokio::test]
async fn a_verb_on_a_campaign_that_has_changed_is_refused() {
    let api = TestApi::new().await;
    let campaign = api.started(1).await;
    let path = format!("/v1/campaigns/{campaign}");
    let etag = api.get(&path).await.header("etag").unwrap().to_owned();
    api.patch(&path, json!({"daily_send_limit": 10})).await.ok();
    for verb in ["pause", "resume", "cancel", "start"] {
        let verb = format!("{path}/{verb}");
        let refused = with_header(&api, (Method::POST, &verb), ("if-match", &etag), None).await;
        refused.assert_problem(412, "another version");
    }
    assert_eq!(api.get(&path).await.ok()["status"], "active");
    let pause = format!("{path}/pause");
    let any = with_header(&api, (Method::POST, &pause), ("if-match", "*"), None).await;
    assert_eq!(any.ok()["status"], "paused");
}

#[tokio::test]
async fn who_has_the_current_version_gets_304() {
    let api = TestApi::new().await;
    let mut paths: Vec<String> = resources(&api).await.into_iter().map(|(path, _)| path).collect();
    paths.push("/openapi.json".to_owned());
    for path in paths {
        let etag = api.get(&path).await.header("etag").unwrap().to_owned();
        let get = (Method::GET, &*path);
        let unchanged = with_header(&api, get.clone(), ("if-none-match", &etag), None).await;
        assert_eq!((unchanged.status.as_u16(), unchanged.bytes.len()), (304, 0), "{path}");
        let changed = with_header(&api, get, ("if-none-match", "\"other\""), None).await;
        assert_eq!(changed.status, 200, "{path}");
    }
}

#[tokio::test]
async fn null_clears_what_may_be_absent_and_objects_merge() {
    let api = TestApi::new().await;
    let window = json!({"from": "09:00", "to": "18:00"});
    let settings = json!({"send_window": window, "tag": "spring"});
    let path = format!("/v1/campaigns/{}", api.campaign(settings).await);
    let changed = api.patch(&path, json!({"send_window": {"to": "20:00"}})).await.ok();
    assert_eq!(changed["send_window"]["from"], "09:00:00");
    assert_eq!(changed["send_window"]["to"], "20:00:00");
    let cleared = api.patch(&path, json!({"send_window": null, "tag": null})).await.ok();
    assert_eq!((&cleared["send_window"], &cleared["tag"]), (&Value::Null, &Value::Null));
    let refused = api.patch(&path, json!({"name": null})).await;
    refused.assert_problem(422, "name is missing");
    let media = json!({"type": "media", "media": {"kind": "image", "link": "https://x.org/a.png"}});
    let replaced = api.patch(&path, json!({"message": media})).await.ok();
    assert_eq!(replaced["message"], media);
}

#[tokio::test]
async fn unknown_parameters_and_members_are_refused() {
    let api = TestApi::new().await;
    let campaign = api.draft_with(1, json!({})).await;
    for path in ["/v1/campaigns?colour=red", "/v1/channels?limit=5", "/v1/me?x=1"] {
        let refused = api.get(path).await;
        refused.assert_problem(422, "is not a parameter of this operation");
        assert_eq!(refused.fields().len(), 1, "{path}");
    }
    let start = format!("/v1/campaigns/{campaign}/start");
    let refused = api.post(&start, json!({"schedule": "2030-01-01T00:00:00Z"})).await;
    refused.assert_problem(422, "schedule is not a member here");
    assert_eq!(api.get(&format!("/v1/campaigns/{campaign}")).await.ok()["status"], "draft");
}

#[tokio::test]
async fn a_start_obeys_its_body() {
    let api = TestApi::new().await;
    let campaign = api.draft_with(3, json!({})).await;
    let start = format!("/v1/campaigns/{campaign}/start");
    let refused = api.post(&start, json!({"expected_recipients": 4})).await;
    refused.assert_problem(409, "3 recipients are to be sent to");
    assert_eq!(refused.json["code"], "recipients_differ");
    let later = json!({"scheduled_start": "2030-01-01T00:00:00Z", "expected_recipients": 3});
    let started = api.post(&start, later).await.ok();
    assert_eq!(started["status"], "scheduled");
    assert_eq!(started["scheduled_start"], "2030-01-01T00:00:00.000Z");
}

#[tokio::test]
async fn a_start_that_may_cost_too_much_is_refused() {
    let api = TestApi::new().await;
    let template = json!({"type": "template", "template": {"name": "promo", "language": "es"}});
    let campaign = api.draft_with(100, json!({ "message": template })).await;
    let start = format!("/v1/campaigns/{campaign}/start");
    let plan = api.get(&format!("/v1/campaigns/{campaign}/plan")).await.ok();
    let total = plan["estimate"]["total"].clone();
    for (cost, words) in [
        (json!({"amount": "0.01", "currency": "USD"}), "is the limit"),
        (json!({"amount": "1000.00", "currency": "EUR"}), "is the limit"),
        (json!({"amount": "cheap", "currency": "USD"}), "decimal number"),
    ] {
        let refused = api.post(&start, json!({ "max_cost": cost })).await;
        assert!(refused.detail().contains(words), "{refused:?}");
    }
    api.post(&start, json!({ "max_cost": total })).await.ok();
}

#[tokio::test]
async fn each_problem_has_a_page() {
    let api = TestApi::new().await;
    let problem = api.get("/v1/campaigns/cmp_nonsense").await;
    let page = api.get(problem.json["type"].as_str().unwrap()).await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("not_found"), "{}", page.text());
    let index = api.get("/problems").await;
    assert!(index.text().contains("/problems/precondition_failed"));
    api.get("/problems/nonsense").await.assert_problem(404, "no such problem");
}

#[tokio::test]
async fn the_description_is_sent_compressed() {
    let api = TestApi::new().await;
    let request = Request::builder().uri("/openapi.json").header("accept-encoding", "gzip");
    let packed = api.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    let plain = api.get("/openapi.json").await;
    assert!(packed.bytes.len() * 4 < plain.bytes.len(), "{}", packed.bytes.len());
}

async fn as_key(api: &TestApi, key: &str) -> u16 {
    let request = Request::builder().uri("/v1/me").header("authorization", format!("Bearer {key}"));
    api.send(request.body(Body::empty()).unwrap()).await.status.as_u16()
}

/// `3600.0` is an integer to JSON Schema, so it is one to the API.
#[tokio::test]
async fn an_integer_may_have_a_decimal_point() {
    let api = TestApi::new().await;
    let key = api.post("/v1/keys", json!({"name": "a", "scopes": ["read"]})).await.ok();
    let rotate = format!("/v1/keys/{}/rotate", id(&key));
    api.post(&rotate, json!({"overlap_seconds": 3600.0})).await.ok();
    api.post(&rotate, json!({"overlap_seconds": 0.5})).await.assert_problem(422, "overlap_seconds");
}

#[tokio::test]
async fn a_rotated_key_overlaps_with_the_old_one() {
    let api = TestApi::new().await;
    let made = api.post("/v1/keys", json!({"name": "a", "scopes": ["read"]})).await.ok();
    let path = format!("/v1/keys/{}", id(&made));
    let old = made["key"].as_str().unwrap();
    let rotate = format!("{path}/rotate");
    let rotated = api.post(&rotate, json!({"overlap_seconds": 3600})).await.ok();
    let new = rotated["key"].as_str().unwrap();
    assert_eq!((as_key(&api, old).await, as_key(&api, new).await), (200, 200));
    assert!(api.get(&path).await.ok()["last_used_at"].is_string());
    assert_eq!(api.get("/v1/keys").await.ok()["items"].as_array().unwrap().len(), 1);
    api.advance(std::time::Duration::from_secs(3700));
    assert_eq!((as_key(&api, old).await, as_key(&api, new).await), (401, 200));
    api.post(&rotate, json!({"overlap_seconds": 2_592_001})).await.assert_problem(422, "30 days");
    assert_eq!(api.delete(&path).await.status, 204);
    assert_eq!(as_key(&api, new).await, 401);
}

#[tokio::test]
async fn a_key_ends_when_it_expires() {
    let api = TestApi::new().await;
    let past = json!({"name": "a", "scopes": ["read"], "expires_at": "2026-11-20T00:00:00Z"});
    api.post("/v1/keys", past).await.assert_problem(422, "in the past");
    let soon = json!({"name": "a", "scopes": ["read"], "expires_at": "2026-11-21T13:00:00Z"});
    let made = api.post("/v1/keys", soon).await.ok();
    let key = made["key"].as_str().unwrap();
    assert_eq!(as_key(&api, key).await, 200);
    api.advance(std::time::Duration::from_secs(3700));
    assert_eq!(as_key(&api, key).await, 401);
    let path = format!("/v1/keys/{}", id(&made));
    api.patch(&path, json!({"expires_at": null})).await.ok();
    assert_eq!(as_key(&api, key).await, 200);
}

#[tokio::test]
async fn the_caller_learns_what_the_key_allows_and_whether_messages_are_simulated() {
    let api = TestApi::new().await;
    let me = api.get("/v1/me").await.ok();
    assert_eq!(me["key"]["name"], "the admin key");
    assert_eq!(me["key"]["scopes"].as_array().unwrap().len(), 6);
    assert_eq!(me["mode"], "simulator");
    let made = api.post("/v1/connections?check=false", connection_body("800000000000001")).await;
    assert_eq!(made.ok()["simulated"], true);
}

#[tokio::test]
async fn the_tag_of_what_was_made_is_that_of_what_is_read() {
    let api = TestApi::new().await;
    let made = api.post("/v1/connections?check=false", connection_body("800000000000001")).await;
    let path = made.header("location").unwrap().to_owned();
    assert_eq!(api.get(&path).await.header("etag"), made.header("etag"));
    let campaign = crate::fixture::campaign_body(&id(&made.ok()));
    let made = api.post("/v1/campaigns", campaign).await;
    let path = made.header("location").unwrap().to_owned();
    assert_eq!(api.get(&path).await.header("etag"), made.header("etag"));
}

#[tokio::test]
async fn a_time_with_microseconds_is_kept_as_it_is_shown() {
    let api = TestApi::new().await;
    let settings = json!({"scheduled_start": "2026-11-21T12:00:30.123456Z"});
    let path = format!("/v1/campaigns/{}", api.draft_with(1, settings).await);
    assert_eq!(api.get(&path).await.ok()["scheduled_start"], "2026-11-21T12:00:30.123Z");
    api.post_empty(&format!("{path}/start")).await.ok();
    api.advance(std::time::Duration::from_mins(5));
    api.patch(&path, json!({"name": "Other"})).await.ok();
}

#[tokio::test]
async fn what_names_a_person_is_not_kept_for_a_repetition() {
    let api = TestApi::new().await;
    let campaign = api.started(1).await;
    let path = api.recipient_path(&campaign, "+573000000000").await;
    let skip = format!("{path}/skip");
    let key = ("idempotency-key", "skip-1");
    with_header(&api, (Method::POST, &skip), key, Some(json!({}))).await.ok();
    let again = with_header(&api, (Method::POST, &skip), key, Some(json!({}))).await;
    again.assert_problem(409, "carried out before");
    assert_eq!(again.json["code"], "answer_not_kept");
}

#[tokio::test]
async fn a_problem_does_not_quote_what_was_sent() {
    let api = TestApi::new().await;
    let mut body = connection_body("800000000000001");
    body["credentials"] = json!("EAAGsecret");
    for (path, body, secret) in [
        ("/v1/connections", body, "EAAGsecret"),
        ("/v1/contacts", json!({"addresses": "+573001234567"}), "573001234567"),
    ] {
        let refused = api.post(path, body).await;
        refused.assert_problem(422, "has the wrong type");
        assert!(!refused.text().contains(secret), "{refused:?}");
    }
}

#[tokio::test]
async fn of_two_rotations_at_once_one_secret_is_left() {
    let api = TestApi::new().await;
    for _ in 0..10 {
        let made = api.post("/v1/keys", json!({"name": "a", "scopes": ["read"]})).await.ok();
        let path = format!("/v1/keys/{}", id(&made));
        let rotate = format!("{path}/rotate");
        let body = json!({"overlap_seconds": 0});
        let narrowed = json!({"scopes": ["send"]});
        let (one, other, changed) = futures::join!(
            api.post(&rotate, body.clone()),
            api.post(&rotate, body.clone()),
            api.patch(&path, narrowed),
        );
        changed.ok();
        let keys = [made, one.ok(), other.ok()];
        let mut valid = 0;
        for key in &keys {
            let key = key["key"].as_str().unwrap();
            valid += u32::from(as_key(&api, key).await == 200);
        }
        assert_eq!(valid, 1);
        assert_eq!(api.get(&path).await.ok()["scopes"], json!(["send"]));
        assert_eq!(api.delete(&path).await.status, 204);
    }
}
