//! The quota of a quota group: its numbers and campaigns share it, never exceed it, and
//! use it up.

use carillon::quota;
use carillon_testkit::{FaultRates, World, phone};
use serde_json::json;
use whatsapp_simulator::InboundMessage;

const QUOTA: u64 = 250;

/// Two numbers of one quota group with a quota of 250 users.
async fn numbers(world: &World) -> [String; 2] {
    let number = |id: &str| {
        let provider = World::sender(id, "900000000000001");
        json!({"provider": provider, "quota_group": "shop", "quota_limit": QUOTA})
    };
    let first = world.connection_with(number("800000000000001")).await;
    [first, world.connection_with(number("800000000000002")).await]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_numbers_and_three_campaigns_share_a_quota_of_250() {
    let world = World::silent().await;
    let [one, two] = numbers(&world).await;
    let mut campaigns = Vec::new();
    for (connection, priority, first) in [(&one, 1, 0), (&two, 5, 350), (&one, 10, 700)] {
        let settings = json!({"priority": priority, "daily_send_limit": 250});
        campaigns.push(world.draft_on(connection, first..first + 400, settings).await);
    }
    for campaign in &campaigns {
        world.start(campaign).await.expect(200);
    }
    // Who is in two campaigns is counted once: what that leaves goes to the highest priority.
    for _ in 0..3 {
        world.run_until_idle().await;
    }
    assert_eq!(world.simulator.summary().recipients, QUOTA);
    // The highest priority gets most, and each of the others its minimum share of 5 %.
    let mut first_day = Vec::new();
    for campaign in &campaigns {
        first_day.push(world.report(campaign).await.number("sent"));
    }
    assert_eq!(first_day[1..], [13, 13]);
    assert!((224..240).contains(&first_day[0]), "{first_day:?}");
    let plan = world.get(&format!("/v1/campaigns/{}/plan", campaigns[1])).await.expect(200);
    assert_eq!(plan.body["waiting"]["code"], "quota_exhausted", "{}", plan.text);
    let report = world.report(&campaigns[1]).await;
    assert!(report.text.contains("quota exhausted, more from"), "{}", report.text);

    // A reservation expires some minutes after 24 hours.
    world.advance_hours(72, 10).await;
    let log = world.simulator.summary();
    assert!(log.peak_recipients_per_day <= QUOTA, "{} users in 24 h", log.peak_recipients_per_day);
    assert!(log.accepted * 100 >= QUOTA * 3 * 95, "only {} messages in three days", log.accepted);
    assert_eq!(log.repeated_callback_data, 0);
}

/// Schedulers, senders and single messages change the same item.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_reservations_at_the_same_moment_do_not_exceed_the_quota() {
    let world = World::builder().faults(FaultRates::default()).build().await;
    let (table, now) = (world.host.table(), world.clock.now());
    quota::store::set_limit(table, "shop", Some(1)).await.expect("stored");
    // The first one has read that a reservation is free.
    let mut held = world.proxies().table.hold("PutItem", "shop");
    let reserve = || quota::store::reserve_one(table, "shop", now);
    let second = async {
        held.arrived().await;
        let reserved = reserve().await;
        held.release();
        reserved
    };
    let (first, second) = tokio::join!(reserve(), second);
    let reserved = [first, second].map(|one| one.expect("the table answers"));
    assert_eq!(reserved, [false, true]);
    let quota = quota::store::get(table, "shop").await.expect("the table answers");
    assert_eq!(quota.reserved(now), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contact_of_several_campaigns_takes_one_reservation() {
    let world = World::silent().await;
    let [one, two] = numbers(&world).await;
    for connection in [&one, &two] {
        world.started_on(connection, 0..200, json!({})).await;
        world.run_until_idle().await;
        world.advance_hours(1, 20).await;
    }
    let log = world.simulator.summary();
    assert_eq!((log.accepted, log.peak_recipients_per_day), (400, 200));
    // 50 of the quota are left. The other 200 expire a day after the second message,
    // which renewed them.
    let third = world.started_on(&one, 1_000..1_100, json!({})).await;
    world.advance_hours(1, 20).await;
    assert_eq!(world.report(&third).await.number("sent"), 50);
    world.advance_hours(22, 20).await;
    assert_eq!(world.report(&third).await.number("sent"), 50);
    world.advance_hours(2, 20).await;
    assert_eq!(world.report(&third).await.number("sent"), 100);
}

/// The runs read their contacts before either of them sends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contact_of_two_campaigns_at_the_same_moment_takes_one_reservation() {
    let world = World::silent().await;
    let connections = numbers(&world).await;
    for connection in &connections {
        world.started_on(connection, 0..100, json!({})).await;
    }
    for _ in 0..6 {
        world.run_until_idle().await;
    }
    let log = world.simulator.summary();
    assert_eq!((log.accepted, log.peak_recipients_per_day), (200, 100));
    let quota = quota::store::get(world.host.table(), "shop").await.expect("the table answers");
    assert_eq!(quota.reserved(world.clock.now()), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contact_with_an_open_service_window_is_exempt() {
    let world = World::new().await;
    let [one, _] = numbers(&world).await;
    for number in 0..20 {
        world.simulator.send_inbound(InboundMessage::text(phone(number), "hello"));
    }
    world.wait_until_idle().await;
    let settings = json!({"daily_send_limit": 400});
    let exempt = world.started_on(&one, 0..20, settings.clone()).await;
    world.run_until_idle().await;
    world.advance_hours(1, 20).await;
    let report = world.report(&exempt).await;
    assert_eq!((report.number("sent"), report.string("status")), (20, "completed".to_owned()));
    // They took nothing of the quota: all of it is left for the others.
    let campaign = world.started_on(&one, 20..300, settings).await;
    for _ in 0..3 {
        world.run_until_idle().await;
    }
    assert_eq!(world.report(&campaign).await.number("sent"), QUOTA);
}
