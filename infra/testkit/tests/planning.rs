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
    let mut behaviour = Behaviour::silent();
    behaviour.faults.latency_ms = 30_000;
    let world = World::builder().behaviour(behaviour).rate(1.0).build().await;
    let connection = world.connection().await;
    let settings = json!({"daily_send_limit": 10_000, "speed": "slow"});
    let campaign = world.campaign(&connection, settings).await;
    world.upload(&campaign, contacts_csv(0, 120)).await.expect(200);
    world.act(&campaign, "start").await.expect(200);
    // The provider doesn't answer: the batch stays open while the scheduler runs.
    for _ in 0..4 {
        world.host.tick().await.expect("the scheduler runs");
    }
    let batches = batches(&world, &campaign).await;
    assert_eq!(batches.len(), 1, "{batches:#?}");
    assert_eq!((batches[0].size, batches[0].status), (120, BatchStatus::Open));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_is_cut_into_batches_of_250_that_do_not_overlap() {
    let world = World::builder().behaviour(Behaviour::silent()).build().await;
    let connection = world.connection().await;
    let campaign = world.campaign(&connection, json!({"daily_send_limit": 900})).await;
    world.upload(&campaign, contacts_csv(0, 1_000)).await.expect(200);
    world.host.counted().await;
    world.act(&campaign, "start").await.expect(200);
    world.host.tick().await.expect("the scheduler runs");
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
    let world = World::builder().behaviour(Behaviour::silent()).build().await;
    let connection = world.connection().await;
    let campaign = world.campaign(&connection, json!({"daily_send_limit": 300})).await;
    world.upload(&campaign, contacts_csv(0, 600)).await.expect(200);
    world.act(&campaign, "start").await.expect(200);
    let (one, two, three) = tokio::join!(world.host.tick(), world.host.tick(), world.host.tick());
    for run in [one, two, three] {
        run.expect("the scheduler runs");
    }
    world.quiet().await;
    assert_eq!(world.report(&campaign).await.number("sent"), 300);
    assert_eq!(world.simulator.summary().duplicates, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_after_the_end_is_not_left_waiting() {
    let mut behaviour = Behaviour::silent();
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
