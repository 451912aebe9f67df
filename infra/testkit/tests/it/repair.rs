//! Repairs: wrong counters, unconfirmed recipients, dead letters.

use std::time::Duration;

use carillon::analytics::Tally;
use carillon::analytics::audit::{Audit, Watermark, audit};
use carillon::bulk::{self, Retried};
use carillon::campaign::{self, Campaign};
use carillon::delivery::SendMessage;
use carillon::ids::{RunId, uuid_of};
use carillon::recipient;
use carillon::table::{Key, Update};
use carillon_testkit::webhook_body::{status, statuses};
use carillon_testkit::{Response, World, contacts_csv};
use serde_json::json;
use whatsapp_simulator::Behaviour;

/// A campaign of which half is sent, an hour later.
async fn half_sent(world: &World) -> Campaign {
    let id = world.started_with(60, json!({"daily_send_limit": 30})).await;
    world.run_until_idle().await;
    let campaign = world.stored_campaign(&id).await;
    world.advance_hours(1, 1).await;
    campaign
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_repairs_counters_that_differ_from_a_recount() {
    let world = World::new().await;
    let campaign = half_sent(&world).await;
    let id = campaign.id.to_string();
    // The audits of that hour have left right counters alone.
    world.assert_counters_exact(&id).await;
    for (shard, amount) in [(0, 7), (5, -3)] {
        let key = Key::Counters { campaign: campaign.id, shard };
        let wrong = Update::of(&key).add("n_read", amount).add("n_pending", -amount);
        world.host.table().update(wrong).await.expect("stored");
    }
    let (counters, recount) = world.counters_and_recount(&id).await;
    assert_ne!(counters, recount);
    // The next audit is due.
    world.clock.advance(Duration::from_hours(12));
    world.advance_hours(1, 1).await;
    world.assert_counters_exact(&id).await;
    let days = world.analytics(&id).await;
    assert!(days.text.contains("\"sent\":30"), "{}", days.text);
}

/// The aggregator may be hours late: what it has not counted yet is not missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_does_not_repair_counters_that_are_late() {
    let world = World::new().await;
    let campaign = half_sent(&world).await;
    let (table, now) = (world.host.table(), world.clock.now() + Duration::from_hours(24));
    let audit_at = async |minute| {
        let now = now + Duration::from_mins(minute);
        audit(table, &campaign, 0, now).await.expect("audited")
    };
    assert_eq!(audit_at(0).await, Audit::Waits);
    world.host.wait_until_counted().await;
    // A change is counted between the watermark and the recount.
    let key = Key::Counters { campaign: campaign.id, shard: 0 };
    let counted = Update::of(&key).set("last_sequence", "999999999999999999999999999999");
    table.update(counted.add("n_read", 1)).await.expect("stored");
    assert_eq!(audit_at(1).await, Audit::Waits);
    // The next watermark is late: as if it had not been counted yet.
    world.host.wait_until_counted().await;
    table.update(Update::of(&key).set("watermark", "older")).await.expect("stored");
    assert_eq!(audit_at(2).await, Audit::Waits);
    world.host.wait_until_counted().await;
    let key_of_watermark = Key::Watermark { campaign: campaign.id, shard: 0 };
    let watermark: Option<Watermark> =
        table.get(&key_of_watermark).await.expect("the table answers");
    let watermark = watermark.expect("a watermark").id;
    table.update(Update::of(&key).set("watermark", &watermark)).await.expect("stored");
    // It arrives: the recount finds the difference, and one more watermark proves it.
    assert_eq!(audit_at(3).await, Audit::Waits);
    world.host.wait_until_counted().await;
    let missing = Tally([("n_read".to_owned(), -1)].into());
    assert_eq!(audit_at(4).await, Audit::Corrected { missing });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unconfirmed_recipient_of_a_completed_campaign_can_be_retried() {
    let mut behaviour = Behaviour::all_read();
    (behaviour.faults.server_error, behaviour.faults.server_error_code) = (1.0, 131_000);
    let world = World::with(behaviour).await;
    let campaign = world.started(1).await;
    world.run_until_idle().await;
    world.advance_hours(1, 5).await;
    let report = world.report(&campaign).await;
    assert_eq!((report.number("unconfirmed"), report.string("status")), (1, "completed".into()));
    world.simulator.set_behaviour(Behaviour::all_read());
    let contact = world.contact_id("+573000000000").await;
    let path = format!("/v1/campaigns/{campaign}/recipients/{contact}");
    world.post(&format!("{path}/retry"), &json!({})).await.expect(200);
    assert_eq!(world.report(&campaign).await.string("status"), "active");
    world.advance_hours(1, 5).await;
    let report = world.report(&campaign).await;
    assert_eq!((report.number("read"), report.string("status")), (1, "completed".into()));
}

/// A process froze between the check of the campaign and the write that makes a recipient pending.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_cancels_who_is_left_behind_by_a_completed_campaign() {
    let mut behaviour = Behaviour::all_read();
    (behaviour.faults.server_error, behaviour.faults.server_error_code) = (1.0, 131_000);
    let world = World::with(behaviour).await;
    let campaign = world.started(3).await;
    world.run_until_idle().await;
    world.advance_hours(1, 5).await;
    let report = world.report(&campaign).await;
    assert_eq!((report.number("unconfirmed"), report.string("status")), (3, "completed".into()));
    let (table, stored) = (world.host.table(), world.stored_campaign(&campaign).await);
    let found = world.stored_recipients(&campaign).await.remove(0);
    let (key, now) = (stored.recipients().key(found.contact), world.clock.now());
    let retried = table.update(recipient::store::retry_update(&key, &found, now)).await;
    retried.expect("the recipient is pending");
    world.advance_hours(1, 10).await;
    assert_eq!(world.report(&campaign).await.number("pending"), 1, "no audit is due yet");
    world.clock.advance(Duration::from_hours(12));
    world.advance_hours(1, 1).await;
    let report = world.report(&campaign).await;
    let counts = ["pending", "cancelled", "unconfirmed"].map(|status| report.number(status));
    assert_eq!(counts, [0, 1, 2], "{}", report.text);
    // One that looks at the campaign again cancels by itself.
    let found = world.stored_recipients(&campaign).await.remove(1);
    let key = stored.recipients().key(found.contact);
    let requeues =
        async || campaign::store::requeues(table, stored.id).await.expect("the table answers");
    let before = requeues().await.retried;
    let retried = bulk::retry(table, &key, &found, world.clock.now()).await;
    assert_eq!(retried.expect("the table answers"), Retried::CampaignOver);
    assert_eq!(requeues().await.retried, before + 1);
    world.host.wait_until_counted().await;
    let report = world.report(&campaign).await;
    let counts = ["pending", "cancelled", "unconfirmed"].map(|status| report.number(status));
    assert_eq!(counts, [0, 2, 1], "{}", report.text);
    assert_eq!(world.simulator.summary().accepted, 0);
    world.assert_counters_exact(&campaign).await;
}

