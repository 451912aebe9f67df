//! News of the account: limits move and campaigns halt before a message has to
//! find out.

use carillon_testkit::{World, contacts_csv, phone};
use serde_json::{Value, json};
use whatsapp_simulator::Behaviour;

async fn running(world: &World, settings: Value) -> String {
    let connection = world.connection().await;
    let campaign = world.campaign(&connection, settings).await;
    world.upload(&campaign, contacts_csv(0, 100)).await.expect(200);
    world.act(&campaign, "start").await.expect(200);
    campaign
}

async fn tell(world: &World, field: &str, value: Value) {
    world.simulator.account_event(field, value);
    world.quiet().await;
}

async fn connection(world: &World) -> Value {
    let listed = world.get("/v1/connections").await.expect(200);
    let listed: Value = serde_json::from_str(&listed.text).expect("JSON");
    listed["items"][0].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limit_follows_what_meta_says() {
    let world = World::new().await;
    let campaign = running(&world, json!({})).await;
    let limit =
        json!({"max_daily_conversations_per_business": 30, "max_phone_numbers_per_business": 2});
    tell(&world, "business_capability_update", limit).await;
    assert_eq!(connection(&world).await["messaging_limit"], 30);
    world.settle().await;
    assert_eq!(world.report(&campaign).await.number("sent"), 30);
    world.clock.advance(std::time::Duration::from_mins(5));
    let limit = json!({"max_daily_conversations_per_business": "TIER_250"});
    tell(&world, "business_capability_update", limit).await;
    world.settle().await;
    assert_eq!(world.report(&campaign).await.number("sent"), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_template_halts_its_campaigns() {
    let world = World::new().await;
    let campaign = running(&world, json!({})).await;
    let paused = json!({
        "event": "PAUSED", "message_template_id": 1, "message_template_name": "spring_offer",
        "message_template_language": "en_US", "reason": "NONE",
    });
    tell(&world, "message_template_status_update", paused).await;
    world.settle().await;
    let report = world.report(&campaign).await;
    assert_eq!((report.string("status"), report.number("sent")), ("halted".to_owned(), 0));
    assert!(report.string("halted_for").contains("paused"), "{}", report.text);
    // A person looks after it and resumes.
    world.act(&campaign, "resume").await.expect(200);
    world.settle().await;
    assert_eq!(world.report(&campaign).await.number("sent"), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restricted_account_halts_all_its_campaigns() {
    let world = World::new().await;
    let campaign = running(&world, json!({})).await;
    let restricted = json!({
        "event": "ACCOUNT_RESTRICTION",
        "restriction_info": [{"restriction_type": "RESTRICTED_BIZ_INITIATED_MESSAGING", "expiration": 1_795_900_000}],
    });
    tell(&world, "account_update", restricted).await;
    let report = world.report(&campaign).await;
    assert_eq!(report.string("status"), "halted");
    assert!(report.string("halted_for").contains("ACCOUNT_RESTRICTION until"), "{}", report.text);
    assert!(connection(&world).await["note"]["text"].to_string().contains("RESTRICTION"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn news_of_a_number_are_looked_up_before_the_next_batch() {
    let world = World::new().await;
    let campaign = running(&world, json!({"daily_send_limit": 50})).await;
    assert_eq!(connection(&world).await["quality"], "green");
    world.simulator.add_number(whatsapp_simulator::Number {
        quality_rating: "RED".to_owned(),
        status: "BANNED".to_owned(),
        ..whatsapp_simulator::Number::default()
    });
    let event = json!({
        "display_phone_number": "15550100001", "event": "FLAGGED", "current_limit": "TIER_250",
    });
    tell(&world, "phone_number_quality_update", event).await;
    world.settle().await;
    let report = world.report(&campaign).await;
    assert_eq!((report.string("status"), report.number("sent")), ("halted".to_owned(), 0));
    assert!(report.string("halted_for").contains("banned"), "{}", report.text);
    assert_eq!(connection(&world).await["quality"], "red");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alerts_and_quality_are_shown_and_stop_nothing() {
    let world = World::new().await;
    let campaign = running(&world, json!({})).await;
    let quality = json!({
        "new_quality_score": "YELLOW", "previous_quality_score": "GREEN", "message_template_id": 1,
        "message_template_name": "spring_offer", "message_template_language": "en_US",
    });
    tell(&world, "message_template_quality_update", quality).await;
    assert_eq!(connection(&world).await["note"]["text"], "template spring_offer: quality yellow");
    let alert = json!({"entity_type": "WABA", "entity_id": "1", "alert_info": {"alert_severity": "WARNING"}, "alert_type": "OBA_APPROVED"});
    tell(&world, "account_alerts", alert).await;
    world.settle().await;
    assert_eq!(world.report(&campaign).await.number("sent"), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reaction_is_no_reply_and_a_blocked_country_can_be_freed() {
    let world = World::builder().behaviour(Behaviour::no_webhooks()).build().await;
    let campaign = running(&world, json!({})).await;
    let connection = connection(&world).await;
    let path = format!("/v1/connections/{}", connection["id"].as_str().expect("an id"));
    let blocked = json!({"blocked_countries": ["co"]});
    world.request("PATCH", &path, Some(&blocked)).await.expect(200);
    world.settle().await;
    let report = world.report(&campaign).await;
    assert_eq!(report.number("skipped"), 100, "{}", report.text);
    assert!(report.text.contains("\"country_blocked\":100"), "{}", report.text);
    world.request("PATCH", &path, Some(&json!({"blocked_countries": []}))).await.expect(200);
    let second = world.campaign(connection["id"].as_str().expect("an id"), json!({})).await;
    world.upload(&second, contacts_csv(0, 2)).await.expect(200);
    world.act(&second, "start").await.expect(200);
    world.clock.advance(std::time::Duration::from_mins(2));
    world.settle().await;
    assert_eq!(world.report(&second).await.number("sent"), 2);
    for (kind, content, replied) in [
        ("reaction", json!({"message_id": "wamid.x", "emoji": "👍"}), 0),
        ("system", json!({"type": "user_changed_number", "wa_id": "573000000009"}), 0),
        ("unsupported", json!({"type": "poll"}), 0),
        ("text", json!({"body": "yes"}), 1),
    ] {
        let at = world.clock.now().as_second().to_string();
        let from = phone(1).trim_start_matches('+').to_owned();
        let message = json!({"from": from, "id": format!("wamid.{kind}"), "timestamp": at, "type": kind, kind: content});
        let value = json!({
            "messaging_product": "whatsapp",
            "metadata": {"display_phone_number": "15550100001", "phone_number_id": "800000000000001"},
            "contacts": [{"profile": {"name": "Ana"}, "wa_id": from}], "messages": [message],
        });
        let entry =
            json!({"id": "900000000000001", "changes": [{"field": "messages", "value": value}]});
        let body = json!({"object": "whatsapp_business_account", "entry": [entry]}).to_string();
        let signature = World::sign(body.as_bytes());
        assert_eq!(world.post_webhook(body.into_bytes(), &signature).await.status, 200);
        assert_eq!(world.report(&second).await.number("replied"), replied, "{kind}");
    }
}
