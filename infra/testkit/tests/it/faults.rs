//! Engine faults, redelivered messages and stream records, and two runs of a function
//! at once: nothing is sent twice, nothing is lost, counters are exact.

use std::time::Duration;

use carillon::batch::{self, Batch, BatchStatus};
use carillon_testkit::{FaultRates, Response, World};
use serde_json::json;
use whatsapp_simulator::Behaviour;

async fn started(world: &World, recipients: u32) -> String {
    world.started_with(recipients, json!({"daily_send_limit": 10_000})).await
}

/// The report, once its counters are found to be exact.
async fn exact_report(world: &World, campaign: &str, recipients: u64) -> Response {
    let report = world.report(campaign).await;
    world.assert_counters_exact(campaign).await;
    assert_eq!(report.number("recipients"), recipients, "{}", report.text);
    report
}

async fn open_batch(world: &World, campaign: &str) -> Batch {
    let mut batches = world.batches(campaign).await;
    batches.retain(|batch| batch.status == BatchStatus::Open);
    batches.pop().expect("an open batch")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_senders_on_one_batch_send_nothing_twice() {
    let mut behaviour = Behaviour::all_read();
    behaviour.faults.latency_ms = 20;
    let world = World::builder().behaviour(behaviour).rate(1.0).build().await;
    let campaign = started(&world, 200).await;
    world.tick().await;
    // Each run takes the lease from the run before.
    let batch = open_batch(&world, &campaign).await;
    let run_after = async |millis| {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        batch::store::break_lease(world.host.table(), &batch.name, None).await.expect("broken");
        world.host.run_sender(&batch.name).await.expect("the sender runs")
    };
    tokio::join!(run_after(300), run_after(900));
    world.wait_until_idle().await;
    let report = exact_report(&world, &campaign, 200).await;
    let log = world.simulator.summary();
    assert_eq!(log.duplicates, 0);
    // A run may treat the claim of a live run as a dead run's. The response or the
    // webhook settles that claim all the same.
    assert_eq!((log.accepted, report.number("sent")), (200, 200), "{}", report.text);
    assert!(log.peak_per_second <= 80, "{} in a second", log.peak_per_second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_schedulers_at_once_and_redelivery_change_nothing() {
    let faults = FaultRates { redelivered: 1.0, ..FaultRates::default() };
    let world = World::builder().rate(4.0).faults(faults).build().await;
    let campaign = started(&world, 600).await;
    for _ in 0..3 {
        tokio::join!(world.tick(), world.tick());
        world.wait_until_idle().await;
        world.clock.advance(Duration::from_mins(1));
    }
    let report = exact_report(&world, &campaign, 600).await;
    let log = world.simulator.summary();
    assert_eq!((log.accepted, log.duplicates, report.number("read")), (600, 0, 600));
    assert!(world.proxies().queues.injected() > 0, "no message was redelivered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_completes_while_a_tenth_of_the_table_requests_fail() {
    let mut behaviour = Behaviour::all_read();
    behaviour.outcomes.reply = 0.2;
    behaviour.outcomes.failed = 0.02;
    behaviour.faults.lost_response = 0.01;
    behaviour.webhooks.duplicate = 0.1;
    let world = World::builder().behaviour(behaviour).rate(20.0).faults(FaultRates::default());
    let world = world.build().await;
    let campaign = started(&world, 400).await;
    let table = &world.proxies().table;
    table.set_rates(FaultRates {
        throttled: 0.02,
        failed: 0.04,
        response_lost: 0.04,
        delayed: 0.02,
        redelivered: 0.0,
    });
    for _ in 0..30 {
        // A run may fail; the next run continues its work.
        let _ = world.host.run_scheduler().await;
        tokio::time::sleep(Duration::from_millis(400)).await;
        world.clock.advance(Duration::from_mins(1));
    }
    assert!(table.injected() > 100, "{} faults", table.injected());
    world.stop_faults();
    world.advance_hours(3, 15).await;
    let report = exact_report(&world, &campaign, 400).await;
    let log = world.simulator.summary();
    assert_eq!(log.repeated_callback_data, 0, "an attempt was sent twice");
    let (pending, sending) = (report.number("pending"), report.number("sending"));
    assert_eq!((pending, sending), (0, 0), "{}", report.text);
    // Every accepted message is settled. The other recipients were claimed and not sent.
    let settled = report.number("sent") + report.number("failed");
    assert_eq!(settled, log.recipients, "{}", report.text);
    assert_eq!(settled + report.number("unconfirmed"), 400, "{}", report.text);
    assert_eq!(report.string("status"), "completed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_counts_of_a_job_are_exact_whatever_the_table_loses() {
    let world = World::builder().faults(FaultRates::default()).build().await;
    let campaign = world.draft(400).await;
    let path = format!("/v1/campaigns/{campaign}/recipients/bulk");
    let job = world.post(&path, &json!({"action": "skip"})).await.expect(202).string("id");
    world.proxies().table.set_rates(FaultRates {
        failed: 0.1,
        response_lost: 0.2,
        ..FaultRates::default()
    });
    let (mut failed_runs, mut rounds) = (0, 0);
    loop {
        // Two runs at once, either of which may fail at any request.
        let (one, other) = tokio::join!(world.host.run_scheduler(), world.host.run_scheduler());
        failed_runs += usize::from(one.is_err()) + usize::from(other.is_err());
        world.clock.advance(Duration::from_mins(1));
        let found = world.get(&format!("/v1/jobs/{job}")).await;
        if found.body["status"] == "completed" {
            break;
        }
        assert_ne!(found.body["status"], "failed", "{}", found.text);
        rounds += 1;
        assert!(rounds < 100, "{}", found.text);
    }
    assert!(world.proxies().table.injected() > 0, "after {failed_runs} failed runs");
    world.stop_faults();
    world.wait_until_idle().await;
    let done = world.get(&format!("/v1/jobs/{job}")).await.expect(200);
    assert_eq!(done.body["result"], json!({"matched": 400, "changed": 400}), "{}", done.text);
    let report = exact_report(&world, &campaign, 400).await;
    assert_eq!(report.body["skipped_by_reason"], json!({"requested": 400}));
}
