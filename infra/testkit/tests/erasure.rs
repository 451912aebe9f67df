//! Erasing a person, and how long what they write is kept.

use carillon::analytics::store::{read, recount};
use carillon::ids::CampaignId;
use carillon::table::Items;
use carillon_testkit::{Answer, World, contacts_csv, phone};
use serde_json::{Value, json};
use whatsapp_simulator::{Behaviour, InboundMessage};

/// Every item of the table.
async fn items(world: &World) -> Vec<Items> {
    let (mut items, mut after) = (Vec::new(), None);
    loop {
        let page = world.host.table().scan(after).await.unwrap();
        items.extend(page.items);
        after = page.next;
        if after.is_none() {
            return items;
        }
    }
}

/// The items in which a text occurs.
async fn naming(world: &World, text: &str) -> Vec<Items> {
    let mut items = items(world).await;
    items.retain(|item| format!("{item:?}").contains(text));
    items
}

async fn erase(world: &World, contact: &str) -> Answer {
    let path = format!("/v1/contacts/{}", contact.replace('+', "%2B"));
    world.request("DELETE", &path, None).await
}

/// Whether the counters of a campaign are what a recount gives.
async fn counters_are_true(world: &World, campaign: &str) -> bool {
    let (table, id) = (world.host.table(), campaign.parse::<CampaignId>().unwrap());
    world.host.wait_until_counted().await;
    let campaign = carillon::campaign::store::get(table, id).await.unwrap().unwrap();
    let mut counted = read(table, id, campaign.shards).await.unwrap();
    counted.0.retain(|name, amount| *amount != 0 && !name.starts_with("d_"));
    counted == recount(table, &campaign).await.unwrap()
}

/// A campaign of five, sent and read, that the second of them has answered.
async fn answered_campaign(world: &World, connection: &str) -> String {
    let campaign = world.campaign(connection, json!({})).await;
    world.upload(&campaign, contacts_csv(0, 5)).await.expect(200);
    world.act(&campaign, "start").await.expect(200);
    world.settle().await;
    let from = phone(1).trim_start_matches('+').to_owned();
    world.simulator.send_inbound(InboundMessage::text(from, "do call me, this is Ana Gómez"));
    world.pass(1, 20).await;
    assert_eq!(world.report(&campaign).await.number("replied"), 1);
    campaign
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erased_person_is_nowhere_and_the_numbers_stay_true() {
    let world = World::new().await;
    let connection = world.connection().await;
    let sent = answered_campaign(&world, &connection).await;
    let draft = world.campaign(&connection, json!({})).await;
    world.upload(&draft, contacts_csv(0, 5)).await.expect(200);
    let (report, before) = (world.report(&sent).await.text, days(&world, &sent).await);
    assert!(naming(&world, &phone(1)).await.len() >= 4);

    let erased = erase(&world, &phone(1)).await.expect(200);
    assert_eq!((erased.number("messages"), erased.number("campaigns")), (1, 2), "{}", erased.text);

    let left = naming(&world, &phone(1)).await;
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0].contains_key("blacklisted_at"), "{left:?}");
    let gone = phone(1).trim_start_matches('+').to_owned();
    let message = world.simulator.log().into_iter().find(|entry| entry.to == gone).unwrap();
    for text in ["Person 1\"", "Ana", &message.wamid] {
        assert!(naming(&world, text).await.is_empty(), "{text}");
    }
    assert_eq!(world.report(&sent).await.text, report);
    assert_eq!(days(&world, &sent).await, before);
    assert!(counters_are_true(&world, &sent).await && counters_are_true(&world, &draft).await);
    let skipped = world.report(&draft).await.body["skipped_for"].clone();
    assert_eq!(skipped, json!({"erased": 1}));
}

