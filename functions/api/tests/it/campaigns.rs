use std::time::Duration;

use serde_json::{Value, json};

use crate::fixture::{TestApi, campaign_body, id, merge, phones_csv};

#[tokio::test]
async fn a_draft_has_defaults() {
    let api = TestApi::new().await;
    let id = api.campaign(json!({})).await;
    let campaign = api.get(&format!("/v1/campaigns/{id}")).await.ok();
    for (field, value) in [
        ("status", json!("draft")),
        ("daily_send_limit", json!(250)),
        ("speed", json!("normal")),
        ("priority", json!(5)),
        ("timezone", json!("UTC")),
        ("message", json!({"type": "text", "text": {"body": "Hello", "preview_url": false}})),
    ] {
        assert_eq!(campaign[field], value, "{field}");
    }
    assert_eq!(api.stored_campaign(&id).await.shards, 8);
}

#[tokio::test]
async fn all_invalid_settings_are_listed_at_once() {
    let api = TestApi::new().await;
    let connection = api.connection().await;
    let mut body = campaign_body(&connection);
    merge(
        &mut body,
        &json!({
            "name": "", "daily_send_limit": 0, "priority": 11,
            "scheduled_start": "2026-11-20T12:00:00Z", "scheduled_end": "2026-11-19T12:00:00Z"
        }),
    );
    let response = api.post("/v1/campaigns", body).await;
    response.assert_problem(422, "daily_send_limit must be from 1 to 1000000");
    let fields = response.fields();
    for field in ["name", "daily_send_limit", "priority", "scheduled_start", "scheduled_end"] {
        assert!(fields.contains(&field.to_owned()), "{field} is not in {fields:?}");
    }
    assert!(response.detail().contains("scheduled_start is in the past"));
}

#[tokio::test]
async fn an_invalid_body_is_a_problem_that_names_the_field() {
    let api = TestApi::new().await;
    let connection = api.connection().await;
    let with = |more: Value| {
        let mut body = campaign_body(&connection);
        merge(&mut body, &more);
        body
    };
    for (more, field, words) in [
        (json!({"daily_send_limit": 1_000_000_000}), "daily_send_limit", "1 to 1000000"),
        (json!({"daily_send_limit": 10_000_000_000_u64}), "daily_send_limit", "not allowed"),
        (json!({"daily_send_limit": -1}), "daily_send_limit", "not allowed"),
        (json!({"daily_send_limit": "many"}), "daily_send_limit", "expected u32"),
        (json!({"speed": "warp"}), "speed", "`fast`, `normal`, `slow`"),
        (json!({"timezone": "Mars"}), "timezone", "America/Bogota"),
        (json!({"scheduled_start": "tomorrow"}), "scheduled_start", "scheduled_start"),
        (
            json!({"send_window": {"from": "25:00", "to": "26:00"}}),
            "send_window.from",
            "send_window.from",
        ),
        (json!({"message": {}}), "message.type", "is missing"),
        (json!({"message": {"type": "fax", "fax": {}}}), "message.fax", "expected template, text"),
        (
            json!({"message": {"type": "text", "text": {"body": ""}}}),
            "message.text.body",
            "must not be empty",
        ),
        (
            json!({"message": {"type": "text", "text": {"body": "Hi {name"}}}),
            "message",
            "not closed",
        ),
        (json!({"connection_id": "7"}), "connection_id", "expected an id like con_"),
        (json!({"audience": {}}), "audience", "is not a member"),
        (json!({"default_country": "Colombia"}), "default_country", "two-letter"),
    ] {
        let response = api.post("/v1/campaigns", with(more)).await;
        response.assert_problem(422, words);
        let found = response.fields();
        assert!(found[0].starts_with(field), "{field} is not {found:?}: {response:?}");
    }
}

#[tokio::test]
async fn an_unknown_connection_is_refused() {
    let api = TestApi::new().await;
    let body = campaign_body("con_01890a5d-ac96-774b-bcce-b302099a8057");
    let response = api.post("/v1/campaigns", body).await;
    response.assert_problem(422, "connection_id names no connection");
}

