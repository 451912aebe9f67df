//! People who are known by several keys, and what holds for all of them.

use carillon_testkit::{World, contacts_csv, phone};
use serde_json::{Value, json};
use whatsapp_simulator::Behaviour;

const BSUID: &str = "CO.1349aBcD";

/// A webhook with one piece of news.
fn envelope(field: &str, value: &Value) -> Vec<u8> {
    let entry = json!({"id": "900000000000001", "changes": [{"field": field, "value": value}]});
    json!({"object": "whatsapp_business_account", "entry": [entry]}).to_string().into_bytes()
}

fn metadata() -> Value {
    json!({"display_phone_number": "15550100001", "phone_number_id": "800000000000001"})
}

async fn take_in(world: &World, body: Vec<u8>) {
    let signature = World::sign(&body);
    assert_eq!(world.post_webhook(body, &signature).await.status, 200);
}

/// A text of the person, by phone and BSUID or by BSUID alone.
fn text(world: &World, id: &str, phone: Option<&str>) -> Vec<u8> {
    let at = world.clock.now().as_second().to_string();
    let mut message = json!({
        "from_user_id": BSUID, "id": id, "timestamp": at, "type": "text", "text": {"body": "hi"},
    });
    let mut contact = json!({"profile": {"name": "Ana"}, "user_id": BSUID});
    if let Some(phone) = phone {
        message["from"] = phone.trim_start_matches('+').into();
        contact["wa_id"] = phone.trim_start_matches('+').into();
    }
    envelope(
        "messages",
        &json!({
            "messaging_product": "whatsapp", "metadata": metadata(),
            "contacts": [contact], "messages": [message],
        }),
    )
}

/// Meta's stop of a person who is named by BSUID alone.
fn stop(world: &World) -> Vec<u8> {
    let at = world.clock.now().as_second();
    envelope(
        "user_preferences",
        &json!({
            "messaging_product": "whatsapp", "metadata": metadata(),
            "contacts": [{"user_id": BSUID}],
            "user_preferences": [{
                "user_id": BSUID, "detail": "User requested to stop marketing messages",
                "category": "marketing_messages", "value": "stop", "timestamp": at,
            }],
        }),
    )
}

async fn silent_world() -> World {
    World::builder().behaviour(Behaviour::no_webhooks()).build().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_under_one_key_bars_the_other_whichever_came_first() {
    for learned_first in [true, false] {
        let world = silent_world().await;
        let connection = world.connection().await;
        let campaign = world.campaign(&connection, json!({})).await;
        world.upload(&campaign, contacts_csv(0, 3)).await.expect(200);
        let learn = text(&world, "wamid.1", Some(&phone(1)));
        let news = if learned_first { [learn, stop(&world)] } else { [stop(&world), learn] };
        for body in news {
            take_in(&world, body).await;
        }
        world.act(&campaign, "start").await.expect(200);
        world.settle().await;
        let report = world.report(&campaign).await;
        assert_eq!((report.number("sent"), report.number("skipped")), (2, 1), "{}", report.text);
        let barred = phone(1).trim_start_matches('+').to_owned();
        assert!(world.simulator.log().iter().all(|entry| entry.to != barred));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_blacklist_holds_under_every_key() {
    let world = silent_world().await;
    world.connection().await;
    take_in(&world, text(&world, "wamid.1", Some(&phone(1)))).await;
    world.request("PUT", &format!("/v1/contacts/{BSUID}/blacklist"), None).await.expect(200);
    let path = format!("/v1/contacts/{}", phone(1).replace('+', "%2B"));
    let contact = world.get(&path).await.expect(200);
    assert!(contact.text.contains("blacklisted_at") && contact.text.contains(BSUID));
    world.request("DELETE", &format!("{path}/blacklist"), None).await.expect(200);
    let other = world.get(&format!("/v1/contacts/{BSUID}")).await.expect(200);
    assert!(!other.text.contains("blacklisted_at"), "{}", other.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_under_the_other_key_counts_for_the_campaign() {
    let world = silent_world().await;
    let connection = world.connection().await;
    let campaign = world.campaign(&connection, json!({})).await;
    world.upload(&campaign, contacts_csv(0, 3)).await.expect(200);
    take_in(&world, text(&world, "wamid.1", Some(&phone(1)))).await;
    world.act(&campaign, "start").await.expect(200);
    world.settle().await;
    assert_eq!(world.report(&campaign).await.number("replied"), 0);
    take_in(&world, text(&world, "wamid.2", None)).await;
    assert_eq!(world.report(&campaign).await.number("replied"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_is_imported_once_whatever_the_key() {
    let world = silent_world().await;
    let connection = world.connection().await;
    let campaign = world.campaign(&connection, json!({})).await;
    take_in(&world, text(&world, "wamid.1", Some(&phone(1)))).await;
    world.upload(&campaign, contacts_csv(0, 3)).await.expect(200);
    let csv = format!("bsuid,first_name\n{BSUID},Ana\n");
    let again = world.upload(&campaign, csv).await.expect(200);
    assert_eq!((again.number("added"), again.number("duplicates")), (0, 1), "{}", again.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_freed_after_they_were_erased_is_free_under_every_key() {
    let world = silent_world().await;
    let connection = world.connection().await;
    let campaign = world.campaign(&connection, json!({})).await;
    world.upload(&campaign, contacts_csv(0, 3)).await.expect(200);
    take_in(&world, text(&world, "wamid.1", Some(&phone(1)))).await;
    let path = format!("/v1/contacts/{}", phone(1).replace('+', "%2B"));
    world.request("DELETE", &path, None).await.expect(200);
    let other = world.get(&format!("/v1/contacts/{BSUID}")).await.expect(200);
    assert!(other.text.contains("blacklisted_at") && !other.text.contains("Ana"));
    assert!(!other.text.contains(&phone(1)), "{}", other.text);

    world.request("DELETE", &format!("{path}/blacklist"), None).await.expect(200);
    take_in(&world, text(&world, "wamid.2", Some(&phone(1)))).await;
    for key in [path.clone(), format!("/v1/contacts/{BSUID}")] {
        let contact = world.get(&key).await.expect(200);
        assert!(!contact.text.contains("blacklisted_at"), "{}", contact.text);
    }
}
