use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use carillon::idempotency;
use carillon::ids::{RunId, uuid_of};
use carillon::recipient::store;
use carillon::recipient::{Decision, RecipientKey, RecipientSet, Settlement};
use serde_json::json;

use crate::fixture::{TestApi, phone, phones_csv, request};

/// Claims the first attempt of contact 0, as a sender does.
async fn claim(api: &TestApi, campaign: &str) -> RecipientKey {
    claim_attempt(api, campaign, 1).await
}

async fn claim_attempt(api: &TestApi, campaign: &str, attempt: u32) -> RecipientKey {
    let recipients = RecipientSet { campaign: campaign.parse().unwrap(), shards: 8 };
    let path = api.contact_path(&phone(0)).await;
    let key = recipients.key(path.trim_start_matches("/v1/contacts/").parse().unwrap());
    let batch = "2026-11-21#1".parse().unwrap();
    let run = RunId::from_uuid(uuid_of(api.clock.now(), &["a run"]));
    let claim = store::claim_update(&key, attempt, (batch, run), api.clock.now());
    api.table.update(claim).await.unwrap();
    key
}

/// Settles the first attempt, whose response was lost, as a sender does.
async fn lose_response(api: &TestApi, key: &RecipientKey) {
    lose_response_of(api, key, 1).await;
}

async fn lose_response_of(api: &TestApi, key: &RecipientKey, attempt: u32) {
    let decision = Decision::Unconfirmed { reason: "the response was lost".to_owned() };
    let settlement = Settlement { decision, code: None, at: api.clock.now(), spent: None };
    assert!(store::settle(&api.table, key, attempt, &settlement).await.unwrap());
}

