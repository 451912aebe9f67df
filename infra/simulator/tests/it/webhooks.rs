//! Webhook requests: content, order, duplicates and retries.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use whatsapp_simulator::{Behaviour, Config, Delay, InboundContent, InboundMessage, Pricing, Step};

use crate::fixture::{Fixture, PHONE, template, text};

#[tokio::test]
async fn bodies_are_escaped_and_signed() {
    let fixture = Fixture::new(Config { app_secret: "s3cret".into(), ..Config::default() }).await;
    fixture.simulator.send_inbound(InboundMessage::text(PHONE, "¿Qué? 😀"));
    fixture.wait_for_due_events().await;
    let (headers, body) = fixture.receiver.requests.lock().unwrap()[0].clone();
    let mac = Hmac::<Sha256>::new_from_slice(b"s3cret").unwrap().chain_update(&body);
    let expected = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    assert_eq!(headers["x-hub-signature-256"], expected);
    assert!(
        body.is_ascii() && String::from_utf8_lossy(&body).contains(r"\u00bfQu\u00e9? \ud83d\ude00")
    );
    assert_eq!(fixture.receiver.messages()[0]["text"]["body"], "¿Qué? 😀");
}

#[tokio::test]
async fn statuses_are_reported_at_their_times() {
    let mut behaviour = Behaviour::all_read();
    behaviour.delays.sent = Delay::fixed(1_000);
    behaviour.delays.delivered = Delay::fixed(2_000);
    behaviour.delays.read = Delay::fixed(3_600_000);
    let fixture = Fixture::with(behaviour).await;
    let (_, body) = fixture.send(&text(PHONE)).await;
    assert_eq!(
        (fixture.simulator.due_events_acknowledged(), fixture.simulator.pending_events()),
        (true, 3)
    );
    assert!(fixture.simulator.next_due().is_some());

    for (wait, expected) in [(1_000, 1), (2_000, 2), (3_600_000, 3)] {
        fixture.clock.advance(wait);
        fixture
            .wait_until(|| {
                fixture.receiver.status_names().len() == expected
                    && fixture.simulator.due_events_acknowledged()
            })
            .await;
    }
    assert_eq!(fixture.receiver.status_names(), ["sent", "delivered", "read"]);
    let sent = &fixture.receiver.statuses()[0];
    assert_eq!(sent["id"], body["messages"][0]["id"]);
    assert_eq!(sent["timestamp"], "1792000001");
    assert_eq!(sent["recipient_id"], "14155550101");
    assert_eq!(sent["biz_opaque_callback_data"], "c1|+14155550101|1");
    assert!(fixture.receiver.values("messages")[0]["contacts"][0]["wa_id"] == "14155550101");
    assert_eq!(fixture.simulator.pending_events(), 0);
    let counts = fixture.simulator.summary().acknowledged;
    assert_eq!((counts.sent, counts.delivered, counts.read, counts.replies), (1, 1, 1, 0));
}

#[tokio::test]
async fn the_configured_statuses_carry_pricing() {
    for (pricing, expected) in [
        (Pricing::SentAndDelivered, vec!["sent", "delivered"]),
        (Pricing::SentOnly, vec!["sent"]),
        (Pricing::DeliveredOnly, vec!["delivered"]),
        (Pricing::Never, vec![]),
    ] {
        let mut behaviour = Behaviour::all_read();
        behaviour.webhooks.pricing = pricing;
        let fixture = Fixture::with(behaviour).await;
        fixture.send(&template(PHONE, "any", &[])).await;
        fixture.wait_for_due_events().await;
        let with_pricing = fixture.receiver.statuses().into_iter().filter(|status| {
            status.get("pricing").is_some_and(|price| price["category"] == "marketing")
        });
        let names: Vec<_> =
            with_pricing.map(|status| status["status"].as_str().unwrap().to_owned()).collect();
        assert_eq!(
            names.iter().map(String::as_str).collect::<HashSet<_>>(),
            expected.into_iter().collect()
        );
    }
}

