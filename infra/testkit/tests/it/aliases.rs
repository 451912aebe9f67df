//! Contacts with two keys, a phone number and a BSUID: what holds for one key holds
//! for the other.

use carillon::table::Key;
use carillon_testkit::{FaultRates, World, contacts_csv, phone, wa_id, webhook_body};
use serde_json::json;
use whatsapp_simulator::Behaviour;

const BSUID: &str = "CO.1349aBcD";

/// Contact 1 writes; the webhook names both keys, and so makes them aliases.
fn message_with_both_keys(world: &World, id: &str) -> Vec<u8> {
    message(world, id, Some(&wa_id(1)))
}

/// Contact 1 writes; the webhook names the BSUID alone.
fn message_with_bsuid(world: &World, id: &str) -> Vec<u8> {
    message(world, id, None)
}

fn message(world: &World, id: &str, wa_id: Option<&str>) -> Vec<u8> {
    let at = world.clock.now().as_second().to_string();
    let mut message = json!({
        "from_user_id": BSUID, "id": id, "timestamp": at, "type": "text", "text": {"body": "hi"},
    });
    let mut contact = json!({"profile": {"name": "Ana"}, "user_id": BSUID});
    if let Some(wa_id) = wa_id {
        message["from"] = wa_id.into();
        contact["wa_id"] = wa_id.into();
    }
    let value = json!({"contacts": [contact], "messages": [message]});
    webhook_body::number_change("messages", value)
}

/// WhatsApp's own opt-out of contact 1; the webhook names the BSUID alone.
fn opt_out(world: &World) -> Vec<u8> {
    let preference = json!({
        "user_id": BSUID, "detail": "User requested to stop marketing messages",
        "category": "marketing_messages", "value": "stop", "timestamp": world.clock.now().as_second(),
    });
    let value = json!({"contacts": [{"user_id": BSUID}], "user_preferences": [preference]});
    webhook_body::number_change("user_preferences", value)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_opt_out_under_one_key_suppresses_the_other_in_either_order() {
    for alias_first in [true, false] {
        let world = World::silent().await;
        let campaign = world.draft(3).await;
        let alias = message_with_both_keys(&world, "wamid.1");
        let bodies = if alias_first { [alias, opt_out(&world)] } else { [opt_out(&world), alias] };
        for body in bodies {
            world.post_signed_webhook(body).await.expect(200);
        }
        world.start(&campaign).await.expect(200);
        world.run_until_idle().await;
        let report = world.report(&campaign).await;
        assert_eq!((report.number("sent"), report.number("skipped")), (2, 1), "{}", report.text);
        assert!(world.simulator.log().iter().all(|entry| entry.to != wa_id(1)));
    }
}

/// A sender has read the contact under its phone number, and is about to claim it. Then the
/// number turns out to be the person's who is known by the BSUID.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_opt_out_after_a_merge_holds_for_a_claim_under_the_id_before_it() {
    let builder = World::builder().behaviour(Behaviour::no_webhooks());
    let world = builder.rate(1.0).faults(FaultRates::default()).build().await;
    let connection = world.connection().await;
    // The older contact survives.
    world.post_signed_webhook(message_with_bsuid(&world, "wamid.1")).await.expect(200);
    let campaign = world.started_on(&connection, 1..2, json!({})).await;
    let mut held = world.proxies().table.hold("TransactWriteItems", Key::RECIPIENTS);
    world.tick().await;
    held.arrived().await;
    let merge = message_with_both_keys(&world, "wamid.2");
    for body in [merge, opt_out(&world)] {
        world.post_signed_webhook(body).await.expect(200);
    }
    held.release();
    world.wait_until_idle().await;
    let report = world.report(&campaign).await;
    assert_eq!((report.number("sent"), report.number("skipped")), (0, 1), "{}", report.text);
    assert_eq!(world.simulator.summary().accepted, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_blacklist_holds_under_both_keys() {
    let world = World::silent().await;
    world.connection().await;
    let body = message_with_both_keys(&world, "wamid.1");
    world.post_signed_webhook(body).await.expect(200);
    world.blacklist(BSUID).await.expect(201);
    let contact = world.contact(&phone(1)).await.expect(200);
    assert!(contact.body["blacklisted_at"].is_string() && contact.text.contains(BSUID));
    world.unblacklist(&phone(1)).await.expect(204);
    let other = world.contact(BSUID).await.expect(200);
    assert!(!other.body["blacklisted_at"].is_string(), "{}", other.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_under_the_other_key_counts_for_the_campaign() {
    let world = World::silent().await;
    let campaign = world.draft(3).await;
    let body = message_with_both_keys(&world, "wamid.1");
    world.post_signed_webhook(body).await.expect(200);
    world.start(&campaign).await.expect(200);
    world.run_until_idle().await;
    assert_eq!(world.report(&campaign).await.number("replied"), 0);
    world.post_signed_webhook(message_with_bsuid(&world, "wamid.2")).await.expect(200);
    assert_eq!(world.report(&campaign).await.number("replied"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contact_imported_under_both_keys_is_one_recipient() {
    let world = World::silent().await;
    let connection = world.connection().await;
    let campaign = world.campaign(&connection, json!({})).await;
    let body = message_with_both_keys(&world, "wamid.1");
    world.post_signed_webhook(body).await.expect(200);
    world.upload(&campaign, contacts_csv(0..3)).await.expect(200);
    let csv = format!("bsuid,first_name\n{BSUID},Ana\n");
    let again = world.upload(&campaign, csv).await.expect(200);
    assert_eq!((again.number("added"), again.number("duplicates")), (0, 1), "{}", again.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erased_person_who_writes_again_stays_suppressed_until_released() {
    let world = World::silent().await;
    world.draft(3).await;
    let body = message_with_both_keys(&world, "wamid.1");
    world.post_signed_webhook(body).await.expect(200);
    world.erase(&phone(1)).await.expect(200);
    let other = world.contact(BSUID).await.expect(200);
    assert!(other.body["blacklisted_at"].is_string() && !other.text.contains("Ana"));
    assert!(!other.text.contains(&phone(1)), "{}", other.text);

    world.post_signed_webhook(message_with_both_keys(&world, "wamid.2")).await.expect(200);
    assert!(world.contact(BSUID).await.expect(200).body["blacklisted_at"].is_string());
    world.unblacklist(&phone(1)).await.expect(204);
    for key in [phone(1).as_str(), BSUID] {
        let contact = world.contact(key).await.expect(200);
        assert!(!contact.body["blacklisted_at"].is_string(), "{}", contact.text);
    }
}