#[tokio::test]
async fn pages_together_hold_every_item_once() {
    let api = TestApi::new().await;
    let id = api.campaign(json!({})).await;
    api.upload_csv(&id, phones_csv(60)).await.ok();
    let mut seen = std::collections::BTreeSet::new();
    let mut cursor = String::new();
    let mut pages = 0;
    loop {
        let path = format!("/v1/campaigns/{id}/recipients?status=pending&limit=7&cursor={cursor}");
        let page = api.get(&path).await.ok();
        for recipient in page["items"].as_array().unwrap() {
            assert!(seen.insert(recipient["contact_id"].as_str().unwrap().to_owned()));
        }
        pages += 1;
        match page["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    assert_eq!((seen.len(), pages), (60, 9));
    let none = api.get(&format!("/v1/campaigns/{id}/recipients?status=read")).await.ok();
    assert_eq!(none, json!({"items": [], "next_cursor": null}));
    let strange = format!("/v1/campaigns/{id}/recipients?cursor=bm90aGluZw");
    api.get(&strange).await.assert_problem(422, "cursor");
}

#[tokio::test]
async fn a_recipient_can_be_closed_once_sent() {
    let api = TestApi::new().await;
    let id = api.started(2).await;
    let path = api.recipient_path(&id, "+573000000000").await;
    let close = format!("{path}/close");
    api.post_empty(&close).await.assert_problem(409, "The recipient is pending");
    let key = claim(&api, &id).await;
    store::settle_accepted(&api.table, &key, 1, "wamid.1", None).await.unwrap();
    let closed = api.post_empty(&close).await.ok();
    assert_eq!(closed["status"], "closed");
    assert!(closed["closed_at"].is_string());
    assert_eq!(api.post_empty(&close).await.ok()["status"], "closed");
    assert_eq!(api.get(&path).await.ok()["status"], "closed");
    api.post(&close, json!({"reason": "x"})).await.assert_problem(422, "reason");
    let unknown = format!("/v1/campaigns/{id}/recipients/ctc_01890a5d-ac96-774b-bcce-b302099a8057");
    api.post_empty(&format!("{unknown}/close")).await.assert_problem(404, "no such recipient");
}

#[tokio::test]
async fn only_an_unconfirmed_recipient_can_be_retried() {
    let api = TestApi::new().await;
    let id = api.started(2).await;
    let path = api.recipient_path(&id, "+573000000000").await;
    let retry = format!("{path}/retry");
    api.post_empty(&retry).await.assert_problem(409, "only who is unconfirmed");
    let key = claim(&api, &id).await;
    lose_response(&api, &key).await;
    let retried = api.post_empty(&retry).await.ok();
    assert_eq!((&retried["status"], &retried["attempt"]), (&json!("pending"), &json!(2)));
    assert_eq!(retried["failure_reason"], json!(null));
    api.post_empty(&retry).await.assert_problem(409, "The recipient is pending");
}

/// The first request retried the recipient and died before its answer. Meanwhile the second
/// message was sent, and its response was lost too.
#[tokio::test]
async fn a_repeated_request_does_not_retry_the_next_attempt() {
    let api = TestApi::new().await;
    let id = api.started(2).await;
    let key = claim(&api, &id).await;
    lose_response(&api, &key).await;
    let path = format!("{}/retry", api.recipient_path(&id, "+573000000000").await);
    api.advance(Duration::from_mins(1));
    let asked = idempotency::Request {
        key: idempotency::digest(&[b"again"]),
        fingerprint: idempotency::digest(&[b"POST", path.as_bytes(), b""]),
    };
    idempotency::store::begin(&api.table, &asked, api.clock.now()).await.unwrap();
    let found = store::get(&api.table, &key).await.unwrap().unwrap();
    api.table.update(store::retry_update(&key, &found, api.clock.now())).await.unwrap();
    api.advance(Duration::from_mins(10));
    claim_attempt(&api, &id, 2).await;
    lose_response_of(&api, &key, 2).await;

    let repeat = async || {
        let request = request(Method::POST, &path).header("idempotency-key", "again");
        api.send(request.body(Body::empty()).unwrap()).await
    };
    let answer = repeat().await.ok();
    assert_eq!((&answer["status"], &answer["attempt"]), (&json!("unconfirmed"), &json!(2)));
    repeat().await.assert_problem(409, "carried out before");
    // Another request means the attempt that it finds.
    let retried = api.post_empty(&path).await.ok();
    assert_eq!((&retried["status"], &retried["attempt"]), (&json!("pending"), &json!(3)));
}

#[tokio::test]
async fn a_recipient_of_a_cancelled_campaign_can_not_be_retried() {
    let api = TestApi::new().await;
    let id = api.started(2).await;
    let key = claim(&api, &id).await;
    lose_response(&api, &key).await;
    api.cancel(&id).await.ok();
    let path = api.recipient_path(&id, "+573000000000").await;
    api.post_empty(&format!("{path}/retry")).await.assert_problem(409, "cancelled");
}

#[tokio::test]
async fn an_export_escapes_formulas() {
    let api = TestApi::new().await;
    let id = api.campaign(json!({})).await;
    let file = "phone,name,status\n+573001234567,\"=HYPERLINK(\"\"http://x\"\")\",@x\n+573001234568,\"Pérez, \"\"Ana\"\"\",-1\n";
    api.upload_csv(&id, file).await.ok();
    let response = api.get(&format!("/v1/campaigns/{id}/recipients.csv")).await;
    assert_eq!(response.header("content-type"), Some("text/csv; charset=utf-8"));
    let disposition = format!("attachment; filename=\"{id}.csv\"");
    assert_eq!(response.header("content-disposition"), Some(disposition.as_str()));
    let mut lines: Vec<_> = response.text().split_terminator("\r\n").collect();
    assert_eq!(
        lines.remove(0),
        "contact_id,address,status,attempt,imported_at,sent_at,delivered_at,read_at,replied_at,closed_at,failed_at,failure_code,skip_reason,failure_reason,name,column.status"
    );
    lines.sort_unstable_by_key(|line| line.split(',').nth(1));
    assert!(lines[0].contains(",+573001234567,pending,1,2026-11-21T12:00:00"), "{}", lines[0]);
    assert!(lines[0].ends_with(",\"'=HYPERLINK(\"\"http://x\"\")\",'@x"), "{}", lines[0]);
    assert!(lines[1].ends_with(",\"Pérez, \"\"Ana\"\"\",'-1"), "{}", lines[1]);
}

#[tokio::test]
async fn an_export_holds_every_recipient() {
    let api = TestApi::new().await;
    let id = api.campaign(json!({})).await;
    api.upload_csv(&id, phones_csv(1200)).await.ok();
    let response = api.get(&format!("/v1/campaigns/{id}/recipients.csv")).await;
    assert_eq!(response.text().lines().count(), 1201);
}

#[tokio::test]
async fn only_a_pending_recipient_can_be_skipped() {
    let api = TestApi::new().await;
    let id = api.started(2).await;
    let path = api.recipient_path(&id, "+573000000000").await;
    let skip = format!("{path}/skip");
    for _ in 0..2 {
        let skipped = api.post_empty(&skip).await.ok();
        assert_eq!(skipped["status"], "skipped");
        assert_eq!(skipped["skip_reason"], "requested");
    }
    api.post_empty(&format!("{path}/close")).await.assert_problem(409, "only who was sent to");
}
