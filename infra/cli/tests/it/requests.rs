//! Which requests the commands send, against a stub.

use serde_json::{Value, json};

use crate::stub::{Reply, Stub};

fn list(items: &Value) -> Value {
    json!({ "items": items, "next_cursor": null })
}

#[tokio::test]
async fn a_change_is_sent_on_condition_that_nobody_else_was_first() {
    let stub = Stub::start([
        Reply("GET /v1/campaigns/cmp_1", 200, json!({ "id": "cmp_1", "status": "active" })),
        Reply("POST /v1/campaigns/cmp_1/pause", 200, json!({ "status": "paused" })),
        Reply("PATCH /v1/campaigns/cmp_1", 412, json!({ "title": "Changed", "remedy": "ETag." })),
        Reply("DELETE /v1/campaigns/cmp_1", 204, Value::Null),
    ])
    .await;
    assert_eq!(stub.text("campaigns pause cmp_1").await, "The campaign is paused.\n");
    let pause = stub.requests().remove(1);
    assert_eq!(pause.if_match.as_deref(), Some("\"tag-1\""));
    assert!(pause.idempotency_key.is_some());

    let (code, _, stderr) = stub.run("campaigns update cmp_1 --name New").await;
    assert!(code == 5 && stderr.contains("Somebody has changed it"), "{code} {stderr}");
    let update = stub.requests().remove(1);
    assert_eq!((update.body, update.if_match.is_some()), (json!({ "name": "New" }), true));

    assert_eq!(stub.text("campaigns delete cmp_1 --yes").await, "Deleted.\n");
    assert_eq!(stub.requests()[1].if_match.as_deref(), Some("\"tag-1\""));
}

#[tokio::test]
async fn a_start_in_live_mode_asks() {
    let stub = Stub::start([
        Reply("GET /v1/me", 200, json!({ "mode": "live" })),
        Reply("GET /v1/campaigns/cmp_1", 200, json!({ "id": "cmp_1", "status": "draft" })),
        Reply("POST /v1/campaigns/cmp_1/start", 200, json!({ "status": "active" })),
    ])
    .await;
    let (code, _, stderr) = stub.run("campaigns start cmp_1").await;
    assert!(code == 2 && stderr.contains("--yes"), "{code} {stderr}");
    assert_eq!(stub.lines(), ["GET /v1/me"]);
    for deliberate in ["--yes", "--expect-recipients 3"] {
        let line = format!("campaigns start cmp_1 {deliberate}");
        assert_eq!(stub.text(&line).await, "The campaign is active.\n");
    }
}

#[tokio::test]
async fn a_request_is_repeated_with_the_same_key() {
    let busy = || json!({ "title": "Busy" });
    let stub = Stub::start([
        Reply("POST /v1/keys", 503, busy()),
        Reply("POST /v1/keys", 201, json!({ "id": "key_1", "key": "secret" })),
        Reply("GET /v1/me", 503, busy()),
    ])
    .await;
    assert!(stub.text("keys create reports --scope read").await.contains("secret"));
    let requests = stub.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests[0].idempotency_key.is_some());
    assert_eq!(requests[0].idempotency_key, requests[1].idempotency_key);
    let (code, _, _) = stub.run("whoami").await;
    assert_eq!((code, stub.requests().len()), (7, 5));
}

#[tokio::test]
async fn a_list_has_all_pages_or_as_many_items_as_wanted() {
    let page = |id: &str, next: Value| json!({ "items": [{ "id": id }], "next_cursor": next });
    let stub = Stub::start([
        Reply("GET /v1/jobs?limit=100&cursor=", 200, page("job_2", Value::Null)),
        Reply("GET /v1/jobs?status=running&status=queued&limit=1", 200, page("job_1", json!("c"))),
        Reply("GET /v1/jobs?limit=100", 200, page("job_1", json!("c"))),
    ])
    .await;
    let all = stub.text("jobs list --json").await;
    assert_eq!(all, "{\"items\":[{\"id\":\"job_1\"},{\"id\":\"job_2\"}],\"next_cursor\":null}\n");
    let one = stub.text("jobs list --limit 1 --status running --status queued --json").await;
    assert_eq!(one, "{\"items\":[{\"id\":\"job_1\"}],\"next_cursor\":\"c\"}\n");
}

#[tokio::test]
async fn recipients_are_changed_in_bulk_by_a_job() {
    let job = |status: &str, done: u64| {
        json!({ "id": "job_1", "status": status, "error": null,
            "progress": { "done": done, "total": 3, "unit": "recipients" },
            "result": { "matched": 3, "changed": done } })
    };
    let stub = Stub::start([
        Reply("POST /v1/campaigns/cmp_1/recipients/bulk", 202, job("queued", 0)),
        Reply("GET /v1/jobs/job_1", 200, job("running", 1)),
        Reply("GET /v1/jobs/job_1", 200, job("completed", 3)),
    ])
    .await;
    let bulk = "recipients bulk skip --campaign cmp_1 --status pending";
    let (code, _, stderr) = stub.run(bulk).await;
    assert!(code == 2 && stderr.contains("--yes"), "{code} {stderr}");
    assert!(stub.requests().is_empty());
    assert_eq!(stub.text(&format!("{bulk} --yes")).await, "3 of 3 recipients changed.\n");
    let body = &stub.requests()[0].body;
    let filter = json!({ "status": ["pending"] });
    assert_eq!(*body, json!({ "filter": filter, "action": "skip", "dry_run": false }));
    assert_eq!(stub.text(&format!("{bulk} --dry-run")).await, "3 recipients match.\n");
    assert_eq!(stub.requests()[0].body["dry_run"], true);
}

