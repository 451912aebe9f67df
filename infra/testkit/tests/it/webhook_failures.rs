//! One request with many failures: what it reads does not grow with their number, and what is
//! stopped is stopped once.

use std::time::Duration;

use carillon::campaign;
use carillon::recipient::Status;
use carillon::table::Key;
use carillon_testkit::webhook_body::{status, statuses};
use carillon_testkit::{Failure, FaultRates, Seen, World, contacts_csv, wa_id};
use serde_json::{Value, json};
use whatsapp_simulator::{Behaviour, ForcedError, LogEntry, ReportedBy};

/// A campaign whose messages, so many, were all accepted.
async fn accepted(count: u32) -> (World, String) {
    let world = World::builder().behaviour(Behaviour::no_webhooks()).rate(10.0);
    let world = world.faults(FaultRates::default()).build().await;
    let settings = json!({"throughput_mps": 1_000, "quota_limit": 1_000_000});
    let connection = world.connection_with(settings).await;
    let campaign = world.campaign(&connection, json!({"daily_send_limit": 1_000_000})).await;
    world.upload(&campaign, contacts_csv(0..count)).await.expect(200);
    world.start(&campaign).await.expect(200);
    while world.simulator.summary().accepted < u64::from(count) {
        world.run_until_idle().await;
        world.clock.advance(Duration::from_mins(1));
    }
    (world, campaign)
}

fn failure(entry: &LogEntry, code: u32) -> Value {
    let mut failed = status(entry, "failed");
    failed["errors"] = json!([{"code": code, "title": "a failure"}]);
    failed
}

/// The most reads of what the failures share: the aggregator's and those of their requeues, which
/// are done in groups, are among them.
const MAX_SHARED: usize = 500;
/// The most reads of connections and of lists of campaigns.
const MAX_LISTS: usize = 50;

fn is_read(one: &Seen) -> bool {
    ["GetItem", "BatchGetItem", "Query"].contains(&one.operation.as_str())
}

fn has(one: &Seen, parts: [&str; 2]) -> bool {
    parts.iter().any(|part| one.body.contains(part))
}

/// How many requests read something else than the failed message's recipient or contact, and how
/// many of them connections or a list of campaigns.
fn reads(seen: &[Seen]) -> (usize, usize) {
    let own = [Key::RECIPIENTS, "PROFILE"];
    let shared: Vec<_> = seen.iter().filter(|one| is_read(one) && !has(one, own)).collect();
    let lists = ["\"CONNECTION\"", "by_status"];
    (shared.len(), shared.iter().filter(|one| has(one, lists)).count())
}

/// Asserts that what failures share was not read for each of them.
fn assert_shared(seen: &[Seen]) {
    let (shared, lists) = reads(seen);
    println!("{} requests, {shared} of them read what is shared, {lists} lists", seen.len());
    assert!(shared <= MAX_SHARED && lists <= MAX_LISTS, "{shared} reads, {lists} of lists");
}

/// So many failures in one request; returns the requests to the table too.
async fn report_failures(count: u32, code: u32) -> (World, String, Vec<Seen>) {
    let (world, campaign) = accepted(count).await;
    let failures: Vec<_> = world.simulator.log().iter().map(|entry| failure(entry, code)).collect();
    assert_eq!(failures.len(), count as usize);
    world.proxies().table.record();
    world.post_signed_webhook(statuses(&failures)).await.expect(200);
    let seen = world.proxies().table.recorded();
    (world, campaign, seen)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_failures_of_a_template_halt_its_campaign_once() {
    let (world, campaign, seen) = report_failures(1_000, 132_015).await;
    let report = world.report(&campaign).await;
    assert_eq!(report.string("status"), "halted", "{}", report.text);
    assert_eq!(report.number("pending"), 1_000, "{}", report.text);
    assert_shared(&seen);
    world.assert_counters_exact(&campaign).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_with_a_code_that_may_be_everybodys_halt_their_campaign_once() {
    let (world, campaign, seen) = report_failures(200, 131_009).await;
    let report = world.report(&campaign).await;
    assert_eq!(report.string("status"), "halted", "{}", report.text);
    assert_eq!(report.number("failed"), 200, "{}", report.text);
    assert_shared(&seen);
    world.assert_counters_exact(&campaign).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_that_are_retried_are_all_met_again() {
    let (world, campaign, seen) = report_failures(200, 131_000).await;
    let report = world.report(&campaign).await;
    assert_eq!(report.number("pending"), 200, "{}", report.text);
    assert_shared(&seen);
    let listed = world.items_containing(&format!("RECIPIENT#{campaign}")).await;
    assert!(listed.len() >= 200, "{} go before the walk", listed.len());
}

/// The process dies after it has stored the retry: the provider repeats the report, and the
/// campaign must learn of the retry then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_that_its_campaign_was_not_told_of_is_met_after_the_report_is_repeated() {
    // A throttled attempt goes before, and does not count.
    let mut behaviour = Behaviour::no_webhooks();
    for contact in 0..6 {
        let throttled =
            ForcedError { code: 131_056, times: Some(1), reported_by: ReportedBy::Response };
        behaviour.faults.forced.insert(wa_id(contact), throttled);
    }
    let world = World::builder().behaviour(behaviour).rate(1.0).faults(FaultRates::default());
    let world = world.build().await;
    let campaign = world.started_with(6, json!({"daily_send_limit": 3, "max_retries": 1})).await;
    while world.simulator.summary().accepted < 3 {
        world.run_until_idle().await;
        world.clock.advance(Duration::from_mins(1));
    }
    let report = statuses(&[failure(&world.simulator.log()[0], 131_000)]);

    let (table, id) = (world.host.table(), world.stored_campaign(&campaign).await.id);
    let requeues = async || campaign::store::requeues(table, id).await.expect("the table answers");
    let before = requeues().await;
    world.proxies().table.fail_next(Failure::Throttled, "UpdateItem", "REQUEUES", u32::MAX);
    world.post_signed_webhook(report.clone()).await.expect(500);
    let is_retried =
        |one: &carillon::recipient::Recipient| (one.status, one.attempt) == (Status::Pending, 3);
    assert!(world.stored_recipients(&campaign).await.iter().any(is_retried));
    assert_eq!(requeues().await, before);

    world.proxies().table.fail_next(Failure::Throttled, "UpdateItem", "REQUEUES", 0);
    world.post_signed_webhook(report).await.expect(200);
    assert_eq!(requeues().await.retried, before.retried + 1);
}