/// A sender froze until another run had closed its batch, and then stopped for good.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_settles_a_claim_that_no_run_will_settle() {
    let world = World::silent().await;
    let campaign = world.started(3).await;
    world.run_until_idle().await;
    let batch = world.batches(&campaign).await.remove(0);
    world.upload(&campaign, contacts_csv(10..11)).await.expect(200);
    let stored = world.stored_campaign(&campaign).await;
    let mut left = world.stored_recipients(&campaign).await;
    left.retain(|one| one.status == recipient::Status::Pending);
    let key = stored.recipients().key(left.remove(0).contact);
    let now = world.clock.now();
    let by = (batch.name.batch_number(), RunId::from_uuid(uuid_of(now, &["a run"])));
    let claim = recipient::store::claim_update(&key, 1, by, now);
    world.host.table().update(claim).await.expect("the claim is won");
    world.advance_hours(1, 1).await;
    assert_eq!(world.report(&campaign).await.number("sending"), 1, "its sender may go on");
    world.clock.advance(Duration::from_hours(12));
    world.advance_hours(1, 1).await;
    let report = world.report(&campaign).await;
    let counts = ["sending", "unconfirmed", "sent"].map(|status| report.number(status));
    assert_eq!(counts, [0, 1, 3], "{}", report.text);
    world.assert_counters_exact(&campaign).await;
}

