use carillon::contact::Counting;
use carillon::delivery::retry::Decision;
use carillon::recipient::store::{self, Place};
use serde_json::json;

use crate::stage::{Stage, file_of};

const PHONE: &str = "+573001234567";

/// Claims a recipient as a sender does.
async fn claim(stage: &Stage, campaign: &str) -> Place {
    let place = Place::of(campaign.parse().unwrap(), &PHONE.parse().unwrap(), 8);
    let now = stage.clock.now();
    let claiming = store::Claiming {
        attempt: 1,
        batch: "2026-11-21#1",
        now,
        counting: Counting::New,
        portfolio: "p",
        bucket: 0,
    };
    store::claim(&stage.table, &place, &claiming).await.unwrap();
    place
}

#[tokio::test]
async fn lists_go_page_by_page() {
    let stage = Stage::set().await;
    let id = stage.campaign(json!({})).await;
    stage.csv(&id, file_of(60)).await.ok();
    let mut seen = std::collections::BTreeSet::new();
    let mut cursor = String::new();
    let mut pages = 0;
    loop {
        let path = format!("/v1/campaigns/{id}/recipients?status=pending&limit=7&cursor={cursor}");
        let page = stage.get(&path).await.ok();
        for recipient in page["items"].as_array().unwrap() {
            assert!(seen.insert(recipient["contact"].as_str().unwrap().to_owned()));
        }
        pages += 1;
        match page["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    assert_eq!((seen.len(), pages), (60, 9));
    let none = stage.get(&format!("/v1/campaigns/{id}/recipients?status=read")).await.ok();
    assert_eq!(none, json!({"items": []}));
    let strange = format!("/v1/campaigns/{id}/recipients?cursor=bm90aGluZw");
    stage.get(&strange).await.is_problem(422, "cursor");
}

#[tokio::test]
async fn a_lead_is_closed_once_it_was_sent_to() {
    let stage = Stage::set().await;
    let id = stage.active().await;
    let path = format!("/v1/campaigns/{id}/recipients/%2B573001234567");
    let close = json!({"action": "close"});
    stage.patch(&path, close.clone()).await.is_problem(409, "The recipient is pending");
    let place = claim(&stage, &id).await;
    store::settle_accepted(&stage.table, &place, 1, "wamid.1", None).await.unwrap();
    let closed = stage.patch(&path, close.clone()).await.ok();
    assert_eq!(closed["status"], "closed");
    assert!(closed["closed_at"].is_string());
    assert_eq!(stage.patch(&path, close).await.ok()["status"], "closed");
    stage.patch(&path, json!({"action": "open"})).await.is_problem(422, "action");
    let stranger = format!("/v1/campaigns/{id}/recipients/573009999999");
    stage.patch(&stranger, json!({"action": "close"})).await.is_problem(404, "no such recipient");
}

#[tokio::test]
async fn only_the_unconfirmed_are_retried() {
    let stage = Stage::set().await;
    let id = stage.active().await;
    let path = format!("/v1/campaigns/{id}/recipients/573001234567");
    let retry = json!({"action": "retry"});
    stage.patch(&path, retry.clone()).await.is_problem(409, "only who is unconfirmed");
    let place = claim(&stage, &id).await;
    let lost = Decision::Unconfirmed { reason: "the answer was lost".to_owned() };
    let ending = store::Ending { decision: &lost, code: None, at: stage.clock.now(), spent: None };
    store::settle_refused(&stage.table, &place, 1, ending).await.unwrap();
    let retried = stage.patch(&path, retry.clone()).await.ok();
    assert_eq!((&retried["status"], &retried["attempt"]), (&json!("pending"), &json!(2)));
    assert_eq!(retried.get("reason"), None);
    stage.patch(&path, retry).await.is_problem(409, "The recipient is pending");
}

#[tokio::test]
async fn a_campaign_that_is_over_retries_nobody() {
    let stage = Stage::set().await;
    let id = stage.active().await;
    let place = claim(&stage, &id).await;
    let lost = Decision::Unconfirmed { reason: "the answer was lost".to_owned() };
    let ending = store::Ending { decision: &lost, code: None, at: stage.clock.now(), spent: None };
    store::settle_refused(&stage.table, &place, 1, ending).await.unwrap();
    stage.tell(&format!("/v1/campaigns/{id}/cancel")).await.ok();
    let path = format!("/v1/campaigns/{id}/recipients/573001234567");
    stage.patch(&path, json!({"action": "retry"})).await.is_problem(409, "cancelled");
}

#[tokio::test]
async fn an_export_is_safe_to_open() {
    let stage = Stage::set().await;
    let id = stage.campaign(json!({})).await;
    let file = "phone,name,status\n+573001234567,\"=HYPERLINK(\"\"http://x\"\")\",@x\n+573001234568,\"Pérez, \"\"Ana\"\"\",-1\n";
    stage.csv(&id, file).await.ok();
    let answer = stage.get(&format!("/v1/campaigns/{id}/recipients.csv")).await;
    assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8"));
    let disposition = format!("attachment; filename=\"{id}.csv\"");
    assert_eq!(answer.header("content-disposition"), Some(disposition.as_str()));
    let mut lines: Vec<_> = answer.text().split_terminator("\r\n").collect();
    assert_eq!(
        lines.remove(0),
        "contact,status,attempt,imported_at,sent_at,delivered_at,read_at,replied_at,closed_at,failed_at,code,reason,name,column.status"
    );
    lines.sort_unstable();
    assert!(lines[0].starts_with("+573001234567,pending,1,2026-11-21T12:00:00"), "{}", lines[0]);
    assert!(lines[0].ends_with(",\"'=HYPERLINK(\"\"http://x\"\")\",'@x"), "{}", lines[0]);
    assert!(lines[1].ends_with(",\"Pérez, \"\"Ana\"\"\",'-1"), "{}", lines[1]);
}

#[tokio::test]
async fn an_export_has_everyone() {
    let stage = Stage::set().await;
    let id = stage.campaign(json!({})).await;
    stage.csv(&id, file_of(1200)).await.ok();
    let answer = stage.get(&format!("/v1/campaigns/{id}/recipients.csv")).await;
    assert_eq!(answer.text().lines().count(), 1201);
}
