//! The portfolio's limit of different people in any 24 hours, which all its
//! numbers and campaigns share: never broken, and not wasted either.

use carillon_testkit::{World, contacts_csv, phone};
use serde_json::json;
use whatsapp_simulator::{Behaviour, InboundMessage};

const LIMIT: u64 = 250;

/// Two numbers of one portfolio of 250 people.
async fn numbers(world: &World) -> [String; 2] {
    let number =
        |id: &str| json!({"phone_number_id": id, "portfolio": "shop", "messaging_limit": LIMIT});
    let first = world.connection_with(number("800000000000001")).await;
    [first, world.connection_with(number("800000000000002")).await]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_numbers_and_three_campaigns_share_250_people_a_day() {
    let world = World::builder().behaviour(Behaviour::no_webhooks()).build().await;
    let [one, two] = numbers(&world).await;
    let mut campaigns = Vec::new();
    for (connection, priority, first) in [(&one, 1, 0), (&two, 5, 350), (&one, 10, 700)] {
        let settings = json!({"priority": priority, "daily_send_limit": 250});
        let campaign = world.campaign(connection, settings).await;
        world.upload(&campaign, contacts_csv(first, 400)).await.expect(200);
        campaigns.push(campaign);
    }
    for campaign in &campaigns {
        world.act(campaign, "start").await.expect(200);
    }
    world.settle().await;
    // What is scarce goes by priority, but the last gets its 5 %.
    let mut first_day = Vec::new();
    for campaign in &campaigns {
        first_day.push(world.report(campaign).await.number("sent"));
    }
    assert_eq!(first_day, [224, 13, 13]);
    let waits = world.get(&format!("/v1/campaigns/{}/plan", campaigns[1])).await.expect(200);
    assert!(waits.text.contains("portfolio_limit"), "{}", waits.text);
    let report = world.report(&campaigns[1]).await;
    assert!(report.text.contains("portfolio limit, next places at"), "{}", report.text);

    // Three days and a little: places count some minutes longer than 24 hours.
    world.pass(72, 10).await;
    let log = world.simulator.summary();
    assert!(log.peak_recipients_per_day <= LIMIT, "{} people in 24 h", log.peak_recipients_per_day);
    assert!(log.accepted * 100 >= LIMIT * 3 * 95, "only {} messages in three days", log.accepted);
    assert_eq!(log.repeated_callback_data, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_takes_one_place_however_many_campaigns_write_to_them() {
    let world = World::builder().behaviour(Behaviour::no_webhooks()).build().await;
    let [one, two] = numbers(&world).await;
    for connection in [&one, &two] {
        let campaign = world.campaign(connection, json!({})).await;
        world.upload(&campaign, contacts_csv(0, 200)).await.expect(200);
        world.act(&campaign, "start").await.expect(200);
        world.settle().await;
        world.pass(1, 20).await;
    }
    let log = world.simulator.summary();
    assert_eq!((log.accepted, log.peak_recipients_per_day), (400, 200));
    // The second message is what counts from now on: 50 places are left, and the
    // 200 come back a day after it.
    let third = world.campaign(&one, json!({})).await;
    world.upload(&third, contacts_csv(1_000, 100)).await.expect(200);
    world.act(&third, "start").await.expect(200);
    world.pass(1, 20).await;
    assert_eq!(world.report(&third).await.number("sent"), 50);
    world.pass(22, 20).await;
    assert_eq!(world.report(&third).await.number("sent"), 50);
    world.pass(2, 20).await;
    assert_eq!(world.report(&third).await.number("sent"), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_wrote_to_us_takes_no_place() {
    let world = World::new().await;
    let [one, _] = numbers(&world).await;
    for number in 0..20 {
        world.simulator.send_inbound(InboundMessage::text(phone(number), "hello"));
    }
    world.quiet().await;
    let campaign = world.campaign(&one, json!({"daily_send_limit": 400})).await;
    world.upload(&campaign, contacts_csv(0, 300)).await.expect(200);
    world.act(&campaign, "start").await.expect(200);
    world.settle().await;
    world.settle().await;
    assert_eq!(world.report(&campaign).await.number("sent"), 270);
}
