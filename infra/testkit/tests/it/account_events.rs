//! Account events of Meta's: quotas follow them, and campaigns halt before a message
//! fails.

use std::time::Duration;

use carillon_testkit::{World, wa_id, webhook_body};
use serde_json::{Value, json};
use whatsapp_simulator::Number;

async fn account_event(world: &World, field: &str, value: Value) {
    world.simulator.account_event(field, value);
    world.wait_until_idle().await;
}

/// The only connection.
async fn connection(world: &World) -> Value {
    world.get("/v1/connections").await.expect(200).items().remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_quota_follows_business_capability_update() {
    let world = World::new().await;
    let campaign = world.started(100).await;
    let limit =
        json!({"max_daily_conversations_per_business": 30, "max_phone_numbers_per_business": 2});
    account_event(&world, "business_capability_update", limit).await;
    assert_eq!(connection(&world).await["effective_quota_limit"], 30);
    world.run_until_idle().await;
    assert_eq!(world.report(&campaign).await.number("sent"), 30);
    world.clock.advance(Duration::from_mins(5));
    let limit = json!({"max_daily_conversations_per_business": "TIER_250"});
    account_event(&world, "business_capability_update", limit).await;
    world.run_until_idle().await;
    assert_eq!(world.report(&campaign).await.number("sent"), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_template_halts_its_campaigns_until_they_are_resumed() {
    let world = World::new().await;
    let campaign = world.started(100).await;
    let paused = json!({
        "event": "PAUSED", "message_template_id": 1, "message_template_name": "spring_offer",
        "message_template_language": "en_US", "reason": "NONE",
    });
    account_event(&world, "message_template_status_update", paused).await;
    world.run_until_idle().await;
    let report = world.report(&campaign).await;
    assert_eq!((report.string("status"), report.number("sent")), ("halted".to_owned(), 0));
    assert!(report.body["halt"]["detail"].to_string().contains("paused"), "{}", report.text);
    world.resume(&campaign).await.expect(200);
    world.run_until_idle().await;
    assert_eq!(world.report(&campaign).await.number("sent"), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_restriction_halts_all_campaigns_of_the_account() {
    let world = World::new().await;
    let campaign = world.started(100).await;
    let restricted = json!({
        "event": "ACCOUNT_RESTRICTION",
        "restriction_info": [{"restriction_type": "RESTRICTED_BIZ_INITIATED_MESSAGING", "expiration": 1_795_900_000}],
    });
    account_event(&world, "account_update", restricted).await;
    let report = world.report(&campaign).await;
    assert_eq!(report.string("status"), "halted");
    assert!(
        report.body["halt"]["detail"].to_string().contains("ACCOUNT_RESTRICTION until"),
        "{}",
        report.text
    );
    assert!(connection(&world).await["note"]["text"].to_string().contains("RESTRICTION"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_event_makes_the_next_batch_probe_the_number() {
    let world = World::new().await;
    let campaign = world.started_with(100, json!({"daily_send_limit": 50})).await;
    assert_eq!(connection(&world).await["quality"], "green");
    world.simulator.add_number(Number {
        quality_rating: "RED".to_owned(),
        status: "BANNED".to_owned(),
        ..Number::default()
    });
    let event = json!({
        "display_phone_number": "15550100001", "event": "FLAGGED", "current_limit": "TIER_250",
    });
    account_event(&world, "phone_number_quality_update", event).await;
    world.run_until_idle().await;
    let report = world.report(&campaign).await;
    assert_eq!((report.string("status"), report.number("sent")), ("halted".to_owned(), 0));
    assert!(report.body["halt"]["detail"].to_string().contains("banned"), "{}", report.text);
    assert_eq!(connection(&world).await["quality"], "red");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alerts_and_template_quality_are_shown_and_halt_nothing() {
    let world = World::new().await;
    let campaign = world.started(100).await;
    let quality = json!({
        "new_quality_score": "YELLOW", "previous_quality_score": "GREEN", "message_template_id": 1,
        "message_template_name": "spring_offer", "message_template_language": "en_US",
    });
    account_event(&world, "message_template_quality_update", quality).await;
    assert_eq!(connection(&world).await["note"]["text"], "template spring_offer: quality yellow");
    let alert = json!({"entity_type": "WABA", "entity_id": "1", "alert_info": {"alert_severity": "WARNING"}, "alert_type": "OBA_APPROVED"});
    account_event(&world, "account_alerts", alert).await;
    world.run_until_idle().await;
    assert_eq!(world.report(&campaign).await.number("sent"), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocked_country_is_skipped_until_it_is_unblocked() {
    let world = World::silent().await;
    let campaign = world.started(100).await;
    let connection = connection(&world).await;
    let connection = connection["id"].as_str().expect("an id");
    let path = format!("/v1/connections/{connection}");
    world.patch(&path, &json!({"blocked_countries": ["co"]})).await.expect(200);
    world.run_until_idle().await;
    let report = world.report(&campaign).await;
    assert_eq!(report.number("skipped"), 100, "{}", report.text);
    assert!(report.text.contains("\"country_blocked\":100"), "{}", report.text);
    world.patch(&path, &json!({"blocked_countries": []})).await.expect(200);
    let second = world.started_on(connection, 0..2, json!({})).await;
    world.clock.advance(Duration::from_mins(2));
    world.run_until_idle().await;
    assert_eq!(world.report(&second).await.number("sent"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_messages_of_the_contact_count_as_replies() {
    let world = World::silent().await;
    let campaign = world.started(2).await;
    world.run_until_idle().await;
    for (kind, content, replied) in [
        ("reaction", json!({"message_id": "wamid.x", "emoji": "👍"}), 0),
        ("system", json!({"type": "customer_identity_changed"}), 0),
        ("unsupported", json!({"type": "poll"}), 0),
        ("text", json!({"body": "yes"}), 1),
    ] {
        let at = world.clock.now().as_second().to_string();
        let message = json!({"from": wa_id(1), "id": format!("wamid.{kind}"), "timestamp": at, "type": kind, kind: content});
        let contact = json!({"profile": {"name": "Ana"}, "wa_id": wa_id(1)});
        let value = json!({"contacts": [contact], "messages": [message]});
        let body = webhook_body::number_change("messages", value);
        world.post_signed_webhook(body).await.expect(200);
        assert_eq!(world.report(&campaign).await.number("replied"), replied, "{kind}");
    }
}
