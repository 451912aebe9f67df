//! What the statuses of messages write: nothing where all that they say is known.

use carillon_testkit::webhook_body::{status, statuses};
use carillon_testkit::{FaultRates, Seen, World};
use serde_json::{Value, json};
use whatsapp_simulator::Behaviour;

const MESSAGES: u32 = 20;

/// The writes to recipients while statuses are reported.
async fn writes(world: &World, name: &str) -> usize {
    let statuses_of: Vec<Value> =
        world.simulator.log().iter().map(|entry| status(entry, name)).collect();
    assert_eq!(statuses_of.len(), MESSAGES as usize);
    world.proxies().table.record();
    world.post_signed_webhook(statuses(&statuses_of)).await.expect(200);
    let is_write = |one: &Seen| one.operation == "UpdateItem" && one.body.contains("delivered_at");
    let is_sent = |one: &Seen| one.operation == "UpdateItem" && one.body.contains(":set_sent_at");
    let seen = world.proxies().table.recorded();
    seen.iter().filter(|one| is_write(one) || is_sent(one)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_that_tells_nothing_new_writes_nothing() {
    let world = World::builder().behaviour(Behaviour::no_webhooks()).rate(1.0);
    let world = world.faults(FaultRates::default()).build().await;
    let campaign = world.started_with(MESSAGES, json!({"daily_send_limit": 1_000})).await;
    world.run_until_idle().await;
    assert_eq!(world.report(&campaign).await.number("sent"), u64::from(MESSAGES));

    assert_eq!(writes(&world, "sent").await, 0, "the answers told it");
    assert_eq!(writes(&world, "delivered").await, MESSAGES as usize);
    // A repetition costs one write, whose condition fails.
    assert_eq!(writes(&world, "delivered").await, MESSAGES as usize);
    assert_eq!(writes(&world, "sent").await, 0);

    let report = world.report(&campaign).await;
    assert_eq!(report.number("received"), u64::from(MESSAGES), "{}", report.text);
    world.assert_counters_exact(&campaign).await;
}