#[tokio::test]
async fn an_unknown_campaign_is_not_found() {
    let api = TestApi::new().await;
    let unknown = "cmp_01890a5d-ac96-774b-bcce-b302099a8057";
    for path in ["", "/report", "/plan", "/analytics", "/batches", "/recipients", "/recipients.csv"]
    {
        let response = api.get(&format!("/v1/campaigns/{unknown}{path}")).await;
        response.assert_problem(404, "no such campaign");
    }
    api.get("/v1/campaigns/7").await.assert_problem(404, "expected an id like cmp_");
    api.start(unknown).await.assert_problem(404, "campaign");
}

#[tokio::test]
async fn pages_together_hold_every_item_once() {
    let api = TestApi::new().await;
    let connection = api.connection().await;
    let mut made = Vec::new();
    for n in 0..5 {
        let mut body = campaign_body(&connection);
        body["name"] = json!(format!("Number {n}"));
        made.push(id(&api.post("/v1/campaigns", body).await.ok()));
        api.advance(Duration::from_secs(1));
    }
    api.upload_csv(&made[1], phones_csv(1)).await.ok();
    api.start(&made[1]).await.ok();
    api.cancel(&made[3]).await.ok();
    let expected: Vec<_> = made.iter().rev().cloned().collect();
    for limit in [1, 2, 3, 5, 500] {
        assert_eq!(
            ids_of_all_pages(&api, &format!("/v1/campaigns?limit={limit}")).await,
            expected,
            "{limit}"
        );
    }
    let drafts = ids_of_all_pages(&api, "/v1/campaigns?status=draft&limit=2").await;
    assert_eq!(drafts, [4, 2, 0].map(|n: usize| made[n].clone()));
    let oldest_first = ids_of_all_pages(&api, "/v1/campaigns?sort=created_at&limit=2").await;
    assert_eq!(oldest_first, made);
    let second = api.get(&format!("/v1/campaigns/{}", made[1])).await.ok();
    let since = second["created_at"].as_str().unwrap();
    for sort in ["created_at", "-created_at"] {
        let path = format!("/v1/campaigns?sort={sort}&created_after={since}&limit=1");
        let mut later = ids_of_all_pages(&api, &path).await;
        later.sort();
        assert_eq!(later, made[2..], "{sort}");
    }
    api.get("/v1/campaigns?sort=name").await.assert_problem(422, "sort");
    let counted = api.get("/v1/campaigns?include=counts&limit=1").await.ok();
    assert_eq!(counted["items"][0]["counts"]["recipients"], 0);
    let first = api.get("/v1/campaigns?limit=1").await.ok();
    let other_sort = first["next_cursor"].as_str().unwrap();
    let path = format!("/v1/campaigns?sort=created_at&cursor={other_sort}");
    api.get(&path).await.assert_problem(422, "cursor");
}

#[tokio::test]
async fn a_duplicate_is_a_draft_with_the_same_settings() {
    let api = TestApi::new().await;
    let start = "2026-11-22T09:00:00.000Z";
    let settings = json!({"name": "Spring", "priority": 2, "tag": "vip", "scheduled_start": start});
    let id = api.draft_with(2, settings).await;
    let made = api.post_empty(&format!("/v1/campaigns/{id}/duplicate")).await;
    assert_eq!(made.status, 201);
    let path = made.header("location").unwrap().to_owned();
    let copy = made.ok();
    assert_eq!(api.get(&path).await.ok(), copy);
    assert_eq!(copy["name"], "Spring (copy)");
    for member in ["priority", "tag", "message", "connection_id", "scheduled_start"] {
        assert_eq!(copy[member], api.get(&format!("/v1/campaigns/{id}")).await.ok()[member]);
    }
    let recipients = api.get(&format!("{path}/recipients")).await.ok();
    assert_eq!(recipients["items"], json!([]));
    api.advance(Duration::from_hours(24 * 30));
    let named = json!({"name": "Summer"});
    let later = api.post(&format!("/v1/campaigns/{id}/duplicate"), named).await.ok();
    assert_eq!((&later["name"], &later["scheduled_start"]), (&json!("Summer"), &json!(null)));
    let empty = json!({"name": ""});
    let refused = api.post(&format!("/v1/campaigns/{id}/duplicate"), empty).await;
    refused.assert_problem(422, "name");
}

async fn ids_of_all_pages(api: &TestApi, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = api.get(&format!("{path}&cursor={cursor}")).await.ok();
        found.extend(page["items"].as_array().unwrap().iter().map(id));
        match page["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return found,
        }
    }
}