#[tokio::test]
async fn failures_carry_their_code_and_replies_quote_the_message() {
    let mut behaviour = Behaviour::all_read();
    behaviour.outcomes.failed = 1.0;
    behaviour.outcomes.failure_codes = vec![131_049];
    let fixture = Fixture::with(behaviour.clone()).await;
    fixture.send(&text(PHONE)).await;
    fixture.wait_for_due_events().await;
    let failed = &fixture.receiver.statuses()[0];
    assert_eq!(
        (&failed["status"], &failed["errors"][0]["code"]),
        (&json!("failed"), &json!(131_049))
    );
    assert!(fixture.receiver.values("messages")[0].get("contacts").is_none());

    behaviour.outcomes.failed = 0.0;
    behaviour.outcomes.reply = 1.0;
    behaviour.outcomes.reply_quotes = 1.0;
    behaviour.outcomes.reply_texts = vec!["Sí".into()];
    fixture.simulator.set_behaviour(behaviour);
    let (_, body) = fixture.send(&text(PHONE)).await;
    fixture.wait_for_due_events().await;
    let reply = &fixture.receiver.messages()[0];
    assert_eq!((&reply["text"]["body"], &reply["from"]), (&json!("Sí"), &json!("14155550101")));
    assert_eq!(reply["context"]["id"], body["messages"][0]["id"]);
}

#[tokio::test]
async fn webhooks_are_duplicated_and_batched() {
    let mut behaviour = Behaviour::all_read();
    behaviour.webhooks.duplicate = 1.0;
    behaviour.webhooks.batch_max = 100;
    behaviour.webhooks.flush_ms = 1_000;
    let fixture = Fixture::with(behaviour).await;
    for n in 0..20 {
        fixture.send(&text(&format!("+1415555{n:04}"))).await;
    }
    fixture.clock.advance(2_000);
    fixture.wait_for_due_events().await;
    assert_eq!(fixture.receiver.status_names().len(), 120);
    assert!(fixture.receiver.bodies().len() <= 4, "{}", fixture.receiver.bodies().len());
}

#[tokio::test]
async fn webhooks_are_reordered() {
    let mut behaviour = Behaviour::all_read();
    behaviour.webhooks.reorder = 0.5;
    let fixture = Fixture::with(behaviour).await;
    for n in 0..20 {
        fixture.send(&text(&format!("+1416555{n:04}"))).await;
    }
    fixture.wait_for_due_events().await;
    fixture.clock.advance(2_000);
    fixture.wait_for_due_events().await;
    let reordered = fixture.simulator.log().iter().any(|entry| {
        let order: Vec<_> = fixture
            .receiver
            .statuses()
            .into_iter()
            .filter(|status| status["id"] == entry.wamid)
            .map(|status| status["status"].as_str().unwrap().to_owned())
            .collect();
        order != ["sent", "delivered", "read"] && order.len() == 3
    });
    assert!(reordered);
}

#[tokio::test]
async fn failed_requests_are_retried_with_exponential_backoff() {
    let fixture = Fixture::with(Behaviour::all_read()).await;
    fixture.receiver.to_refuse.store(4, Ordering::SeqCst);
    fixture.simulator.send_inbound(InboundMessage::text(PHONE, "hi"));
    let mut delays = Vec::new();
    for refusals in 1..=4 {
        fixture.wait_until(|| fixture.receiver.refused.load(Ordering::SeqCst) == refusals).await;
        fixture.wait_until(|| fixture.simulator.next_due().is_some()).await;
        assert!(!fixture.simulator.due_events_acknowledged());
        let delay = fixture
            .simulator
            .next_due()
            .unwrap()
            .duration_since((fixture.clock.clock())())
            .unwrap();
        delays.push(delay.as_millis());
        fixture.clock.advance(delay.as_millis() as u64);
    }
    fixture.wait_for_due_events().await;
    assert_eq!(delays, [1_000, 2_000, 4_000, 8_000]);
    assert_eq!(fixture.receiver.messages().len(), 1);
    assert_eq!(fixture.simulator.summary().webhook_failures, 4);
}

