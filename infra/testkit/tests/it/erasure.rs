//! Erasure of a contact, and the retention of inbound messages.

use carillon_testkit::{FaultRates, World, contacts_csv, phone, wa_id};
use serde_json::{Value, json};
use whatsapp_simulator::InboundMessage;

/// A started campaign of five contacts whose messages are read; contact 1 replied.
async fn answered_campaign(world: &World, connection: &str) -> String {
    let campaign = world.started_on(connection, 0..5, json!({})).await;
    world.run_until_idle().await;
    world.simulator.send_inbound(InboundMessage::text(wa_id(1), "do call me, this is Ana Gómez"));
    world.advance_hours(1, 20).await;
    assert_eq!(world.report(&campaign).await.number("replied"), 1);
    campaign
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn erasing_a_contact_removes_their_data_and_keeps_every_count() {
    let world = World::new().await;
    let connection = world.connection().await;
    let sent = answered_campaign(&world, &connection).await;
    let draft = world.draft_on(&connection, 0..5, json!({})).await;
    let (report, days) = (world.report(&sent).await.text, world.analytics(&sent).await.body);
    assert!(world.items_containing(&phone(1)).await.len() >= 3);

    let erased = world.erase(&phone(1)).await.expect(200);
    assert_eq!((erased.number("messages"), erased.number("campaigns")), (1, 2), "{}", erased.text);

    let left = world.items_containing(&phone(1)).await;
    assert!(left.is_empty(), "{left:?}");
    let hashes = world.items_containing("ADDRESS#phone:").await;
    let suppressed = hashes.iter().filter(|item| item.contains_key("suppressed")).count();
    assert_eq!((suppressed, hashes.len()), (1, 5));
    let log = world.simulator.log();
    let message = log.into_iter().find(|entry| entry.to == wa_id(1)).expect("the message");
    for text in ["Person 1\"", "Ana Gómez", &message.wamid, &wa_id(1)] {
        assert!(world.items_containing(text).await.is_empty(), "{text}");
    }
    assert_eq!(world.report(&sent).await.text, report);
    assert_eq!(world.analytics(&sent).await.body, days);
    world.assert_counters_exact(&sent).await;
    world.assert_counters_exact(&draft).await;
    let skipped = world.report(&draft).await.body["skipped_by_reason"].clone();
    assert_eq!(skipped, json!({"erased": 1}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_erased_while_a_file_is_uploaded_leaves_no_column() {
    let world = World::builder().faults(FaultRates::default()).build().await;
    let connection = world.connection().await;
    world.draft_on(&connection, 0..24, json!({})).await;
    world.proxies().table.set_rates(FaultRates { delayed: 0.3, ..FaultRates::default() });
    for first in [0, 8, 16] {
        let people = first..first + 8;
        let drafts: Vec<_> =
            (0..8).map(|_| world.draft_on(&connection, people.clone(), json!({}))).collect();
        let erase_all = async {
            for number in people.clone() {
                world.erase(&phone(number)).await.expect(200);
            }
        };
        tokio::join!(erase_all, futures::future::join_all(drafts));
    }
    for number in 0..24 {
        let left = world.items_containing(&format!("\"Person {number}\"")).await;
        assert!(left.is_empty(), "{number}: {left:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erased_contact_is_suppressed_in_drafts_and_in_later_imports() {
    let world = World::silent().await;
    let connection = world.connection().await;
    let draft = world.draft_on(&connection, 0..5, json!({})).await;
    world.erase(&phone(1)).await.expect(200);
    let later = world.campaign(&connection, json!({})).await;
    for campaign in [&draft, &later] {
        world.upload(campaign, contacts_csv(0..5)).await.expect(200);
        world.start(campaign).await.expect(200);
    }
    world.advance_hours(1, 10).await;
    let log = world.simulator.log();
    assert_eq!(log.len(), 8);
    assert!(log.iter().all(|entry| entry.to != wa_id(1)));
    // The import doesn't restore the name.
    assert!(world.items_containing("Person 1\"").await.is_empty());
}

/// The contacts of all pages of a campaign's recipients.
async fn contacts_by_page(world: &World, campaign: &str, limit: usize) -> Vec<String> {
    let (mut keys, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/campaigns/{campaign}/recipients?limit={limit}{cursor}");
        let page = world.get(&path).await.expect(200);
        keys.extend(page.items().iter().map(contact));
        assert!(keys.len() <= 40, "the pages have no end");
        let Some(next) = page.body["next_cursor"].as_str() else { return keys };
        cursor = format!("&cursor={next}");
    }
}

fn contact(recipient: &Value) -> String {
    recipient["contact_id"].as_str().expect("a contact").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_with_erased_recipients_is_complete_at_every_page_size() {
    let world = World::silent().await;
    let campaign = world.draft(40).await;
    for number in 0..10 {
        world.erase(&phone(number)).await.expect(200);
    }
    let recipients = world.recipients(&campaign).await;
    assert_eq!(recipients.iter().filter(|one| one["address"].is_null()).count(), 10);
    let one_page = contacts_by_page(&world, &campaign, 100).await;
    assert_eq!(one_page.len(), 40);
    assert_eq!(contacts_by_page(&world, &campaign, 1).await, one_page);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn erasure_is_idempotent_and_does_not_move_the_campaigns_cursor() {
    let world = World::silent().await;
    let campaign = world.started_with(60, json!({"daily_send_limit": 20})).await;
    world.run_until_idle().await;
    let passed = world.stored_campaign(&campaign).await.walk.passed;
    let at_cursor = (0..8).find_map(|shard| passed.of(shard)).expect("a walk that has not ended");
    let recipients = world.recipients(&campaign).await;
    let found = recipients.iter().find(|one| contact(one) == at_cursor.to_string());
    let address = found.expect("a recipient")["address"].as_str().expect("an address").to_owned();

    world.erase(&address).await.expect(200);
    assert!(world.items_containing(&address).await.is_empty(), "the hash only");
    let again = world.erase(&address).await.expect(200);
    assert_eq!(again.number("campaigns"), 0);

    world.advance_hours(72, 120).await;
    let report = world.report(&campaign).await;
    assert_eq!(report.number("sent") + report.number("skipped"), 60, "{}", report.text);
    assert_eq!(world.simulator.log().len() as u64, report.number("sent"));
    world.assert_counters_exact(&campaign).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_contact_can_not_be_erased() {
    let world = World::new().await;
    let unknown = "/v1/contacts/ctc_01890a5d-ac96-774b-bcce-b302099a8057/erase";
    world.post(unknown, &json!({})).await.expect(404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inbound_messages_expire_after_a_year() {
    let world = World::new().await;
    let connection = world.connection().await;
    answered_campaign(&world, &connection).await;
    let messages = world.items_containing("do call me").await;
    assert_eq!(messages.len(), 1);
    let expiry = messages[0]["expires_at"].as_n().expect("a number");
    let expiry: i64 = expiry.parse().expect("seconds");
    let year = 365 * 24 * 3600;
    let age = expiry - world.clock.now().as_second();
    assert!((year - 2 * 3600..=year).contains(&age), "{age} seconds");
}
