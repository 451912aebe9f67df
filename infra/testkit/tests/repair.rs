//! What the scheduler finds and mends.

use std::time::Duration;

use carillon::analytics::audit::{Audit, audit};
use carillon::analytics::{self, Tally};
use carillon::campaign::Campaign;
use carillon::delivery::SendMessage;
use carillon::table::{Key, Update};
use carillon_testkit::{World, contacts_csv};
use serde_json::json;
use whatsapp_simulator::Behaviour;

async fn stored(world: &World, campaign: &str) -> Campaign {
    let id = campaign.parse().expect("an id");
    let found = carillon::campaign::store::get(world.host.table(), id).await;
    found.expect("the table answers").expect("is there")
}

async fn is_right(world: &World, campaign: &Campaign) -> bool {
    world.host.wait_until_counted().await;
    let table = world.host.table();
    let mut counted = analytics::store::read(table, campaign.id, campaign.shards)
        .await
        .expect("the table answers");
    counted.0.retain(|name, _| !name.starts_with("d_"));
    let recounted = analytics::store::recount(table, campaign).await.expect("the table answers");
    counted == recounted
}

/// A campaign of which half is sent, at rest.
async fn at_rest(world: &World) -> Campaign {
    let connection = world.connection().await;
    let id = world.campaign(&connection, json!({"daily_send_limit": 30})).await;
    world.upload(&id, contacts_csv(0, 60)).await.expect(200);
    world.act(&id, "start").await.expect(200);
    world.settle().await;
    stored(world, &id).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_that_differ_from_a_recount_are_mended() {
    let world = World::new().await;
    let campaign = at_rest(&world).await;
    world.pass(1, 1).await;
    assert!(is_right(&world, &campaign).await, "an audit leaves right counters alone");
    // Wrong in two shards, up and down, and an audit is due again.
    for (shard, amount) in [(0, 7), (5, -3)] {
        let key = Key::Counters { campaign: campaign.id, shard };
        let wrong = Update::of(&key).add("n_read", amount).add("n_pending", -amount);
        world.host.table().update(wrong).await.expect("stored");
    }
    assert!(!is_right(&world, &campaign).await);
    world.clock.advance(Duration::from_hours(12));
    for _ in 0..60 {
        world.clock.advance(Duration::from_mins(1));
        world.settle().await;
    }
    assert!(is_right(&world, &campaign).await);
    let days = world.get(&format!("/v1/campaigns/{}/analytics", campaign.id)).await.expect(200);
    assert!(days.text.contains("\"sent\":30"), "{}", days.text);
}

/// The aggregator may be hours late: what it hasn't counted yet is not missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_that_are_late_are_not_mended() {
    let world = World::new().await;
    let campaign = at_rest(&world).await;
    world.pass(1, 1).await;
    let (table, now) = (world.host.table(), world.clock.now() + Duration::from_hours(24));
    let minute = |number: u64| now + Duration::from_secs(60 * number);
    assert_eq!(audit(table, &campaign, 0, now).await.expect("audited"), Audit::Waits);
    world.host.wait_until_counted().await;
    // Something is counted between the mark and the recount.
    let key = Key::Counters { campaign: campaign.id, shard: 0 };
    let counted = Update::of(&key).set("last_sequence", "999999999999999999999999999999");
    table.update(counted.add("n_read", 1)).await.expect("stored");
    assert_eq!(audit(table, &campaign, 0, minute(1)).await.expect("audited"), Audit::Waits);
    // The next mark doesn't come through.
    table.update(Update::of(&key).set("mark", "older")).await.expect("stored");
    assert_eq!(audit(table, &campaign, 0, minute(2)).await.expect("audited"), Audit::Waits);
    world.host.wait_until_counted().await;
    let mark: analytics::audit::Mark =
        table.get(&Key::Mark { campaign: campaign.id, shard: 0 }).await.unwrap().unwrap();
    table.update(Update::of(&key).set("mark", &mark.mark)).await.expect("stored");
    // Now it has: the recount finds the difference, and one more mark proves it.
    assert_eq!(audit(table, &campaign, 0, minute(3)).await.expect("audited"), Audit::Waits);
    world.host.wait_until_counted().await;
    let missing = Tally([("n_read".to_owned(), -1)].into());
    let mended = audit(table, &campaign, 0, minute(4)).await.expect("audited");
    assert_eq!(mended, Audit::Mended { missing });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unconfirmed_recipient_of_a_completed_campaign_can_be_sent_to_again() {
    let world = World::new().await;
    let mut behaviour = world.simulator.behaviour();
    (behaviour.faults.server_error, behaviour.faults.server_error_code) = (1.0, 131_000);
    world.simulator.set_behaviour(behaviour.clone());
    let connection = world.connection().await;
    let id = world.campaign(&connection, json!({})).await;
    world.upload(&id, contacts_csv(0, 1)).await.expect(200);
    world.act(&id, "start").await.expect(200);
    world.settle().await;
    world.pass(1, 5).await;
    let report = world.report(&id).await;
    assert_eq!((report.number("unconfirmed"), report.string("status")), (1, "completed".into()));
    behaviour.faults.server_error = 0.0;
    world.simulator.set_behaviour(behaviour);
    let path = format!("/v1/campaigns/{id}/recipients/%2B573000000000");
    world.request("PATCH", &path, Some(&json!({"action": "retry"}))).await.expect(200);
    assert_eq!(world.report(&id).await.string("status"), "active");
    world.pass(1, 5).await;
    let report = world.report(&id).await;
    assert_eq!((report.number("read"), report.string("status")), (1, "completed".into()));
}

/// How many messages lie among the failures, and why.
async fn failures(world: &World) -> (u64, String) {
    let queues = world.get("/v1/queues").await.expect(200);
    let listed: serde_json::Value = serde_json::from_str(&queues.text).expect("JSON");
    let failures = listed["items"][0]["failures"].to_string();
    (listed["items"][0]["failed"].as_u64().unwrap_or(0), failures)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_no_version_understands_is_laid_aside_with_the_reason() {
    let world = World::new().await;
    world.host.enqueue_raw("{\"v\":9}").await.expect("on the queue");
    for _ in 0..500 {
        if failures(&world).await.0 > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (failed, why) = failures(&world).await;
    assert!(failed == 1 && why.contains("missing field"), "{failed} {why}");
    let outcome = world.post("/v1/queues/sends/redrive", &json!({})).await.expect(200);
    assert_eq!((outcome.number("redriven"), outcome.number("dropped")), (0, 1));
    assert_eq!(failures(&world).await.0, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_was_laid_aside_is_brought_back() {
    let mut behaviour = Behaviour::all_read();
    behaviour.faults.latency_ms = 1_000;
    let world = World::builder().behaviour(behaviour).build().await;
    let connection = world.connection().await;
    let mut campaigns = Vec::new();
    for first in [0, 10] {
        let id = world.campaign(&connection, json!({"speed": "slow"})).await;
        world.upload(&id, contacts_csv(first, 3)).await.expect(200);
        world.act(&id, "start").await.expect(200);
        campaigns.push(stored(&world, &id).await);
    }
    // The second campaign's batch waits behind the first's, and its message is lost.
    world.host.run_scheduler().await.expect("the scheduler runs");
    tokio::time::sleep(Duration::from_millis(200)).await;
    world.host.purge_queues().await.expect("emptied");
    let table = world.host.table();
    let batches = carillon::campaign::store::batches(table, campaigns[1].id, None).await;
    let batch = batches.expect("the table answers").remove(0);
    let body = SendMessage::Batch(batch.name).to_body().expect("a body");
    assert!(
        world.host.send_queue().lay_aside("one", &body, "the table was away").await.expect("laid")
    );
    let (failed, why) = failures(&world).await;
    assert!(failed == 1 && why.contains("the table was away"), "{failed} {why}");
    let outcome = world.post("/v1/queues/sends/redrive", &json!({})).await.expect(200);
    assert_eq!(outcome.number("redriven"), 1, "{}", outcome.text);
    world.quiet().await;
    let report = world.report(&campaigns[1].id.to_string()).await;
    assert_eq!(report.number("sent"), 3, "{}", report.text);
    // What is done is not done again.
    assert!(world.host.send_queue().lay_aside("two", &body, "again").await.expect("laid aside"));
    let outcome = world.post("/v1/queues/sends/redrive", &json!({})).await.expect(200);
    assert_eq!(outcome.number("done_already"), 1, "{}", outcome.text);
    assert_eq!(world.simulator.summary().accepted, 6);
}