#[tokio::test]
async fn inbound_messages_are_reported() {
    let fixture = Fixture::with(Behaviour::all_read()).await;
    let button = InboundContent::Button { payload: "STOP".into(), text: "Stop".into() };
    let id = fixture.simulator.send_inbound(InboundMessage::new(PHONE, button).quoting("wamid.q"));
    let (status, body) = fixture
        .control(
            "inbound",
            &json!({ "from": PHONE, "type": "button_reply", "id": "b1", "title": "Yes" }),
        )
        .await;
    assert_eq!(status, 200);
    fixture.control("inbound", &json!({ "from": PHONE, "type": "image", "caption": "look" })).await;
    fixture.wait_for_due_events().await;
    let find = |id: &Value| {
        let messages = fixture.receiver.messages();
        messages.into_iter().find(|message| message["id"] == *id).unwrap()
    };
    let pressed = find(&json!(id));
    assert_eq!(
        (&pressed["type"], &pressed["button"]["payload"]),
        (&json!("button"), &json!("STOP"))
    );
    assert_eq!(pressed["context"], json!({ "from": "15550100001", "id": "wamid.q" }));
    assert_eq!(find(&body["id"])["interactive"]["button_reply"]["id"], "b1");
    assert_eq!(fixture.receiver.messages().len(), 3);
    assert_eq!(fixture.simulator.summary().inbound, 3);
}

#[tokio::test]
async fn a_user_who_stops_marketing_receives_no_marketing_messages() {
    let fixture = Fixture::with(Behaviour::all_read()).await;
    fixture.simulator.stop_marketing(PHONE);
    fixture.send(&template(PHONE, "any", &[])).await;
    fixture.wait_for_due_events().await;
    let preference = &fixture.receiver.values("user_preferences")[0]["user_preferences"][0];
    assert_eq!(
        (&preference["value"], &preference["wa_id"]),
        (&json!("stop"), &json!("14155550101"))
    );
    assert!(preference["timestamp"].is_u64());
    assert_eq!(fixture.receiver.statuses()[0]["errors"][0]["code"], 131_050);

    fixture.control("preferences", &json!({ "phone": PHONE, "value": "resume" })).await;
    fixture.send(&template(PHONE, "any", &[])).await;
    fixture.wait_for_due_events().await;
    assert_eq!(fixture.simulator.summary().acknowledged.read, 1);
}

#[tokio::test]
async fn account_events_carry_the_time_in_their_entry() {
    let fixture = Fixture::with(Behaviour::all_read()).await;
    let value = json!({ "event": "FLAGGED" });
    fixture.simulator.account_event("phone_number_quality_update", value.clone());
    fixture.wait_for_due_events().await;
    assert_eq!(fixture.receiver.values("phone_number_quality_update"), [value]);
    assert_eq!(fixture.receiver.bodies()[0]["entry"][0]["time"], 1_792_000_000);
}

#[tokio::test]
async fn a_held_message_can_be_read_without_a_delivered_status() {
    let mut behaviour = Behaviour::all_read();
    behaviour.outcomes.read_without_delivered = 1.0;
    behaviour.outcomes.held = 1.0;
    behaviour.delays.held = Delay::fixed(60_000);
    let fixture = Fixture::with(behaviour).await;
    let (_, body) = fixture.send(&template(PHONE, "any", &[])).await;
    assert_eq!(body["messages"][0]["message_status"], "held_for_quality_assessment");
    assert_eq!(fixture.simulator.pending_events(), 2);
    fixture.clock.advance(60_000);
    fixture.wait_for_due_events().await;
    let names: HashSet<_> = fixture.receiver.status_names().into_iter().collect();
    assert_eq!(names, HashSet::from(["sent".into(), "read".into()]));
    let entry = &fixture.simulator.log()[0];
    assert!(entry.step(Step::Delivered).is_none() && entry.step(Step::Read).unwrap().acknowledged);
}

#[tokio::test]
async fn events_wait_for_a_webhook_url_and_none_are_queued_when_disabled() {
    let fixture = Fixture::with(Behaviour::no_webhooks()).await;
    fixture.send(&text(PHONE)).await;
    assert_eq!(fixture.simulator.pending_events(), 0);

    fixture
        .control(
            "config",
            &json!({ "webhook_url": null, "behaviour": { "webhooks": { "enabled": true } } }),
        )
        .await;
    fixture.send(&text(PHONE)).await;
    assert!(!fixture.simulator.due_events_acknowledged());
    let url = fixture.receiver.start().await;
    fixture.simulator.set_webhook(&url, "token");
    assert!(fixture.simulator.verify_webhook().await);
    fixture.wait_for_due_events().await;
    assert_eq!(fixture.receiver.status_names().len(), 3);
    fixture.simulator.set_webhook(&url, "wrong");
    assert!(!fixture.simulator.verify_webhook().await);
}