/// A backup knows nothing of the messages that were sent after it. Their statuses still come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_after_a_restore_from_a_backup_stops_a_second_message() {
    let world = World::silent().await;
    let campaign = world.started_with(6, json!({"daily_send_limit": 4})).await;
    let backup = world.items_containing("").await;
    world.run_until_idle().await;
    let sent = world.simulator.log();
    assert_eq!(sent.len(), 4);

    world.restore(backup).await;
    let (arrived, unknown) = sent.split_at(2);
    let reports = [status(&arrived[0], "sent"), status(&arrived[1], "read")];
    world.post_signed_webhook(statuses(&reports)).await.expect(200);
    // The queue remembers the restored batch and drops its message; the scheduler repeats it.
    world.tick().await;
    world.clock.advance(Duration::from_mins(15));
    world.run_until_idle().await;
    // Those of whom nothing is heard are sent to again: the restored table cannot know better.
    let log = world.simulator.log();
    let times = |to: &str| log.iter().filter(|one| one.to == to).count();
    assert!(arrived.iter().all(|one| times(&one.to) == 1), "{log:?}");
    assert_eq!(log.len(), 8);
    assert_eq!(unknown.len(), 2);
    let report = world.report(&campaign).await;
    assert_eq!((report.number("sent"), report.number("read")), (6, 1), "{}", report.text);
    world.assert_counters_exact(&campaign).await;
}

/// How many dead letters the queue has, and their reasons.
async fn dead_letters(world: &World) -> (u64, String) {
    let queue = world.get("/v1/queues").await.expect(200).items().remove(0);
    (queue["dead_letters"].as_u64().expect("a number"), queue["first_dead_letters"].to_string())
}

async fn redrive(world: &World) -> Response {
    world.post("/v1/queues/sends/redrive", &json!({})).await.expect(200)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_of_an_unknown_version_becomes_a_dead_letter_with_its_reason() {
    let world = World::new().await;
    world.host.enqueue_raw("{\"v\":9}").await.expect("enqueued");
    for _ in 0..500 {
        if dead_letters(&world).await.0 > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (count, reasons) = dead_letters(&world).await;
    assert!(count == 1 && reasons.contains("missing field"), "{count} {reasons}");
    let redriven = redrive(&world).await;
    assert_eq!((redriven.number("redriven"), redriven.number("dropped")), (0, 1));
    assert_eq!(dead_letters(&world).await.0, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redriven_batch_is_sent_and_a_closed_one_is_not_sent_again() {
    let mut behaviour = Behaviour::all_read();
    behaviour.faults.latency_ms = 1_000;
    let world = World::with(behaviour).await;
    let connection = world.connection().await;
    world.started_on(&connection, 0..3, json!({"speed": "slow"})).await;
    let campaign = world.started_on(&connection, 10..13, json!({"speed": "slow"})).await;
    // The second campaign's batch waits behind the first's, and its message is lost.
    world.tick().await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    world.host.purge_queues().await.expect("emptied");
    let batch = world.batches(&campaign).await.remove(0);
    let body = SendMessage::Batch(batch.name).to_body().expect("a body");
    let sends = world.host.send_queue();
    assert!(sends.send_to_dlq("one", &body, "the table was away").await.expect("a dead letter"));
    let (count, reasons) = dead_letters(&world).await;
    assert!(count == 1 && reasons.contains("the table was away"), "{count} {reasons}");
    let redriven = redrive(&world).await;
    assert_eq!(redriven.number("redriven"), 1, "{}", redriven.text);
    world.wait_until_idle().await;
    let report = world.report(&campaign).await;
    assert_eq!(report.number("sent"), 3, "{}", report.text);
    assert!(sends.send_to_dlq("two", &body, "again").await.expect("a dead letter"));
    let redriven = redrive(&world).await;
    assert_eq!(redriven.number("done_already"), 1, "{}", redriven.text);
    assert_eq!(world.simulator.summary().accepted, 6);
}