#[tokio::test]
async fn invalid_cursors_limits_and_statuses_are_refused() {
    let api = TestApi::new().await;
    api.get("/v1/campaigns?cursor=x").await.assert_problem(422, "cursor is not one");
    api.get("/v1/campaigns?limit=0").await.assert_problem(422, "limit must be from 1 to 500");
    api.get("/v1/campaigns?limit=many").await.assert_problem(422, "limit");
    api.get("/v1/campaigns?status=lost").await.assert_problem(422, "status");
}

#[tokio::test]
async fn every_setting_of_a_draft_can_be_changed() {
    let api = TestApi::new().await;
    let id = api.campaign(json!({"tag": "spring"})).await;
    let path = format!("/v1/campaigns/{id}");
    let changes = json!({
        "name": "New", "tag": null, "message": {"type": "text", "text": {"body": "Bye"}}, "timezone": "America/Bogota",
        "send_window": {"from": "09:00", "to": "18:00"}, "daily_send_limit": 1000
    });
    let changed = api.patch(&path, changes).await.ok();
    assert_eq!(changed["name"], "New");
    assert_eq!(changed["tag"], json!(null));
    assert_eq!(changed["message"]["text"]["body"], "Bye");
    assert_eq!(changed["send_window"]["from"], "09:00:00");
    api.patch(&path, json!({"daily_send_limit": 0})).await.assert_problem(422, "daily_send_limit");
    api.patch(&path, json!({"status": "active"})).await.assert_problem(422, "can only be read");
    api.patch(&path, json!({"colour": "red"})).await.assert_problem(422, "is not a member");
}

#[tokio::test]
async fn some_settings_of_an_active_campaign_can_not_be_changed() {
    let api = TestApi::new().await;
    let id = api.started(2).await;
    let path = format!("/v1/campaigns/{id}");
    let changed = api.patch(&path, json!({"daily_send_limit": 500, "speed": "fast"})).await.ok();
    assert_eq!((&changed["daily_send_limit"], &changed["status"]), (&json!(500), &json!("active")));
    for (changes, field) in [
        (json!({"message": {"type": "text", "text": {"body": "Bye"}}}), "message"),
        (json!({"timezone": "America/Bogota"}), "timezone"),
        (json!({"scheduled_start": "2026-12-01T00:00:00Z"}), "scheduled_start"),
    ] {
        let response = api.patch(&path, changes).await;
        response.assert_problem(409, &format!("The campaign is active: {field} cannot be changed"));
    }
    api.post_empty(&format!("{path}/pause")).await.ok();
    api.patch(&path, json!({"scheduled_start": "2026-12-01T00:00:00Z"})).await.ok();
}

#[tokio::test]
async fn a_change_is_refused_only_for_passed_times_that_it_sets() {
    let api = TestApi::new().await;
    let (start, end) = ("2026-11-21T12:30:00.000Z", "2026-11-21T13:00:00.000Z");
    let id = api.campaign(json!({"scheduled_start": start, "scheduled_end": end})).await;
    let path = format!("/v1/campaigns/{id}");
    api.advance(Duration::from_hours(2));
    let changed = api.patch(&path, json!({"daily_send_limit": 500})).await.ok();
    assert_eq!(changed["daily_send_limit"], 500);
    assert_eq!(
        (&changed["scheduled_start"], &changed["scheduled_end"]),
        (&json!(start), &json!(end))
    );
    for (changes, words) in [
        (json!({"scheduled_start": "2026-11-21T12:45:00Z"}), "scheduled_start is in the past"),
        (json!({"scheduled_end": "2026-11-21T13:30:00Z"}), "scheduled_end is in the past"),
        (json!({"scheduled_start": "2026-11-22T12:00:00Z"}), "must be after scheduled_start"),
    ] {
        api.patch(&path, changes).await.assert_problem(422, words);
    }
    api.patch(&path, json!({"scheduled_end": "2026-11-21T18:00:00Z"})).await.ok();
}

#[tokio::test]
async fn concurrent_changes_of_different_settings_all_hold() {
    let api = TestApi::new().await;
    let id = api.campaign(json!({})).await;
    let path = format!("/v1/campaigns/{id}");
    let changes = [json!({"name": "A"}), json!({"tag": "b"}), json!({"priority": 1})];
    let patches = changes.map(|changes| api.patch(&path, changes));
    futures::future::join_all(patches).await.into_iter().for_each(|response| drop(response.ok()));
    let campaign = api.get(&path).await.ok();
    assert_eq!(
        (&campaign["name"], &campaign["tag"], &campaign["priority"]),
        (&json!("A"), &json!("b"), &json!(1))
    );
}

