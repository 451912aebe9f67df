//! A campaign from its creation to its report: import, start, daily limit, pause,
//! cancel, statuses and replies.

use std::time::Duration;

use carillon_testkit::{World, contacts_csv, phone, wa_id};
use serde_json::json;
use whatsapp_simulator::{Behaviour, InboundMessage};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_sends_250_a_day_and_its_report_matches_the_simulators_log() {
    let world = World::new().await;
    let connection = world.connection().await;
    let campaign = world.campaign(&connection, json!({})).await;
    let uploaded = world.upload(&campaign, contacts_csv(0..600)).await.expect(200);
    assert_eq!(uploaded.number("added"), 600);
    world.start(&campaign).await.expect(200);

    for (day, sent) in [(1, 250), (2, 500), (3, 600)] {
        world.run_until_idle().await;
        let mut report = world.report(&campaign).await;
        // On a busy machine claims grow old by the fast clock: a later batch has those recipients.
        for _ in 0..10 {
            if report.number("sent") >= sent {
                break;
            }
            world.clock.advance(Duration::from_mins(1));
            world.run_until_idle().await;
            report = world.report(&campaign).await;
        }
        assert_eq!(report.number("sent"), sent, "day {day}: {}", report.text);
        assert_eq!(report.number("read"), sent);
        assert_eq!(report.number("pending"), 600 - sent);
        world.advance_hours(24, 240).await;
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
    assert_eq!(world.upload(&campaign, contacts_csv(0..50)).await.number("added"), 50);
    let again = world.upload(&campaign, contacts_csv(0..50)).await.expect(200);
    assert_eq!((again.number("added"), again.number("duplicates")), (0, 50));
    assert_eq!(world.report(&campaign).await.number("recipients"), 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blacklisted_and_opted_out_contacts_are_skipped_at_the_moment_of_sending() {
    let world = World::new().await;
    let connection = world.connection().await;
    let campaign = world.campaign(&connection, json!({})).await;
    world.blacklist(&phone(0)).await.expect(201);
    let uploaded = world.upload(&campaign, contacts_csv(0..10)).await.expect(200);
    assert_eq!((uploaded.number("added"), uploaded.number("suppressed")), (9, 1));
    // After the import: one over the API, one by WhatsApp's own opt-out.
    world.blacklist(&phone(1)).await.expect(201);
    world.simulator.stop_marketing(&phone(2));
    world.wait_until_idle().await;

    world.start(&campaign).await.expect(200);
    world.run_until_idle().await;
    let report = world.report(&campaign).await;
    assert_eq!(report.number("skipped"), 3, "{}", report.text);
    assert_eq!(report.body["skipped_by_reason"], json!({"blacklisted": 2, "opted_out": 1}));
    assert_eq!(report.number("sent"), 7);
    assert_eq!(world.simulator.summary().accepted, 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_campaigns_at_once_send_to_a_person_six_seconds_apart() {
    let world = World::builder().behaviour(Behaviour::no_webhooks()).rate(10.0).build().await;
    let mut campaigns = Vec::new();
    for number in ["800000000000001", "800000000000002"] {
        let provider = World::sender(number, "900000000000001");
        let connection = world.connection_with(json!({ "provider": provider })).await;
        campaigns.push(world.started_on(&connection, 0..20, json!({})).await);
    }
    world.run_until_idle().await;
    // Who could not be claimed in time waits for another batch.
    for _ in 0..3 {
        world.clock.advance(Duration::from_mins(1));
        world.run_until_idle().await;
    }
    let log = world.simulator.log();
    for number in 0..20 {
        let to_one = log.iter().filter(|entry| entry.to == wa_id(number));
        let mut times: Vec<u64> = to_one.map(|entry| entry.at_ms).collect();
        times.sort_unstable();
        let [first, second] = times[..] else { panic!("{times:?}") };
        assert!(second >= first + 6_000, "{} ms apart", second - first);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replies_count_for_the_quoted_campaign_or_else_for_the_latest() {
    let world = World::new().await;
    let connection = world.connection().await;
    let first = world.started_on(&connection, 0..2, json!({"name": "First"})).await;
    world.run_until_idle().await;
    let log = world.simulator.log();
    let quoted = log.iter().find(|entry| entry.to == wa_id(0)).map(|entry| entry.wamid.clone());
    world.advance_hours(1, 60).await;
    let second = world.started_on(&connection, 0..2, json!({"name": "Second"})).await;
    world.run_until_idle().await;
    world.advance_hours(1, 60).await;

    let quoting = InboundMessage::text(phone(0), "yes please").quoting(quoted.expect("sent"));
    world.simulator.send_inbound(quoting);
    world.simulator.send_inbound(InboundMessage::text(phone(1), "who is this?"));
    world.wait_until_idle().await;
    assert_eq!(world.report(&first).await.number("replied"), 1);
    assert_eq!(world.report(&second).await.number("replied"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn emptying_the_queues_loses_nothing_and_sends_nothing_twice() {
    let world = World::builder().rate(2.0).build().await;
    let campaign = world.started_with(800, json!({"daily_send_limit": 1000})).await;
    world.tick().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    world.host.purge_queues().await.expect("the queues are emptied");

    world.advance_hours(1, 12).await;
    let report = world.report(&campaign).await;
    assert_eq!((report.number("sent"), report.number("pending")), (800, 0), "{}", report.text);
    assert_eq!(world.simulator.summary().duplicates, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_campaign_stops_sending_and_a_resumed_one_continues() {
    let world = World::builder().rate(2.0).build().await;
    let campaign = world.started_with(400, json!({"daily_send_limit": 1000})).await;
    world.tick().await;
    world.wait_until_accepted(50).await;
    world.pause(&campaign).await.expect(200);
    world.wait_until_idle().await;
    let sent = world.report(&campaign).await.number("sent");
    assert!((50..400).contains(&sent), "{sent} sent before the pause took effect");
    world.run_until_idle().await;
    assert_eq!(world.report(&campaign).await.number("sent"), sent);
    world.pause(&campaign).await.expect(409);

    world.resume(&campaign).await.expect(200);
    world.run_until_idle().await;
    world.run_until_idle().await;
    assert_eq!(world.report(&campaign).await.number("sent"), 400);
    assert_eq!(world.simulator.summary().duplicates, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelling_cancels_every_pending_recipient() {
    let world = World::new().await;
    let campaign = world.started_with(50, json!({"daily_send_limit": 20})).await;
    world.run_until_idle().await;
    world.cancel(&campaign).await.expect(200);
    world.run_until_idle().await;
    let report = world.report(&campaign).await;
    assert_eq!((report.number("sent"), report.number("cancelled")), (20, 30), "{}", report.text);
    let refused = world.resume(&campaign).await.expect(409);
    assert!(refused.string("detail").contains("cancelled"), "{}", refused.text);
    world.upload(&campaign, contacts_csv(100..101)).await.expect(409);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_loses_nothing() {
    let world = World::new().await;
    let campaign = world.started(300).await;
    world.tick().await;
    let world = world.restart().await;
    world.run_until_idle().await;
    world.advance_hours(24, 240).await;
    let report = world.report(&campaign).await;
    assert_eq!(report.number("sent"), 300, "{}", report.text);
    assert_eq!(world.simulator.summary().duplicates, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_keeps_within_the_quota_and_uses_what_expires() {
    let world = World::new().await;
    let connection = world.connection_with(json!({"quota_limit": 100})).await;
    let campaign = world.started_on(&connection, 0..250, json!({})).await;
    world.advance_hours(20, 60).await;
    assert_eq!(world.report(&campaign).await.number("sent"), 100);
    // A reservation expires some minutes after 24 hours.
    world.advance_hours(36, 60).await;
    let log = world.simulator.summary();
    assert_eq!(log.accepted, 250.min(world.report(&campaign).await.number("sent")));
    assert!(log.accepted >= 200 && log.peak_recipients_per_day <= 100, "{log:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_realistic_funnel_matches_the_simulators_log() {
    let world = World::with(Behaviour::realistic()).await;
    let campaign = world.started_with(500, json!({"daily_send_limit": 1000})).await;
    world.run_until_idle().await;
    world.advance_hours(72, 120).await;
    let (report, log) = (world.report(&campaign).await, world.simulator.summary());
    assert_eq!(report.number("sent") + report.number("failed"), log.recipients);
    assert_eq!(report.number("received"), log.acknowledged.delivered);
    assert_eq!(report.number("failed"), log.acknowledged.failed);
    assert!(report.number("replied") >= 1 && report.number("replied") <= log.acknowledged.replies);
    assert_eq!(report.number("recipients"), 500);
}