async fn days(world: &World, campaign: &str) -> Value {
    world.host.wait_until_counted().await;
    world.get(&format!("/v1/campaigns/{campaign}/analytics")).await.expect(200).body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_was_erased_is_not_sent_to_by_an_old_list() {
    let world = World::builder().behaviour(Behaviour::no_webhooks()).build().await;
    let connection = world.connection().await;
    let draft = world.campaign(&connection, json!({})).await;
    world.upload(&draft, contacts_csv(0, 5)).await.expect(200);
    erase(&world, &phone(1)).await.expect(200);
    let later = world.campaign(&connection, json!({})).await;
    for campaign in [&draft, &later] {
        world.upload(campaign, contacts_csv(0, 5)).await.expect(200);
        world.act(campaign, "start").await.expect(200);
    }
    world.pass(1, 10).await;
    let gone = phone(1).trim_start_matches('+').to_owned();
    let log = world.simulator.log();
    assert_eq!(log.len(), 8);
    assert!(log.iter().all(|entry| entry.to != gone));
    // Nor does it bring their name back.
    assert!(naming(&world, "Person 1\"").await.is_empty());
}

/// The keys on a campaign's list, read so many at a time.
async fn listed(world: &World, campaign: &str, limit: usize) -> Vec<String> {
    let (mut keys, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/campaigns/{campaign}/recipients?limit={limit}{cursor}");
        let page = world.get(&path).await.expect(200).body;
        for item in page["items"].as_array().unwrap() {
            keys.push(item["contact"].as_str().unwrap().to_owned());
        }
        assert!(keys.len() <= 40, "the list has no end");
        let Some(next) = page["next_cursor"].as_str() else { return keys };
        cursor = format!("&cursor={next}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_list_is_whole_however_it_is_read() {
    let world = World::builder().behaviour(Behaviour::no_webhooks()).build().await;
    let connection = world.connection().await;
    let campaign = world.campaign(&connection, json!({})).await;
    world.upload(&campaign, contacts_csv(0, 40)).await.expect(200);
    for number in 0..10 {
        erase(&world, &phone(number)).await.expect(200);
    }
    let whole = listed(&world, &campaign, 100).await;
    assert_eq!(whole.iter().filter(|key| key.starts_with("erased.")).count(), 10);
    assert_eq!(whole.len(), 40);
    assert_eq!(listed(&world, &campaign, 1).await, whole);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn erasing_again_or_while_a_walk_stands_there_does_no_harm() {
    let world = World::builder().behaviour(Behaviour::no_webhooks()).build().await;
    let connection = world.connection().await;
    let campaign = world.campaign(&connection, json!({"daily_send_limit": 20})).await;
    world.upload(&campaign, contacts_csv(0, 60)).await.expect(200);
    world.act(&campaign, "start").await.expect(200);
    world.settle().await;
    let id: CampaignId = campaign.parse().unwrap();
    let stored = carillon::campaign::store::get(world.host.table(), id).await.unwrap().unwrap();
    let standing = stored.walk.cursor.expect("a walk under way").contact;

    erase(&world, &standing).await.expect(200);
    assert_eq!(naming(&world, &standing).await.len(), 1, "only the bar");
    let again = erase(&world, &standing).await.expect(200);
    assert_eq!(again.number("campaigns"), 0);
    let pseudonym = world.get(&format!("/v1/campaigns/{campaign}/recipients?limit=100")).await;
    let pseudonym = pseudonym.body["items"].as_array().unwrap().iter().find_map(|item| {
        item["contact"].as_str().filter(|key| key.starts_with("erased.")).map(str::to_owned)
    });
    erase(&world, &pseudonym.expect("a text in their place")).await.expect(422);

    world.pass(72, 120).await;
    let report = world.report(&campaign).await;
    assert_eq!(report.number("sent"), 60, "{}", report.text);
    assert_eq!(world.simulator.log().len(), 60);
    assert!(counters_are_true(&world, &campaign).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_who_is_unknown_can_be_erased() {
    let world = World::new().await;
    erase(&world, &phone(1)).await.expect(404);
    erase(&world, "nobody").await.expect(422);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_contacts_write_is_kept_for_a_year() {
    let world = World::new().await;
    let connection = world.connection().await;
    answered_campaign(&world, &connection).await;
    let messages = naming(&world, "do call me").await;
    assert_eq!(messages.len(), 1);
    let expiry: i64 = messages[0]["expires_at"].as_n().unwrap().parse().unwrap();
    let year = 365 * 24 * 3600;
    let age = expiry - world.clock.now().as_second();
    assert!((year - 2 * 3600..=year).contains(&age), "{age} seconds");
}