#[tokio::test]
async fn only_an_empty_draft_can_be_deleted() {
    let api = TestApi::new().await;
    let id = api.campaign(json!({})).await;
    let path = format!("/v1/campaigns/{id}");
    assert_eq!(api.delete(&path).await.status, 204);
    api.delete(&path).await.assert_problem(404, "no such campaign");
    let filled = draft_with_one(&api).await;
    let path = format!("/v1/campaigns/{filled}");
    api.delete(&path).await.assert_problem(409, "has recipients");
    api.post_empty(&format!("{path}/cancel")).await.ok();
    api.delete(&path).await.assert_problem(409, "The campaign is cancelled");
}

async fn draft_with_one(api: &TestApi) -> String {
    let connections = api.get("/v1/connections").await.ok();
    let connection = connections["items"][0]["id"].as_str().unwrap();
    let made = id(&api.post("/v1/campaigns", campaign_body(connection)).await.ok());
    api.upload_csv(&made, phones_csv(1)).await.ok();
    made
}

#[tokio::test]
async fn the_plan_forecasts_days_and_cost() {
    let api = TestApi::new().await;
    let id = api.campaign(json!({"daily_send_limit": 200, "message": {"type": "template", "template": {"name": "promo", "language": "es"}}})).await;
    let file = phones_csv(500) + "\n+4915123456789\n";
    api.upload_csv(&id, file).await.ok();
    let plan = api.get(&format!("/v1/campaigns/{id}/plan")).await.ok();
    let messages: Vec<_> =
        plan["forecast"]["days"].as_array().unwrap().iter().map(|day| &day["messages"]).collect();
    assert_eq!(messages, [200, 200, 101]);
    assert_eq!(plan["forecast"]["finish_date"], "2026-11-23");
    assert_eq!(plan["estimate"]["total"], json!({"amount": "6.25", "currency": "USD"}));
    assert_eq!(plan["estimate"]["unpriced"], json!([{"country": "DE", "recipients": 1}]));
    assert_eq!(plan["estimate"]["category_known"], false);
}

#[tokio::test]
async fn the_plan_gives_the_reason_why_a_campaign_waits() {
    let api = TestApi::new().await;
    let settings = json!({"send_window": {"from": "18:00", "to": "20:00"}});
    let id = api.draft_with(1, settings).await;
    api.start(&id).await.ok();
    let plan = api.get(&format!("/v1/campaigns/{id}/plan")).await.ok();
    let waiting = &plan["waiting"];
    assert_eq!(waiting["code"], "window_closed");
    assert_eq!(waiting["until"], "2026-11-21T18:00:00.000Z");
    assert_eq!(waiting["detail"], "send window closed, it opens at 18:00");
}

#[tokio::test]
async fn the_report_of_a_draft_gives_the_next_step() {
    let api = TestApi::new().await;
    let id = api.campaign(json!({})).await;
    let report = api.get(&format!("/v1/campaigns/{id}/report")).await.ok();
    assert_eq!((&report["status"], &report["recipients"]), (&json!("draft"), &json!(0)));
    assert_eq!(report["next_step"], "Add recipients, then start the campaign.");
    assert_eq!(api.get(&format!("/v1/campaigns/{id}/analytics")).await.ok()["items"], json!([]));
    assert_eq!(api.get(&format!("/v1/campaigns/{id}/batches")).await.ok()["items"], json!([]));
}

#[tokio::test]
async fn the_overview_shows_what_is_under_way() {
    let api = TestApi::new().await;
    let campaign = api.started(2).await;
    let overview = api.get("/v1/overview").await.ok();
    let expected = json!({"scheduled": 0, "active": 1, "paused": 0, "halted": 0});
    assert_eq!(overview["campaigns"], expected);
    assert_eq!(id(&overview["active"][0]), campaign);
    // Nobody counts here: the aggregator does.
    assert_eq!(overview["active"][0]["counts"]["recipients"], 0);
    assert_eq!(overview["connections"].as_array().unwrap().len(), 1);
    assert_eq!(overview["quota_groups"].as_array().unwrap().len(), 1);
    assert_eq!(overview["queue"], json!(null), "it cannot be reached here");
}