#[tokio::test]
async fn a_failed_job_has_its_exit_code() {
    let failed = json!({ "id": "job_1", "status": "failed",
        "error": { "code": "internal", "detail": "the table is gone" } });
    let stub = Stub::start([Reply("GET /v1/jobs/job_1", 200, failed)]).await;
    let (code, _, stderr) = stub.run("jobs watch job_1").await;
    assert!(code == 8 && stderr.contains("the table is gone"), "{code} {stderr}");
}

#[tokio::test]
async fn retrying_an_unconfirmed_recipient_is_confirmed() {
    let recipient = |status: &str| json!({ "contact_id": "ctc_1", "status": status });
    let path = "POST /v1/campaigns/cmp_1/recipients/ctc_1/retry";
    let stub = Stub::start([
        Reply("GET /v1/campaigns/cmp_1/recipients/ctc_1", 200, recipient("unconfirmed")),
        Reply(path, 200, recipient("pending")),
    ])
    .await;
    let (code, _, stderr) = stub.run("recipients retry ctc_1 --campaign cmp_1").await;
    assert!(code == 2 && stderr.contains("a second one"), "{code} {stderr}");
    assert_eq!(stub.requests().len(), 1);
    let text = stub.text("recipients retry ctc_1 --campaign cmp_1 --yes").await;
    assert_eq!(text, "The recipient is pending.\n");
}

#[tokio::test]
async fn an_address_travels_in_a_body_only() {
    let stub = Stub::start([
        Reply("POST /v1/contacts/search", 200, list(&json!([{ "id": "ctc_77" }]))),
        Reply("POST /v1/suppressions", 201, json!({ "id": "sup_blacklisted_77" })),
        Reply("GET /v1/suppressions/sup_blacklisted_77", 200, json!({ "reason": "blacklisted" })),
        Reply("DELETE /v1/suppressions/sup_blacklisted_77", 204, Value::Null),
        Reply("GET /v1/suppressions?reason=opted_out", 200, list(&json!([]))),
    ])
    .await;
    stub.text("suppressions add +573001234567").await;
    assert_eq!(stub.requests()[0].body, json!({ "address": "+573001234567" }));
    stub.text("suppressions remove +573001234567 --yes").await;
    stub.text("suppressions list --reason opted_out").await;
    let lines = stub.lines();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(lines.iter().all(|line| !line.contains("57300")), "{lines:?}");
}

#[tokio::test]
async fn events_are_printed_until_there_are_no_more() {
    let event = json!({ "id": "evt_1", "type": "campaign.started", "data": {},
        "created_at": "2026-12-01T09:00:00.000Z", "subject": { "type": "campaign", "id": "cmp_1" } });
    let page = |items: Value, next: &str, has_more: bool| json!({ "items": items, "next_cursor": next, "has_more": has_more });
    let path = "GET /v1/events?type=campaign.started&subject=cmp_1";
    // A page may be empty and still not the last.
    let stub = Stub::start([
        Reply(format!("{path}&cursor=b").leak(), 200, page(json!([event]), "c", false)),
        Reply(format!("{path}&cursor=a").leak(), 200, page(json!([]), "b", true)),
        Reply(path, 200, page(json!([]), "a", true)),
    ])
    .await;
    let tail = "events tail --type campaign.started --subject cmp_1";
    assert_eq!(stub.text(tail).await, "2026-12-01 09:00  campaign.started            cmp_1\n");
    let json = stub.text(&format!("{tail} --json")).await;
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), event);
}

#[tokio::test]
async fn what_an_operator_reads_is_shown() {
    let overview = json!({ "campaigns": { "draft": 0, "active": 1, "halted": 0 }, "halted": [],
        "active": [{ "id": "cmp_1", "name": "Spring", "counts": { "sent": 1200 } }],
        "connections": [], "quota_groups": [{ "name": "shop", "limit": 2000, "free": 800 }] });
    let record = json!({ "id": "aud_1", "key_name": "reports", "operation": "getContact" });
    let stub = Stub::start([
        Reply("GET /v1/overview", 200, overview),
        Reply("GET /v1/quota-groups/my%20shop", 200, json!({ "name": "my shop" })),
        Reply(
            "GET /v1/audit-log?key_id=key_1&created_after=2026-12-01T00%3A00%3A00.000Z",
            200,
            list(&json!([record])),
        ),
        Reply("POST /v1/campaigns/cmp_1/duplicate", 201, json!({ "id": "cmp_2" })),
        Reply(
            "GET /v1/campaigns/cmp_1/history",
            200,
            list(&json!([{ "type": "campaign.created" }])),
        ),
        Reply("GET /v1/campaigns?include=counts", 200, list(&json!([{ "counts": { "read": 7 } }]))),
        Reply("POST /v1/jobs/job_1/cancel", 200, json!({ "status": "cancelled" })),
        Reply("GET /v1/jobs/job_1", 200, json!({ "status": "running" })),
    ])
    .await;
    let overview = stub.text("overview").await;
    for part in ["Campaigns: 1 active.", "1,200", "24H LIMIT", "2,000"] {
        assert!(overview.contains(part), "{part} is missing: {overview}");
    }
    let (code, _, _) = stub.run("quota-groups list").await;
    assert_eq!(code, 3);
    let log = stub.text("audit-log list --key-id key_1 --since 2026-12-01").await;
    assert!(log.contains("getContact"), "{log}");
    assert!(stub.text("campaigns duplicate cmp_1 --name Again").await.contains("cmp_2"));
    assert!(stub.text("campaigns history cmp_1").await.contains("campaign.created"));
    assert!(stub.text("campaigns list --counts").await.contains('7'));
    assert!(stub.text("jobs cancel job_1 --yes").await.contains("cancelled"));
}
