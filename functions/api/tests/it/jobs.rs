use std::time::Duration;

use carillon::job;
use carillon::jobs::{Launcher, Worker};
use serde_json::{Value, json};

use crate::fixture::{TestApi, id};

/// Works all open jobs, as the function for them does.
async fn work(api: &TestApi) {
    let worker = Worker::new(api.table.clone(), api.clock.clone(), Launcher::closed());
    for job in job::store::each_open(&api.table).await.unwrap() {
        let deadline = api.clock.now() + Duration::from_mins(15);
        worker.run(job.unwrap().id, deadline).await.unwrap();
    }
}

async fn statuses(api: &TestApi, campaign: &str) -> Vec<String> {
    let list = api.get(&format!("/v1/campaigns/{campaign}/recipients?limit=500")).await.ok();
    let items = list["items"].as_array().unwrap();
    items.iter().map(|one| one["status"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn many_recipients_are_skipped_after_a_dry_run_has_counted_them() {
    let api = TestApi::new().await;
    let campaign = api.draft_with(130, json!({})).await;
    let path = format!("/v1/campaigns/{campaign}/recipients/bulk");
    let dry = api.post(&path, json!({"action": "skip", "dry_run": true})).await;
    assert_eq!(dry.status, 202, "{dry:?}");
    let address = dry.header("location").unwrap().to_owned();
    let queued = dry.ok();
    assert_eq!(address, format!("/v1/jobs/{}", id(&queued)));
    assert_eq!((&queued["status"], &queued["result"]), (&json!("queued"), &Value::Null));
    work(&api).await;
    let counted = api.get(&address).await.ok();
    assert_eq!(counted["status"], "completed");
    assert_eq!(counted["result"], json!({"matched": 130, "changed": 0}));
    assert_eq!(counted["progress"]["done"], 130);
    assert_eq!(counted["created_by"], "the admin key");
    assert!(statuses(&api, &campaign).await.iter().all(|status| status == "pending"));

    let body = json!({"action": "skip", "filter": {"status": ["pending"]}});
    let job = id(&api.post(&path, body).await.ok());
    work(&api).await;
    let done = api.get(&format!("/v1/jobs/{job}")).await.ok();
    assert_eq!(done["result"], json!({"matched": 130, "changed": 130}));
    assert!(statuses(&api, &campaign).await.iter().all(|status| status == "skipped"));
    assert!(job::store::each_open(&api.table).await.unwrap().is_empty());
    let listed = api.get("/v1/jobs?status=completed").await.ok();
    let ids: Vec<String> = listed["items"].as_array().unwrap().iter().map(id).collect();
    assert_eq!(ids, [job, id(&queued)], "newest first");
}

#[tokio::test]
async fn a_job_that_is_worked_twice_at_the_same_time_counts_once() {
    let api = TestApi::new().await;
    let campaign = api.draft_with(300, json!({})).await;
    let path = format!("/v1/campaigns/{campaign}/recipients/bulk");
    let job = id(&api.post(&path, json!({"action": "skip"})).await.ok());
    tokio::join!(work(&api), work(&api));
    work(&api).await;
    let done = api.get(&format!("/v1/jobs/{job}")).await.ok();
    assert_eq!(done["result"], json!({"matched": 300, "changed": 300}));
}

#[tokio::test]
async fn a_cancelled_job_does_nothing_more() {
    let api = TestApi::new().await;
    let campaign = api.draft_with(3, json!({})).await;
    let path = format!("/v1/campaigns/{campaign}/recipients/bulk");
    let job = format!("/v1/jobs/{}", id(&api.post(&path, json!({"action": "skip"})).await.ok()));
    let cancelled = api.post_empty(&format!("{job}/cancel")).await.ok();
    assert_eq!(cancelled["status"], "cancelled");
    assert_eq!(cancelled["result"], json!({"matched": 0, "changed": 0}));
    work(&api).await;
    assert_eq!(statuses(&api, &campaign).await, ["pending"; 3]);
    assert_eq!(api.post_empty(&format!("{job}/cancel")).await.ok(), cancelled, "it stays so");
    let unknown = "/v1/jobs/job_01890a5d-ac96-774b-bcce-b302099a8057";
    api.post_empty(&format!("{unknown}/cancel")).await.assert_problem(404, "no such job");
    api.get(unknown).await.assert_problem(404, "no such job");
}

#[tokio::test]
async fn an_action_takes_only_the_statuses_it_can_be_done_with() {
    let api = TestApi::new().await;
    let campaign = api.draft_with(1, json!({})).await;
    let path = format!("/v1/campaigns/{campaign}/recipients/bulk");
    for (body, words) in [
        (
            json!({"action": "close", "filter": {"status": ["pending"]}}),
            "filter.status has pending",
        ),
        (json!({"action": "skip", "filter": {"status": []}}), "one status at least"),
        (json!({"action": "skip", "filter": {"status": ["lost"]}}), "filter.status"),
        (json!({"action": "send"}), "action"),
        (json!({"dry_run": true}), "action"),
    ] {
        api.post(&path, body).await.assert_problem(422, words);
    }
    api.post_empty(&format!("/v1/campaigns/{campaign}/cancel")).await.ok();
    let retry = api.post(&path, json!({"action": "retry"})).await;
    retry.assert_problem(409, "cancelled");
}

#[tokio::test]
async fn who_was_added_after_a_job_is_left_alone() {
    let api = TestApi::new().await;
    let campaign = api.draft_with(2, json!({})).await;
    let path = format!("/v1/campaigns/{campaign}/recipients/bulk");
    let job = id(&api.post(&path, json!({"action": "skip"})).await.ok());
    api.advance(std::time::Duration::from_secs(1));
    api.upload_csv(&campaign, "phone\n+573009999999").await.ok();
    work(&api).await;
    let done = api.get(&format!("/v1/jobs/{job}")).await.ok();
    assert_eq!(done["result"], json!({"matched": 2, "changed": 2}));
    let pending = api.get(&format!("/v1/campaigns/{campaign}/recipients?status=pending")).await;
    assert_eq!(pending.ok()["items"][0]["address"], "+573009999999");
}

#[tokio::test]
async fn a_campaign_is_not_taken_up_again_for_nobody() {
    let api = TestApi::new().await;
    let campaign = api.started(2).await;
    let path = format!("/v1/campaigns/{campaign}/recipients/bulk");
    api.post(&path, json!({"action": "skip"})).await.ok();
    work(&api).await;
    // As the scheduler does after a pass that has met nobody.
    let mut stored = api.stored_campaign(&campaign).await;
    stored.walk.requeues =
        carillon::campaign::store::requeues(&api.table, stored.id).await.unwrap();
    assert!(
        carillon::campaign::store::complete(&api.table, &stored, api.clock.now()).await.unwrap()
    );
    let retry = id(&api.post(&path, json!({"action": "retry"})).await.ok());
    work(&api).await;
    let done = api.get(&format!("/v1/jobs/{retry}")).await.ok();
    assert_eq!((&done["status"], &done["result"]["matched"]), (&json!("completed"), &json!(0)));
    assert_eq!(api.get(&format!("/v1/campaigns/{campaign}")).await.ok()["status"], "completed");
}
