//! The scheduler over the real table: nobody is planned twice, whatever happens
//! between two of its runs.

use std::collections::HashSet;

use carillon::plan::{Batch, BatchStatus};
use carillon::recipient::store::walk;
use carillon_testkit::{World, contacts_csv};
use serde_json::json;
use whatsapp_simulator::Behaviour;

async fn batches(world: &World, campaign: &str) -> Vec<Batch> {
    let id = campaign.parse().expect("an id");
    let batches = carillon::campaign::store::batches(world.host.table(), id, None).await;
    batches.expect("the table answers")
}

/// The contacts in a batch's range, who may be in no other open batch.
async fn range(world: &World, batch: &Batch) -> Vec<String> {
    let (after, until) = (batch.after.as_ref(), Some(&batch.until));
    let campaign = batch.name.campaign;
    let mut cursor = after.cloned();
    let mut contacts = Vec::new();
    loop {
        let page = walk(world.host.table(), campaign, 8, cursor.as_ref(), until, 500).await;
        let (page, next) = page.expect("the table answers");
        contacts.extend(page.iter().map(|recipient| recipient.contact.as_str().to_owned()));
        if next.is_none() {
            return contacts;
        }
        cursor = next;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_that_are_still_open_are_not_planned_again() {
    let mut behaviour = Behaviour::no_webhooks();
    behaviour.faults.latency_ms = 30_000;
    let world = World::builder().behaviour(behaviour).rate(1.0).build().await;
    let connection = world.connection().await;
    let settings = json!({"daily_send_limit": 10_000, "speed": "slow"});
    let campaign = world.campaign(&connection, settings).await;
    world.upload(&campaign, contacts_csv(0, 120)).await.expect(200);
    world.act(&campaign, "start").await.expect(200);
    // The provider doesn't answer: the batch stays open while the scheduler runs.
    for _ in 0..4 {
        world.host.run_scheduler().await.expect("the scheduler runs");
    }
    let batches = batches(&world, &campaign).await;
    assert_eq!(batches.len(), 1, "{batches:#?}");
    assert_eq!((batches[0].size, batches[0].status), (120, BatchStatus::Open));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_is_cut_into_batches_of_250_that_do_not_overlap() {
    let world = World::builder().behaviour(Behaviour::no_webhooks()).build().await;
    let connection = world.connection().await;
    let campaign = world.campaign(&connection, json!({"daily_send_limit": 900})).await;
    world.upload(&campaign, contacts_csv(0, 1_000)).await.expect(200);
    world.host.wait_until_counted().await;
    world.act(&campaign, "start").await.expect(200);
    world.host.run_scheduler().await.expect("the scheduler runs");
    let batches = batches(&world, &campaign).await;
    let sizes: Vec<u32> = batches.iter().map(|batch| batch.size).collect();
    assert_eq!(sizes, [250, 250, 250, 150]);
    let mut seen = HashSet::new();
    for batch in &batches {
        for contact in range(&world, batch).await {
            assert!(seen.insert(contact), "two batches hold one contact");
        }
    }
    assert_eq!(seen.len(), 900);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_schedulers_at_the_same_minute_plan_once() {
    let world = World::builder().behaviour(Behaviour::no_webhooks()).build().await;
    let connection = world.connection().await;
    let campaign = world.campaign(&connection, json!({"daily_send_limit": 300})).await;
    world.upload(&campaign, contacts_csv(0, 600)).await.expect(200);
    world.act(&campaign, "start").await.expect(200);
    let (one, two, three) = tokio::join!(
        world.host.run_scheduler(),
        world.host.run_scheduler(),
        world.host.run_scheduler()
    );
    for run in [one, two, three] {
        run.expect("the scheduler runs");
    }
    world.quiet().await;
    assert_eq!(world.report(&campaign).await.number("sent"), 300);
    assert_eq!(world.simulator.summary().duplicates, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_after_the_end_is_not_left_waiting() {
    let mut behaviour = Behaviour::no_webhooks();
    behaviour.webhooks.enabled = true;
    behaviour.outcomes.failed = 1.0;
    behaviour.outcomes.failure_codes = vec![131_049];
    behaviour.delays.sent = whatsapp_simulator::Delay::fixed(0);
    let world = World::builder().behaviour(behaviour).build().await;
    let connection = world.connection().await;
    let campaign = world.campaign(&connection, json!({})).await;
    world.upload(&campaign, contacts_csv(0, 3)).await.expect(200);
    world.act(&campaign, "start").await.expect(200);
    world.settle().await;
    world.act(&campaign, "cancel").await.expect(200);
    world.pass(60, 120).await;
    let report = world.report(&campaign).await;
    assert_eq!(report.number("pending"), 0, "{}", report.text);
    assert_eq!(report.number("recipients"), 3);
}

/// A provider that takes its time, so that a batch can be caught in the middle.
fn slow_provider() -> Behaviour {
    let mut behaviour = Behaviour::all_read();
    behaviour.faults.latency_ms = 200;
    behaviour
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_earlier_run_used_of_a_batch_counts_when_it_is_closed_early() {
    let world = World::builder().behaviour(slow_provider()).rate(2.0).build().await;
    let connection = world.connection().await;
    let campaign = world.campaign(&connection, json!({"daily_send_limit": 100})).await;
    world.upload(&campaign, contacts_csv(0, 300)).await.expect(200);
    world.host.wait_until_counted().await;
    world.act(&campaign, "start").await.expect(200);
    world.host.run_scheduler().await.expect("the scheduler runs");
    while world.simulator.summary().accepted < 40 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    // The run hands its rest back, and the next one finds the campaign paused.
    let paused = world.act(&campaign, "pause").await;
    let world = Box::pin(world.restart()).await;
    paused.expect(200);
    world.quiet().await;
    world.act(&campaign, "resume").await.expect(200);
    for _ in 0..4 {
        world.settle().await;
    }
    let log = world.simulator.summary();
    assert_eq!((log.accepted, log.duplicates), (100, 0), "the day's limit is kept");
    let report = world.report(&campaign).await;
    assert_eq!(report.number("sending"), 0, "{}", report.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_erased_meanwhile_has_used_their_place() {
    let world = World::builder().behaviour(slow_provider()).rate(2.0).build().await;
    let connection = world.connection().await;
    let campaign =
        world.campaign(&connection, json!({"daily_send_limit": 60, "speed": "normal"})).await;
    world.upload(&campaign, contacts_csv(0, 300)).await.expect(200);
    world.host.wait_until_counted().await;
    world.act(&campaign, "start").await.expect(200);
    world.host.run_scheduler().await.expect("the scheduler runs");
    while world.simulator.summary().accepted < 50 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    // The latest lie in the shard in which the batch ends.
    let mut erased = 0;
    for entry in world.simulator.log().iter().rev().take(20) {
        let path = format!("/v1/contacts/{}", entry.to);
        erased += u32::from(world.request("DELETE", &path, None).await.status == 200);
    }
    assert!(erased > 5, "{erased} were erased");
    // The run hands its rest back; the next one counts what it has used.
    let world = Box::pin(world.restart()).await;
    for _ in 0..4 {
        world.settle().await;
    }
    let log = world.simulator.summary();
    assert_eq!((log.accepted, log.duplicates), (60, 0), "the day's limit is kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_of_a_dead_run_are_settled_when_its_batch_is_closed() {
    let world = World::builder().behaviour(Behaviour::no_webhooks()).build().await;
    let connection = world.connection().await;
    let campaign = world.campaign(&connection, json!({})).await;
    world.upload(&campaign, contacts_csv(0, 3)).await.expect(200);
    world.host.wait_until_counted().await;
    world.act(&campaign, "start").await.expect(200);
    world.host.drain_senders();
    world.host.run_scheduler().await.expect("the scheduler runs");
    // A sender claims one of the batch and dies.
    let table = world.host.table();
    let id = campaign.parse().expect("an id");
    let batch = batches(&world, &campaign).await.remove(0);
    let contact = range(&world, &batch).await.remove(0).parse().expect("a contact");
    let place = carillon::recipient::store::Place::of(id, &contact, 8);
    let (tag, now) = (batch.name.tag(), world.clock.now());
    let claiming = carillon::recipient::store::Claiming {
        attempt: 1,
        batch: &tag,
        now,
        counting: carillon::contact::Counting::New,
        portfolio: &batch.portfolio,
        bucket: batch.bucket,
    };
    let claim = carillon::recipient::store::claim(table, &place, &claiming).await;
    assert!(matches!(claim.expect("stored"), carillon::recipient::store::Claim::Won));
    // Nobody else wins it, not even once the contact may be written to again.
    let now = now + std::time::Duration::from_mins(1);
    let later = carillon::recipient::store::Claiming { now, ..claiming };
    let again = carillon::recipient::store::claim(table, &place, &later).await;
    assert!(matches!(again.expect("stored"), carillon::recipient::store::Claim::Lost));
    world.act(&campaign, "cancel").await.expect(200);
    let world = Box::pin(world.restart()).await;
    world.pass(1, 10).await;
    let report = world.report(&campaign).await;
    assert_eq!(
        (report.number("unconfirmed"), report.number("cancelled"), report.number("sending")),
        (1, 2, 0),
        "{}",
        report.text
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_is_not_completed_under_an_upload_or_a_pause() {
    let world = World::builder().behaviour(Behaviour::no_webhooks()).build().await;
    let connection = world.connection().await;
    let campaign = world.campaign(&connection, json!({})).await;
    world.upload(&campaign, contacts_csv(0, 3)).await.expect(200);
    world.act(&campaign, "start").await.expect(200);
    world.settle().await;
    let id = campaign.parse().expect("an id");
    let table = world.host.table();
    world.clock.advance(std::time::Duration::from_mins(10));
    let seen = carillon::campaign::store::get(table, id).await.expect("answers").expect("is there");
    // Someone announces more recipients after the scheduler has looked.
    let until = world.clock.now() + std::time::Duration::from_mins(2);
    carillon::campaign::store::announce_upload(table, id, until).await.expect("announced");
    let now = world.clock.now();
    let completed = carillon::campaign::store::complete(table, &seen, now).await;
    assert!(!completed.expect("answers"));
    world.upload(&campaign, contacts_csv(10, 2)).await.expect(200);
    world.pass(2, 20).await;
    let report = world.report(&campaign).await;
    assert_eq!((report.number("sent"), report.string("status")), (5, "completed".to_owned()));
}
