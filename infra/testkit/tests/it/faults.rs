//! Engine faults, redelivered messages and stream records, and two runs of a function
//! at once: nothing is sent twice, nothing is lost, counters are exact.

use std::time::Duration;

use carillon::analytics::{self, Change, Tally};
use carillon::batch::{self, Batch, BatchStatus, Lease};
use carillon::ids::{CampaignId, RunId, uuid_of};
use carillon::time::TimeZone;
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

/// Each of two runs would pace its messages as if it were alone in the slice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_leased_to_one_run_at_a_time() {
    let world = World::silent().await;
    world.host.drain_senders();
    let campaign = started(&world, 3).await;
    world.tick().await;
    let (table, batch, now) =
        (world.host.table(), open_batch(&world, &campaign).await, world.clock.now());
    let lease = async |name: &str, after: u64| {
        let now = now + Duration::from_mins(after);
        let (run, until) = (RunId::from_uuid(uuid_of(now, &[name])), now + Duration::from_mins(5));
        let leased = batch::store::lease(table, &batch.name, Lease { run, until }, now).await;
        leased.expect("the table answers").is_some()
    };
    // Until then a sender that is being drained may have a lease.
    assert!(lease("a run", 60).await);
    assert!(lease("a run", 60).await, "the answer to the same request was lost");
    assert!(!lease("another run", 64).await);
    assert!(lease("another run", 65).await);
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

/// The stream delivers a batch of records again while a run is counting it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_two_runs_count_at_once_counts_once() {
    let world = World::builder().faults(FaultRates::default()).build().await;
    let (table, now, zone) = (world.host.table(), world.clock.now(), TimeZone::UTC);
    let campaign = CampaignId::from_uuid(uuid_of(now, &["a campaign"]));
    let new = serde_json::from_value(json!({"status": "pending"})).expect("a recipient");
    let changes = [Change { sequence: "1".to_owned(), old: None, new: Some(new) }];
    let count = || analytics::store::count(table, campaign, 0, &changes, &zone);
    // The first run has read that the record is not counted.
    let mut held = world.proxies().table.hold("UpdateItem", "last_sequence");
    let second = async {
        held.arrived().await;
        let counted = count().await;
        held.release();
        counted
    };
    let (first, second) = tokio::join!(count(), second);
    first.and(second).expect("the table answers");
    let counters = analytics::store::read(table, campaign, 1).await.expect("the table answers");
    assert_eq!(counters, Tally([("n_pending".to_owned(), 1)].into()));
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
    let id = job.parse().expect("an id");
    loop {
        // Two runs at once, beside the first one; each may fail at any request.
        let (one, other) = tokio::join!(world.host.run_job(id), world.host.run_job(id));
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
