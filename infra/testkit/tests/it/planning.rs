//! The scheduler on the real table: no recipient is planned twice, and the daily limit
//! holds, whatever happens between two runs.

use std::collections::HashSet;
use std::time::Duration;

use carillon::batch::{Batch, BatchStatus};
use carillon::campaign::store::{announce_upload, complete};
use carillon::contact;
use carillon::contact::store::{ClaimOf, Reservation, charge};
use carillon::ids::{RunId, uuid_of};
use carillon::quota::QuotaCharge;
use carillon::recipient::{self, RecipientKey};
use carillon::table::{Cancelled, StoreError, Table, Write};
use carillon::time::Timestamp;
use carillon_testkit::{World, contacts_csv};
use serde_json::{Value, json};
use whatsapp_simulator::{Behaviour, Delay};

/// A simulator slow enough that a test can interrupt a batch.
fn slow() -> Behaviour {
    let mut behaviour = Behaviour::all_read();
    behaviour.faults.latency_ms = 200;
    behaviour
}

/// [`World::started_with`], where the first plan sees the imported recipients counted.
async fn started_when_counted(world: &World, count: u32, settings: Value) -> String {
    let campaign = world.draft_with(count, settings).await;
    world.host.wait_until_counted().await;
    world.start(&campaign).await.expect(200);
    campaign
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recipients_of_an_open_batch_are_not_planned_again() {
    let mut behaviour = Behaviour::no_webhooks();
    behaviour.faults.latency_ms = 30_000;
    let world = World::builder().behaviour(behaviour).rate(1.0).build().await;
    let settings = json!({"daily_send_limit": 10_000, "speed": "slow"});
    let campaign = world.started_with(120, settings).await;
    // The provider doesn't answer, so the batch stays open.
    for _ in 0..4 {
        world.tick().await;
    }
    let batches = world.batches(&campaign).await;
    assert_eq!(batches.len(), 1, "{batches:#?}");
    assert_eq!((batches[0].size, batches[0].status), (120, BatchStatus::Open));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_is_planned_in_batches_of_250_that_do_not_overlap() {
    let world = World::silent().await;
    let campaign = started_when_counted(&world, 1_000, json!({"daily_send_limit": 900})).await;
    world.tick().await;
    let batches = world.batches(&campaign).await;
    let sizes: Vec<u32> = batches.iter().map(|batch| batch.size).collect();
    assert_eq!(sizes, [250, 250, 250, 150]);
    let mut contacts = HashSet::new();
    for batch in &batches {
        for recipient in world.recipients_in(batch).await {
            assert!(contacts.insert(recipient.contact), "a contact is in two batches");
        }
    }
    assert_eq!(contacts.len(), 900);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_schedulers_at_once_plan_once() {
    let world = World::silent().await;
    let campaign = world.started_with(600, json!({"daily_send_limit": 300})).await;
    tokio::join!(world.tick(), world.tick(), world.tick());
    world.wait_until_idle().await;
    assert_eq!(world.report(&campaign).await.number("sent"), 300);
    assert_eq!(world.simulator.summary().duplicates, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_due_after_the_cancellation_does_not_stay_pending() {
    let mut behaviour = Behaviour::no_webhooks();
    behaviour.webhooks.enabled = true;
    behaviour.outcomes.failed = 1.0;
    behaviour.outcomes.failure_codes = vec![131_049];
    behaviour.delays.sent = Delay::fixed(0);
    let world = World::with(behaviour).await;
    let campaign = world.started(3).await;
    world.run_until_idle().await;
    world.cancel(&campaign).await.expect(200);
    world.advance_hours(60, 120).await;
    let report = world.report(&campaign).await;
    assert_eq!(report.number("pending"), 0, "{}", report.text);
    assert_eq!(report.number("recipients"), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_closed_early_counts_what_an_earlier_run_sent() {
    let world = World::builder().behaviour(slow()).rate(2.0).build().await;
    let campaign = started_when_counted(&world, 300, json!({"daily_send_limit": 100})).await;
    world.tick().await;
    world.wait_until_accepted(40).await;
    // The run hands the rest back, and the next run finds the campaign paused.
    let paused = world.pause(&campaign).await;
    let world = world.restart().await;
    paused.expect(200);
    world.wait_until_idle().await;
    world.resume(&campaign).await.expect(200);
    for _ in 0..4 {
        world.run_until_idle().await;
    }
    let log = world.simulator.summary();
    assert_eq!((log.accepted, log.duplicates), (100, 0), "the daily limit holds");
    let report = world.report(&campaign).await;
    assert_eq!(report.number("sending"), 0, "{}", report.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recipient_erased_after_sending_still_counts_for_the_daily_limit() {
    let world = World::builder().behaviour(slow()).rate(2.0).build().await;
    let settings = json!({"daily_send_limit": 60, "speed": "normal"});
    started_when_counted(&world, 300, settings).await;
    world.tick().await;
    world.wait_until_accepted(50).await;
    // The latest are in the shard in which the batch ends.
    let mut erased = 0;
    for entry in world.simulator.log().iter().rev().take(20) {
        erased += u32::from(world.erase(&entry.to).await.status == 200);
    }
    assert!(erased > 5, "{erased} were erased");
    // The run hands the rest back, and the next run counts what it has sent.
    let world = world.restart().await;
    for _ in 0..4 {
        world.run_until_idle().await;
    }
    let log = world.simulator.summary();
    assert_eq!((log.accepted, log.duplicates), (60, 0), "the daily limit holds");
}

/// Claims the first attempt of a recipient, as a sender does.
async fn claim(
    table: &Table,
    key: &RecipientKey,
    batch: &Batch,
    now: Timestamp,
) -> Result<(), StoreError> {
    let by = (batch.name.batch_number(), RunId::from_uuid(uuid_of(now, &["a run"])));
    let recipient = recipient::store::claim_update(key, 1, by, now);
    let (first, earliest) = (ClaimOf::First(key.campaign), now - Duration::from_secs(8));
    let claimed = contact::store::claim_update(key.contact, first, now, earliest);
    let quota_group = batch.quota_group.as_deref();
    let reservation = Reservation { quota_group, bucket: batch.bucket };
    let contact = charge(claimed, QuotaCharge::New { sent_at: None }, reservation);
    table.transact(vec![Write::Update(recipient), Write::Update(contact)]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_is_won_once_and_settled_when_its_batch_is_closed() {
    let world = World::silent().await;
    let campaign = started_when_counted(&world, 3, json!({})).await;
    world.host.drain_senders();
    world.tick().await;
    // A sender claims a recipient of the batch and dies.
    let table = world.host.table();
    let batch = world.batches(&campaign).await.remove(0);
    let contact = world.recipients_in(&batch).await.remove(0).contact;
    let key = world.stored_campaign(&campaign).await.recipients().key(contact);
    let now = world.clock.now();
    claim(table, &key, &batch, now).await.expect("the claim is won");
    // Another sender loses it, also after the pair interval.
    let lost = claim(table, &key, &batch, now + Duration::from_mins(1)).await;
    let Err(StoreError::Cancelled(reasons)) = lost else { panic!("{lost:?}") };
    assert!(matches!(reasons[..], [Cancelled::Condition(_), _]), "{reasons:?}");
    world.cancel(&campaign).await.expect(200);
    let world = world.restart().await;
    world.advance_hours(1, 10).await;
    let report = world.report(&campaign).await;
    assert_eq!(
        (report.number("unconfirmed"), report.number("cancelled"), report.number("sending")),
        (1, 2, 0),
        "{}",
        report.text
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_is_not_completed_during_an_upload() {
    let world = World::silent().await;
    let campaign = world.started(3).await;
    world.run_until_idle().await;
    world.clock.advance(Duration::from_mins(10));
    let seen = world.stored_campaign(&campaign).await;
    // An upload starts after the scheduler has read the campaign.
    let (table, until) = (world.host.table(), world.clock.now() + Duration::from_mins(2));
    announce_upload(table, seen.id, until).await.expect("announced");
    let completed = complete(table, &seen, world.clock.now()).await;
    assert!(!completed.expect("the table answers"));
    world.upload(&campaign, contacts_csv(10..12)).await.expect(200);
    world.advance_hours(2, 20).await;
    let report = world.report(&campaign).await;
    assert_eq!((report.number("sent"), report.string("status")), (5, "completed".to_owned()));
}
