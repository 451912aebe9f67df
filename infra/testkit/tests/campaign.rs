//! The main job, by the front door: create, import, start, days pass, statuses
//! arrive, report.

use carillon_testkit::{World, contacts_csv, phone};
use serde_json::json;
use whatsapp_simulator::{Behaviour, InboundMessage};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_goes_out_250_a_day_and_its_report_is_true() {
    let world = World::new().await;
    let connection = world.connection().await;
    let campaign = world.campaign(&connection, json!({})).await;
    let uploaded = world.upload(&campaign, contacts_csv(0, 600)).await.expect(200);
    assert_eq!(uploaded.number("added"), 600);
    world.act(&campaign, "start").await.expect(200);

    for (day, sent) in [(1, 250), (2, 500), (3, 600)] {
        world.settle().await;
        let report = world.report(&campaign).await;
        assert_eq!(report.number("sent"), sent, "day {day}: {}", report.text);
        assert_eq!(report.number("read"), sent);
        assert_eq!(report.number("pending"), 600 - sent);
        world.pass(24, 240).await;
    }
    let report = world.report(&campaign).await;
    assert_eq!(report.string("status"), "completed", "{}", report.text);
    assert_eq!(report.number("recipients"), 600);
    let log = world.simulator.summary();
    assert_eq!((log.accepted, log.recipients, log.duplicates), (600, 600, 0));
    assert!(log.peak_per_second <= 80, "{}", log.peak_per_second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn importing_the_same_file_twice_adds_nothing() {
    let world = World::new().await;
    let connection = world.connection().await;
    let campaign = world.campaign(&connection, json!({})).await;
    assert_eq!(world.upload(&campaign, contacts_csv(0, 50)).await.number("added"), 50);
    let again = world.upload(&campaign, contacts_csv(0, 50)).await.expect(200);
    assert_eq!((again.number("added"), again.number("duplicates")), (0, 50));
    assert_eq!(world.report(&campaign).await.number("recipients"), 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_blacklist_and_a_stop_hold_at_the_moment_of_sending() {
    let world = World::new().await;
    let connection = world.connection().await;
    let campaign = world.campaign(&connection, json!({})).await;
    world.request("PUT", "/v1/contacts/%2B573000000000/blacklist", None).await.expect(200);
    let uploaded = world.upload(&campaign, contacts_csv(0, 10)).await.expect(200);
    assert_eq!((uploaded.number("added"), uploaded.number("suppressed")), (9, 1));
    // After the import: one by hand, one by Meta's own stop.
    world.request("PUT", "/v1/contacts/%2B573000000001/blacklist", None).await.expect(200);
    world.simulator.stop_marketing(&phone(2));
    world.quiet().await;

    world.act(&campaign, "start").await.expect(200);
    world.settle().await;
    let report = world.report(&campaign).await;
    assert_eq!(report.number("skipped"), 3, "{}", report.text);
    assert_eq!(report.body["skipped_for"], json!({"blacklisted": 2, "opted_out": 1}));
    assert_eq!(report.number("sent"), 7);
    assert_eq!(world.simulator.summary().accepted, 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replies_count_for_the_campaign_they_answer() {
    let world = World::new().await;
    let connection = world.connection().await;
    let first = world.campaign(&connection, json!({"name": "First"})).await;
    world.upload(&first, contacts_csv(0, 2)).await.expect(200);
    world.act(&first, "start").await.expect(200);
    world.settle().await;
    let quoted = world
        .simulator
        .log()
        .iter()
        .find(|entry| phone(0).ends_with(&entry.to))
        .map(|entry| entry.wamid.clone());
    world.pass(1, 60).await;
    let second = world.campaign(&connection, json!({"name": "Second"})).await;
    world.upload(&second, contacts_csv(0, 2)).await.expect(200);
    world.act(&second, "start").await.expect(200);
    world.settle().await;
    world.pass(1, 60).await;

    // One quotes the first campaign's message, the other just writes.
    let quotes = InboundMessage::text(phone(0), "yes please").quoting(quoted.expect("sent"));
    world.simulator.send_inbound(quotes);
    world.simulator.send_inbound(InboundMessage::text(phone(1), "who is this?"));
    world.quiet().await;
    assert_eq!(world.report(&first).await.number("replied"), 1);
    assert_eq!(world.report(&second).await.number("replied"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn emptying_the_queues_changes_nothing_in_the_end() {
    let world = World::builder().rate(2.0).build().await;
    let connection = world.connection().await;
    let campaign = world.campaign(&connection, json!({"daily_send_limit": 1000})).await;
    world.upload(&campaign, contacts_csv(0, 800)).await.expect(200);
    world.act(&campaign, "start").await.expect(200);
    world.host.run_scheduler().await.expect("the scheduler runs");
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    world.host.purge_queues().await.expect("the queues are emptied");

    world.pass(1, 12).await;
    let report = world.report(&campaign).await;
    assert_eq!((report.number("sent"), report.number("pending")), (800, 0), "{}", report.text);
    assert_eq!(world.simulator.summary().duplicates, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pause_stops_and_resume_goes_on() {
    let world = World::builder().rate(2.0).build().await;
    let connection = world.connection().await;
    let campaign = world.campaign(&connection, json!({"daily_send_limit": 1000})).await;
    world.upload(&campaign, contacts_csv(0, 400)).await.expect(200);
    world.act(&campaign, "start").await.expect(200);
    world.host.run_scheduler().await.expect("the scheduler runs");
    while world.simulator.summary().accepted < 50 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    world.act(&campaign, "pause").await.expect(200);
    world.quiet().await;
    let sent = world.report(&campaign).await.number("sent");
    assert!((50..400).contains(&sent), "{sent} sent before the pause took effect");
    world.settle().await;
    assert_eq!(world.report(&campaign).await.number("sent"), sent);
    world.act(&campaign, "pause").await.expect(409);

    world.act(&campaign, "resume").await.expect(200);
    world.settle().await;
    world.settle().await;
    assert_eq!(world.report(&campaign).await.number("sent"), 400);
    assert_eq!(world.simulator.summary().duplicates, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancel_marks_everyone_left_over() {
    let world = World::new().await;
    let connection = world.connection().await;
    let campaign = world.campaign(&connection, json!({"daily_send_limit": 20})).await;
    world.upload(&campaign, contacts_csv(0, 50)).await.expect(200);
    world.act(&campaign, "start").await.expect(200);
    world.settle().await;
    world.act(&campaign, "cancel").await.expect(200);
    world.settle().await;
    let report = world.report(&campaign).await;
    assert_eq!((report.number("sent"), report.number("cancelled")), (20, 30), "{}", report.text);
    let refused = world.act(&campaign, "resume").await.expect(409);
    assert!(refused.string("detail").contains("cancelled"), "{}", refused.text);
    world.upload(&campaign, contacts_csv(100, 1)).await.expect(409);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_loses_nothing() {
    let world = World::new().await;
    let connection = world.connection().await;
    let campaign = world.campaign(&connection, json!({})).await;
    world.upload(&campaign, contacts_csv(0, 300)).await.expect(200);
    world.act(&campaign, "start").await.expect(200);
    world.host.run_scheduler().await.expect("the scheduler runs");
    let world = Box::pin(world.restart()).await;
    world.settle().await;
    world.pass(24, 240).await;
    let report = world.report(&campaign).await;
    assert_eq!(report.number("sent"), 300, "{}", report.text);
    assert_eq!(world.simulator.summary().duplicates, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_portfolio_limit_is_shared_and_kept() {
    let world = World::new().await;
    let connection = world.connection_with(json!({"messaging_limit": 100})).await;
    let campaign = world.campaign(&connection, json!({})).await;
    world.upload(&campaign, contacts_csv(0, 250)).await.expect(200);
    world.act(&campaign, "start").await.expect(200);
    world.pass(20, 60).await;
    assert_eq!(world.report(&campaign).await.number("sent"), 100);
    // A day and the ledger's margin later the places are back.
    world.pass(36, 60).await;
    let log = world.simulator.summary();
    assert_eq!(log.accepted, 250.min(world.report(&campaign).await.number("sent")));
    assert!(log.accepted >= 200 && log.peak_recipients_per_day <= 100, "{log:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_realistic_funnel_agrees_with_the_simulators_log() {
    let world = World::builder().behaviour(Behaviour::realistic()).build().await;
    let connection = world.connection().await;
    let campaign = world.campaign(&connection, json!({"daily_send_limit": 1000})).await;
    world.upload(&campaign, contacts_csv(0, 500)).await.expect(200);
    world.act(&campaign, "start").await.expect(200);
    world.settle().await;
    world.pass(72, 120).await;
    let (report, log) = (world.report(&campaign).await, world.simulator.summary());
    assert_eq!(report.number("sent") + report.number("failed"), log.recipients);
    assert_eq!(report.number("received"), log.acknowledged.delivered);
    assert_eq!(report.number("failed"), log.acknowledged.failed);
    assert!(report.number("replied") >= 1 && report.number("replied") <= log.acknowledged.replies);
    assert_eq!(report.number("recipients"), 500);
}
