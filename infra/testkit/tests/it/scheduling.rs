//! What the scheduler does with a run: nobody waits for the fault, the conflict or the long work
//! of somebody else.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use carillon::analytics::Tally;
use carillon::campaign;
use carillon::campaign::store::announce_upload;
use carillon::quota;
use carillon::recipient::{
    self, CancelReason, Decision, Recipient, RetryCause, Settlement, Status, WaitsFor,
};
use carillon::table::{Key, Update};
use carillon_testkit::{FaultRates, World, contacts_csv, phone, wa_id};
use serde_json::{Value, json};
use whatsapp_simulator::{Behaviour, ForcedError, ReportedBy};

/// A world whose simulator accepts every message, behind fault proxies.
async fn with_proxies() -> World {
    let builder = World::builder().behaviour(Behaviour::no_webhooks());
    builder.rate(1.0).faults(FaultRates::default()).build().await
}

async fn sent(world: &World, campaign: &str) -> u64 {
    world.report(campaign).await.number("sent")
}

/// Sets an attribute of a stored item.
async fn set(world: &World, key: &Key, name: &str, value: Value) {
    let update = Update::of(key).set(name, value);
    world.host.table().update(update).await.expect("stored");
}

// One fault concerns one campaign.

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_that_cannot_be_read_stops_no_other_one() {
    let world = World::silent().await;
    let connection = world.connection().await;
    let broken = world.started_on(&connection, 0..3, json!({})).await;
    let others = [
        world.started_on(&connection, 10..13, json!({})).await,
        world.started_on(&connection, 20..23, json!({})).await,
    ];
    let key = Key::Campaign(world.stored_campaign(&broken).await.id);
    set(&world, &key, "priority", json!("high")).await;
    let failed = world.host.run_scheduler().await.expect_err("a part of the run failed");
    assert!(failed.to_string().contains("can't be read"), "{failed}");
    world.wait_until_idle().await;
    for campaign in &others {
        assert_eq!(sent(&world, campaign).await, 3);
    }
    set(&world, &key, "priority", json!(5)).await;
    world.run_until_idle().await;
    assert_eq!(sent(&world, &broken).await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_cannot_be_read_stops_no_campaign() {
    let world = World::silent().await;
    world.host.drain_senders();
    let campaign = world.started(3).await;
    world.tick().await;
    let batch = world.batches(&campaign).await.remove(0);
    let name = batch.name;
    let key = Key::Batch { campaign: name.campaign, date: name.date, number: name.number };
    set(&world, &key, "size", json!("many")).await;
    let connection = world.stored_campaign(&campaign).await.settings.connection_id.to_string();
    let other = world.started_on(&connection, 10..13, json!({})).await;
    world.host.run_scheduler().await.expect_err("a part of the run failed");
    assert_eq!(world.batches(&other).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_without_a_provider_stops_no_other_one() {
    let world = World::silent().await;
    let lost = world.connection().await;
    world.started_on(&lost, 0..3, json!({})).await;
    let provider = World::sender("800000000000002", "900000000000002");
    let connection = world.connection_with(json!({ "provider": provider })).await;
    let other = world.started_on(&connection, 10..13, json!({})).await;
    let key = Key::Connection(lost.parse().expect("an id"));
    set(&world, &key, "provider", json!({"type": "nobody"})).await;
    world.host.run_scheduler().await.expect_err("a part of the run failed");
    world.host.run_scheduler().await.expect_err("a part of the run failed");
    world.wait_until_idle().await;
    assert_eq!(sent(&world, &other).await, 3);
    assert_eq!(world.simulator.summary().accepted, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_that_fails_stops_no_other_campaign() {
    let world = with_proxies().await;
    let connection = world.connection().await;
    let broken = world.started_on(&connection, 0..3, json!({})).await;
    let other = world.started_on(&connection, 10..13, json!({})).await;
    let cancelled = world.started_on(&connection, 20..23, json!({})).await;
    let job = {
        let path = format!("/v1/campaigns/{other}/recipients/bulk");
        world.post(&path, &json!({"action": "close"})).await.expect(202).string("id")
    };
    world.cancel(&cancelled).await.expect(200);
    let table = &world.proxies().table;
    table.break_requests_with(Some(&broken));
    world.host.run_scheduler().await.expect_err("a part of the run failed");
    table.break_requests_with(None);
    world.wait_until_idle().await;
    assert_eq!((sent(&world, &other).await, sent(&world, &broken).await), (3, 0));
    assert_eq!(world.report(&cancelled).await.number("cancelled"), 3);
    let done = world.get(&format!("/v1/jobs/{job}")).await.expect(200);
    assert_eq!(done.body["status"], "completed", "{}", done.text);
    world.run_until_idle().await;
    assert_eq!(sent(&world, &broken).await, 3);
}

/// `CARILLON_SWEPT`, 4,000 by default.
#[expect(clippy::disallowed_methods, reason = "the environment sets the number")]
fn swept_recipients() -> u32 {
    std::env::var("CARILLON_SWEPT").ok().and_then(|text| text.parse().ok()).unwrap_or(4_000)
}

/// A run that has little time plans all the same. What takes long goes on from run to run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_sweep_holds_up_no_batch() {
    let world = World::silent().await;
    let connection = world.connection().await;
    let settings = json!({"daily_send_limit": 10});
    let count = swept_recipients();
    let swept = world.campaign(&connection, settings).await;
    for first in (0..count).step_by(2_500) {
        let contacts = contacts_csv(first..count.min(first + 2_500));
        world.upload(&swept, contacts).await.expect(200);
    }
    world.cancel(&swept).await.expect(200);
    let other = world.draft_on(&connection, 50_000..50_010, json!({})).await;
    world.start(&other).await.expect(200);
    // No time is left: the batch is released, and no more.
    world.host.run_scheduler_for(Duration::ZERO).await.expect("the scheduler runs");
    assert_eq!(world.batches(&other).await.len(), 1);
    world.wait_until_idle().await;
    assert_eq!(sent(&world, &other).await, 10);
    // By a clock that runs fast, so much time is a fraction of what the sweep takes.
    let mut runs = 0;
    loop {
        runs += 1;
        let time = Duration::from_secs(15);
        world.host.run_scheduler_for(time).await.expect("the scheduler runs");
        if world.report(&swept).await.number("cancelled") == u64::from(count) {
            break;
        }
        assert!(runs < 200, "the sweep goes on from run to run");
    }
    assert!(runs > 1, "one run did all");
    // By the sweep: whom it leaves behind, an audit cancels up to half a day later.
    let reason = CancelReason::CampaignCancelled.text();
    let cancelled = world.stored_recipients(&swept).await;
    assert!(cancelled.iter().all(|one| one.reason.as_deref() == Some(reason)));
}

// Conflicts.

/// Somebody else changes the campaign, and the quota, while the planner creates a batch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_planner_goes_on_in_the_same_run_after_a_conflict() {
    let world = with_proxies().await;
    let campaign = world.draft_with(600, json!({"daily_send_limit": 600})).await;
    world.host.wait_until_counted().await;
    world.start(&campaign).await.expect(200);
    world.host.drain_senders();
    let (table, proxy) = (world.host.table(), &world.proxies().table);
    let id = world.stored_campaign(&campaign).await.id;
    let group = world.stored_quota_group(&campaign).await;
    let mut held = proxy.hold("TransactWriteItems", "BATCH#");
    let interfere = async {
        held.arrived().await;
        let until = world.clock.now() + Duration::from_secs(1);
        announce_upload(table, id, until).await.expect("announced");
        held.release();
        let mut held = proxy.hold("TransactWriteItems", "BATCH#");
        held.arrived().await;
        quota::store::set_limit(table, &group, Some(50_000)).await.expect("set");
        held.release();
    };
    tokio::join!(world.tick(), interfere);
    let sizes: Vec<u32> = world.batches(&campaign).await.iter().map(|one| one.size).collect();
    assert_eq!(sizes, [250, 250, 100]);
}

/// The first recipient, whose attempt a webhook reports as failed: it waits for a retry.
async fn fail_by_webhook(world: &World, campaign: &str) -> Recipient {
    let stored = world.stored_campaign(campaign).await;
    let recipient = world.stored_recipients(campaign).await.remove(0);
    let key = stored.recipients().key(recipient.contact);
    let now = world.clock.now();
    let reason = "it failed".to_owned();
    let (waits_for, cause) = (WaitsFor::Retry, RetryCause::Refused);
    let decision = Decision::Retry { not_before: now, waits_for, reason, cause };
    let settlement = Settlement { decision, code: Some(1), at: now, spent: None };
    let table = world.host.table();
    let settled = recipient::store::settle(table, &key, recipient.attempt, &settlement).await;
    assert!(settled.expect("the table answers"));
    recipient
}

/// A campaign of which all is sent, and which the next run completes.
async fn all_sent(world: &World, recipients: u32) -> String {
    let campaign = world.started_with(recipients, json!({})).await;
    world.run_until_idle().await;
    campaign
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_while_the_campaign_is_being_completed_is_retried() {
    let world = with_proxies().await;
    let campaign = all_sent(&world, 3).await;
    let id = world.stored_campaign(&campaign).await.id;
    let mut held = world.proxies().table.hold("TransactWriteItems", "REQUEUES");
    let interfere = async {
        held.arrived().await;
        fail_by_webhook(&world, &campaign).await;
        let is_met = campaign::store::requeue(world.host.table(), id).await;
        assert!(is_met.expect("the table answers"));
        held.release();
    };
    tokio::join!(world.tick(), interfere);
    assert_eq!(world.stored_campaign(&campaign).await.status, campaign::Status::Active);
    world.run_until_idle().await;
    assert_eq!(world.simulator.summary().accepted, 4);
    world.tick().await;
    let report = world.report(&campaign).await;
    assert_eq!((report.number("sent"), report.string("status")), (3, "completed".to_owned()));
}

/// The count of requeues comes after the failure. In between, the walk may begin.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_is_retried_wherever_the_walk_is_when_it_is_counted() {
    let world = with_proxies().await;
    let campaign = all_sent(&world, 3).await;
    let id = world.stored_campaign(&campaign).await.id;
    let table = world.host.table();
    // The walk has read the recipients: its progress is about to be stored.
    let mut held = world.proxies().table.hold("PutItem", "exhausted_at");
    let interfere = async {
        held.arrived().await;
        fail_by_webhook(&world, &campaign).await;
        held.release();
        // The completion is about to be stored.
        let mut held = world.proxies().table.hold("TransactWriteItems", "REQUEUES");
        held.arrived().await;
        assert!(campaign::store::requeue(table, id).await.expect("the table answers"));
        held.release();
    };
    tokio::join!(world.tick(), interfere);
    for _ in 0..3 {
        world.run_until_idle().await;
    }
    let report = world.report(&campaign).await;
    assert_eq!((report.number("sent"), report.string("status")), (3, "completed".to_owned()));
    assert_eq!(world.simulator.summary().accepted, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_after_the_completion_is_known_to_be_too_late() {
    let world = with_proxies().await;
    let campaign = all_sent(&world, 3).await;
    world.tick().await;
    let stored = world.stored_campaign(&campaign).await;
    assert_eq!(stored.status, campaign::Status::Completed);
    let is_met = campaign::store::requeue(world.host.table(), stored.id).await;
    assert!(!is_met.expect("the table answers"));
}

/// The recipient was stored as pending after the pass of the walk that found nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_that_the_walk_has_not_met_keeps_the_campaign_from_being_completed() {
    let world = World::silent().await;
    let campaign = all_sent(&world, 3).await;
    let (table, seen) = (world.host.table(), world.stored_campaign(&campaign).await);
    assert!(campaign::store::requeue(table, seen.id).await.expect("the table answers"));
    let completed = campaign::store::complete(table, &seen, world.clock.now()).await;
    assert!(!completed.expect("the table answers"));
}

/// Webhooks report failures all the time, many more than a tenth of what is sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_by_webhook_do_not_slow_a_fast_lane() {
    let world = World::builder().behaviour(Behaviour::no_webhooks()).build().await;
    let campaign = world.draft_with(1_600, json!({"daily_send_limit": 100})).await;
    world.host.wait_until_counted().await;
    world.start(&campaign).await.expect(200);
    world.run_until_idle().await;
    world.host.drain_senders();
    let path = format!("/v1/campaigns/{campaign}");
    world.patch(&path, &json!({"daily_send_limit": 1_600})).await.expect(200);
    let id = world.stored_campaign(&campaign).await.id;
    let planned = AtomicBool::new(false);
    let failures = async {
        let mut failures = 0;
        while !planned.load(Ordering::Relaxed) {
            let is_met = campaign::store::requeue(world.host.table(), id).await;
            failures += u32::from(is_met.expect("the table answers"));
        }
        failures
    };
    let plan = async {
        world.tick().await;
        planned.store(true, Ordering::Relaxed);
    };
    let (failures, ()) = tokio::join!(failures, plan);
    let batches = world.batches(&campaign).await;
    let sizes: Vec<u32> = batches.iter().map(|one| one.size).skip(1).collect();
    assert_eq!(sizes, [250; 6], "with {failures} failures in between");
}

// Retries and late additions go first.

/// Errors of the first attempts at some contacts.
fn fail_once(behaviour: &mut Behaviour, contacts: &[u32], code: u32, reported_by: ReportedBy) {
    for number in contacts {
        let error = ForcedError { code, times: Some(1), reported_by };
        behaviour.faults.forced.insert(wa_id(*number), error);
    }
}

/// Contacts that were sent to so far.
fn reached(world: &World) -> Vec<String> {
    world.simulator.log().iter().map(|entry| entry.to.clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_of_the_first_day_does_not_wait_for_the_end_of_the_list() {
    let mut behaviour = Behaviour::no_webhooks();
    fail_once(&mut behaviour, &(0..2_000).collect::<Vec<_>>(), 131_056, ReportedBy::Response);
    let world = World::builder().behaviour(behaviour).build().await;
    let campaign = world.draft_with(2_000, json!({"daily_send_limit": 100})).await;
    world.host.wait_until_counted().await;
    world.start(&campaign).await.expect(200);
    world.run_until_idle().await;
    let waiting: Vec<_> = world.stored_recipients(&campaign).await;
    let waiting: Vec<_> = waiting.into_iter().filter(|one| one.attempt == 2).collect();
    assert!(!waiting.is_empty(), "some failed");
    // A stop in between loses none.
    let world = world.restart().await;
    for _ in 0..3 {
        world.clock.advance(Duration::from_mins(1));
        world.run_until_idle().await;
    }
    let recipients = world.stored_recipients(&campaign).await;
    for first in &waiting {
        let found = recipients.iter().find(|one| one.contact == first.contact).expect("it exists");
        assert_eq!(found.status, Status::Sent, "{found:?}");
    }
    let log = world.simulator.summary();
    assert_eq!((log.accepted, log.duplicates), (100, 0), "the daily limit holds");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_beyond_the_daily_limit_waits_for_the_next_day_with_a_reason() {
    let mut behaviour = Behaviour::all_read();
    fail_once(&mut behaviour, &(0..600).collect::<Vec<_>>(), 131_016, ReportedBy::Webhook);
    let world = World::with(behaviour).await;
    let campaign = world.draft_with(600, json!({"daily_send_limit": 50})).await;
    world.host.wait_until_counted().await;
    world.start(&campaign).await.expect(200);
    world.run_until_idle().await;
    let first: Vec<_> = world.stored_recipients(&campaign).await;
    let first: Vec<_> = first.into_iter().filter(|one| one.attempt == 2).collect();
    assert_eq!(first.len(), 50);
    world.clock.advance(Duration::from_mins(10));
    world.run_until_idle().await;
    let report = world.report(&campaign).await;
    assert_eq!(report.body["waiting"]["code"], "daily_limit", "{}", report.text);
    assert_eq!(report.body["waiting_by_reason"], json!({"retry": 50}), "{}", report.text);
    world.clock.advance(Duration::from_hours(24));
    world.run_until_idle().await;
    let recipients = world.stored_recipients(&campaign).await;
    let is_read = |one: &&Recipient| one.status == Status::Read;
    let read: Vec<_> = recipients.iter().filter(is_read).map(|one| one.contact).collect();
    let first: Vec<_> = first.iter().map(|one| one.contact).collect();
    assert_eq!(read, first, "the retries go first");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_added_behind_the_walk_goes_before_the_rest_of_the_list() {
    let world = World::silent().await;
    // These are known for longer than anybody on the list.
    let connection = world.connection().await;
    world.draft_on(&connection, 2_000..2_020, json!({})).await;
    let settings = json!({"daily_send_limit": 100});
    let campaign = world.draft_on(&connection, 0..1_000, settings).await;
    world.host.wait_until_counted().await;
    world.start(&campaign).await.expect(200);
    // Four days: the walk is not at its end.
    for _ in 0..4 {
        world.run_until_idle().await;
        world.clock.advance(Duration::from_hours(24));
    }
    let passed = world.stored_campaign(&campaign).await.walk.passed;
    world.upload(&campaign, contacts_csv(2_000..2_040)).await.expect(200);
    let stored = world.stored_campaign(&campaign).await;
    let recipients = world.stored_recipients(&campaign).await;
    let mut behind = Vec::new();
    for number in 2_000..2_040 {
        let contact = world.contact_id(&phone(number)).await.parse().expect("an id");
        let key = stored.recipients().key(contact);
        if passed.are_after(&key) {
            behind.push(contact);
        }
    }
    assert_eq!(behind.len(), 20, "the walk has passed those who were known");
    assert_eq!(recipients.len(), 1_040);
    world.run_until_idle().await;
    for contact in behind {
        let key = stored.recipients().key(contact);
        let found = recipient::store::get(world.host.table(), &key).await;
        let found = found.expect("the table answers").expect("it exists");
        assert_eq!(found.status, Status::Sent, "{found:?}");
    }
    assert_eq!(reached(&world).len(), 500, "the daily limit holds");
}

// The audit, and the end.

/// Makes a counter of a campaign wrong.
async fn make_wrong(world: &World, campaign: &str) {
    let campaign = world.stored_campaign(campaign).await.id;
    let key = Key::Counters { campaign, shard: 0 };
    let wrong = Update::of(&key).add("n_read", 7);
    world.host.table().update(wrong).await.expect("stored");
}

async fn difference(world: &World, campaign: &str) -> (Tally, Tally) {
    world.counters_and_recount(campaign).await
}

/// Advances the clock and runs the scheduler each minute for an hour.
async fn hour_after(world: &World, hours: u64) {
    world.clock.advance(Duration::from_hours(hours));
    world.advance_hours(1, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_sees_campaigns_of_every_status() {
    let mut behaviour = Behaviour::no_webhooks();
    // Five people in a row are refused for the same reason.
    fail_once(&mut behaviour, &[20, 21, 22, 23, 24], 131_009, ReportedBy::Response);
    let world = World::with(behaviour).await;
    let connection = world.connection().await;
    let settings = json!({"daily_send_limit": 3});
    let halted = world.started_on(&connection, 20..25, json!({"daily_send_limit": 10})).await;
    let paused = world.started_on(&connection, 0..6, settings.clone()).await;
    let again = world.started_on(&connection, 10..16, settings).await;
    world.run_until_idle().await;
    world.pause(&paused).await.expect(200);
    world.pause(&again).await.expect(200);
    let start = (world.clock.now() + Duration::from_hours(100)).to_string();
    let path = format!("/v1/campaigns/{again}");
    world.patch(&path, &json!({ "scheduled_start": start })).await.expect(200);
    world.resume(&again).await.expect(200);
    assert_eq!(world.report(&again).await.string("status"), "scheduled");
    assert_eq!(world.report(&halted).await.string("status"), "halted");
    hour_after(&world, 0).await;
    for campaign in [&paused, &again, &halted] {
        make_wrong(&world, campaign).await;
        let (counters, recount) = difference(&world, campaign).await;
        assert_ne!(counters, recount);
    }
    hour_after(&world, 12).await;
    for campaign in [&paused, &again, &halted] {
        world.assert_counters_exact(campaign).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_is_audited_until_30_days_after_its_end() {
    let world = World::silent().await;
    let campaign = world.started(3).await;
    world.run_until_idle().await;
    hour_after(&world, 0).await;
    assert_eq!(world.report(&campaign).await.string("status"), "completed");
    for days in [6, 8] {
        hour_after(&world, days * 24).await;
        make_wrong(&world, &campaign).await;
        hour_after(&world, 7 * 24).await;
        world.assert_counters_exact(&campaign).await;
    }
    hour_after(&world, 3 * 24).await;
    let turn = Key::AuditTurn(world.stored_campaign(&campaign).await.id);
    let left: Option<Value> = world.host.table().get(&turn).await.expect("the table answers");
    assert_eq!(left, None, "nobody audits it any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_completes_as_soon_as_its_last_message_is_settled() {
    let world = World::builder().rate(1.0).build().await;
    let campaign = world.started(3).await;
    world.run_until_idle().await;
    world.tick().await;
    let report = world.report(&campaign).await;
    assert_eq!((report.number("read"), report.string("status")), (3, "completed".to_owned()));
}

/// An upload that is still under way is waited for, although another one has ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_one_upload_is_not_the_end_of_another() {
    let world = World::builder().rate(1.0).build().await;
    let campaign = world.started(3).await;
    let (table, now) = (world.host.table(), world.clock.now());
    let id = world.stored_campaign(&campaign).await.id;
    announce_upload(table, id, now + Duration::from_mins(2)).await.expect("announced");
    world.upload(&campaign, contacts_csv(10..12)).await.expect(200);
    for _ in 0..3 {
        world.run_until_idle().await;
    }
    assert_eq!(world.report(&campaign).await.string("status"), "active");
    world.clock.advance(Duration::from_mins(3));
    world.run_until_idle().await;
    world.tick().await;
    let report = world.report(&campaign).await;
    assert_eq!((report.number("read"), report.string("status")), (5, "completed".to_owned()));
}
