//! Whole campaigns while the engines fail, deliveries repeat, and two of each
//! function run at once: nobody is sent to twice, nobody is lost, counters are exact.

use std::time::Duration;

use carillon::analytics;
use carillon::campaign::Campaign;
use carillon::plan::{self, Batch, BatchStatus};
use carillon_testkit::{Answer, Faults, World, contacts_csv};
use serde_json::json;
use whatsapp_simulator::Behaviour;

async fn stored(world: &World, campaign: &str) -> Campaign {
    let id = campaign.parse().expect("an id");
    let found = carillon::campaign::store::get(world.host.table(), id).await;
    found.expect("the table answers").expect("is there")
}

async fn started(world: &World, recipients: u32) -> String {
    let connection = world.connection().await;
    let settings = json!({"daily_send_limit": 10_000});
    let campaign = world.campaign(&connection, settings).await;
    world.upload(&campaign, contacts_csv(0, recipients)).await.expect(200);
    world.act(&campaign, "start").await.expect(200);
    campaign
}

/// The counters are what a recount gives, and the states add up.
async fn assert_exact(world: &World, campaign: &str, recipients: u64) -> Answer {
    let report = world.report(campaign).await;
    let found = stored(world, campaign).await;
    let table = world.host.table();
    let mut counted =
        analytics::store::read(table, found.id, found.shards).await.expect("the table answers");
    counted.0.retain(|name, _| !name.starts_with("d_"));
    let recounted = analytics::store::recount(table, &found).await.expect("the table answers");
    assert_eq!(counted, recounted);
    assert_eq!(report.number("recipients"), recipients, "{}", report.text);
    report
}

async fn open_batch(world: &World, campaign: &str) -> Option<Batch> {
    let id = campaign.parse().expect("an id");
    let batches = carillon::campaign::store::batches(world.host.table(), id, None).await;
    let mut batches = batches.expect("the table answers");
    batches.retain(|batch| batch.status == BatchStatus::Open);
    batches.pop()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_senders_on_one_batch_send_to_nobody_twice() {
    let mut behaviour = Behaviour::all_read();
    behaviour.faults.latency_ms = 20;
    let world = World::builder().behaviour(behaviour).rate(1.0).build().await;
    let campaign = started(&world, 200).await;
    world.host.run_scheduler().await.expect("the scheduler runs");
    // Several runs over the same batch, each having taken the lease from the other.
    let batch = open_batch(&world, &campaign).await.expect("an open batch");
    let run = || async {
        plan::store::break_lease(world.host.table(), &batch.name, None).await.expect("broken");
        world.host.run_sender(&batch.name).await.expect("it runs")
    };
    let pause = |millis| tokio::time::sleep(Duration::from_millis(millis));
    let second = async {
        pause(300).await;
        run().await
    };
    let third = async {
        pause(900).await;
        run().await
    };
    tokio::join!(second, third);
    world.quiet().await;
    let report = assert_exact(&world, &campaign, 200).await;
    let log = world.simulator.summary();
    assert_eq!(log.duplicates, 0);
    // A claim whose run is alive is taken for one whose run died: its own answer,
    // or its webhook, settles it all the same.
    assert_eq!((log.accepted, report.number("sent")), (200, 200), "{}", report.text);
    assert!(log.peak_per_second <= 80, "{} in a second", log.peak_per_second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schedulers_and_deliveries_that_come_twice_change_nothing() {
    let faults = Faults { repeated: 1.0, ..Faults::default() };
    let world = World::builder().rate(4.0).faults(faults).build().await;
    let campaign = started(&world, 600).await;
    for _ in 0..3 {
        let (one, other) = tokio::join!(world.host.run_scheduler(), world.host.run_scheduler());
        assert!(one.is_ok() && other.is_ok());
        world.quiet().await;
        world.clock.advance(Duration::from_mins(1));
    }
    let report = assert_exact(&world, &campaign, 600).await;
    let log = world.simulator.summary();
    assert_eq!((log.accepted, log.duplicates, report.number("read")), (600, 0, 600));
    let repeated = world.proxies.as_ref().expect("proxies")[1].injected();
    assert!(repeated > 0, "no message came twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_ends_well_though_every_tenth_request_to_the_engines_fails() {
    let faults = Faults {
        throttled: 0.02,
        failed: 0.04,
        lost: 0.04,
        slow: 0.02,
        repeated: 0.3,
        ..Faults::default()
    };
    let mut behaviour = Behaviour::all_read();
    behaviour.outcomes.reply = 0.2;
    behaviour.outcomes.failed = 0.02;
    behaviour.faults.lost_response = 0.01;
    behaviour.webhooks.duplicate = 0.1;
    let world = World::builder().behaviour(behaviour).rate(20.0).faults(faults).build().await;
    world.calm();
    let campaign = started(&world, 400).await;
    let [table, _] = world.proxies.as_ref().expect("proxies");
    table.set(Faults {
        throttled: 0.02,
        failed: 0.04,
        lost: 0.04,
        slow: 0.02,
        ..Faults::default()
    });
    for _ in 0..30 {
        // A run that fails stays half done, and the next goes on.
        let _ = world.host.run_scheduler().await;
        tokio::time::sleep(Duration::from_millis(400)).await;
        world.clock.advance(Duration::from_mins(1));
    }
    assert!(table.injected() > 100, "{} faults", table.injected());
    world.calm();
    world.pass(3, 15).await;
    let report = assert_exact(&world, &campaign, 400).await;
    let log = world.simulator.summary();
    assert_eq!(log.repeated_callback_data, 0, "an attempt was handed over twice");
    let (waiting, sending) = (report.number("pending"), report.number("sending"));
    assert_eq!((waiting, sending), (0, 0), "{}", report.text);
    // Everyone accepted is settled; the rest was claimed and never handed over.
    let settled = report.number("sent") + report.number("failed");
    assert_eq!(settled, log.recipients, "{}", report.text);
    assert_eq!(settled + report.number("unconfirmed"), 400, "{}", report.text);
    assert_eq!(report.string("status"), "completed");
}
