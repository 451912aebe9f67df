//! What is told, how often and in which order.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use whatsapp_simulator::{Behaviour, Config, Delay, InboundContent, InboundMessage, Pricing, Step};

use crate::stage::{PHONE, Stage, template, text};

#[tokio::test]
async fn bodies_are_ascii_and_signed() {
    let stage = Stage::new(Config { app_secret: "s3cret".into(), ..Config::default() }).await;
    stage.simulator.send_inbound(InboundMessage::text(PHONE, "¿Qué? 😀"));
    stage.settle().await;
    let (headers, body) = stage.receiver.accepted.lock().unwrap()[0].clone();
    let mac = Hmac::<Sha256>::new_from_slice(b"s3cret").unwrap().chain_update(&body);
    let expected = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    assert_eq!(headers["x-hub-signature-256"], expected);
    assert!(
        body.is_ascii() && String::from_utf8_lossy(&body).contains(r"\u00bfQu\u00e9? \ud83d\ude00")
    );
    assert_eq!(stage.receiver.messages()[0]["text"]["body"], "¿Qué? 😀");
}

#[tokio::test]
async fn a_message_is_sent_delivered_and_read_in_time() {
    let mut behaviour = Behaviour::perfect();
    behaviour.delays.sent = Delay::fixed(1_000);
    behaviour.delays.delivered = Delay::fixed(2_000);
    behaviour.delays.read = Delay::fixed(3_600_000);
    let stage = Stage::with(behaviour).await;
    let (_, body) = stage.send(&text(PHONE)).await;
    assert_eq!((stage.simulator.idle(), stage.simulator.pending_events()), (true, 3));
    assert!(stage.simulator.next_due().is_some());

    for (wait, expected) in [(1_000, 1), (2_000, 2), (3_600_000, 3)] {
        stage.clock.advance(wait);
        stage.until(|| stage.receiver.words().len() == expected && stage.simulator.idle()).await;
    }
    assert_eq!(stage.receiver.words(), ["sent", "delivered", "read"]);
    let sent = &stage.receiver.statuses()[0];
    assert_eq!(sent["id"], body["messages"][0]["id"]);
    assert_eq!(sent["timestamp"], "1792000001");
    assert_eq!(sent["recipient_id"], "14155550101");
    assert_eq!(sent["biz_opaque_callback_data"], "c1|+14155550101|1");
    assert!(stage.receiver.values("messages")[0]["contacts"][0]["wa_id"] == "14155550101");
    assert_eq!(stage.simulator.pending_events(), 0);
    let told = stage.simulator.summary().acknowledged;
    assert_eq!((told.sent, told.delivered, told.read, told.replies), (1, 1, 1, 0));
}

#[tokio::test]
async fn the_price_stands_where_it_is_told_to() {
    for (pricing, expected) in [
        (Pricing::SentAndDelivered, vec!["sent", "delivered"]),
        (Pricing::SentOnly, vec!["sent"]),
        (Pricing::DeliveredOnly, vec!["delivered"]),
        (Pricing::Never, vec![]),
    ] {
        let mut behaviour = Behaviour::perfect();
        behaviour.webhooks.pricing = pricing;
        let stage = Stage::with(behaviour).await;
        stage.send(&template(PHONE, "any", &[])).await;
        stage.settle().await;
        let priced = stage.receiver.statuses().into_iter().filter(|status| {
            status.get("pricing").is_some_and(|price| price["category"] == "marketing")
        });
        let words: Vec<_> =
            priced.map(|status| status["status"].as_str().unwrap().to_owned()).collect();
        assert_eq!(
            words.iter().map(String::as_str).collect::<HashSet<_>>(),
            expected.into_iter().collect()
        );
    }
}

#[tokio::test]
async fn failures_name_their_code_and_answers_quote() {
    let mut behaviour = Behaviour::perfect();
    behaviour.outcomes.failed = 1.0;
    behaviour.outcomes.failure_codes = vec![131_049];
    let stage = Stage::with(behaviour.clone()).await;
    stage.send(&text(PHONE)).await;
    stage.settle().await;
    let failed = &stage.receiver.statuses()[0];
    assert_eq!(
        (&failed["status"], &failed["errors"][0]["code"]),
        (&json!("failed"), &json!(131_049))
    );
    assert!(stage.receiver.values("messages")[0].get("contacts").is_none());

    behaviour.outcomes.failed = 0.0;
    behaviour.outcomes.reply = 1.0;
    behaviour.outcomes.reply_quotes = 1.0;
    behaviour.outcomes.reply_texts = vec!["Sí".into()];
    stage.simulator.set_behaviour(behaviour);
    let (_, body) = stage.send(&text(PHONE)).await;
    stage.settle().await;
    let reply = &stage.receiver.messages()[0];
    assert_eq!((&reply["text"]["body"], &reply["from"]), (&json!("Sí"), &json!("14155550101")));
    assert_eq!(reply["context"]["id"], body["messages"][0]["id"]);
}

#[tokio::test]
async fn duplicates_batches_and_overtaking() {
    let mut behaviour = Behaviour::perfect();
    behaviour.webhooks.duplicate = 1.0;
    behaviour.webhooks.batch_max = 100;
    behaviour.webhooks.flush_ms = 1_000;
    let stage = Stage::with(behaviour).await;
    for n in 0..20 {
        stage.send(&text(&format!("+1415555{n:04}"))).await;
    }
    stage.clock.advance(2_000);
    stage.settle().await;
    assert_eq!(stage.receiver.words().len(), 120);
    assert!(stage.receiver.bodies().len() <= 4, "{}", stage.receiver.bodies().len());

    let mut behaviour = Behaviour::perfect();
    behaviour.webhooks.reorder = 0.5;
    stage.simulator.set_behaviour(behaviour);
    for n in 0..20 {
        stage.send(&text(&format!("+1416555{n:04}"))).await;
    }
    stage.settle().await;
    stage.clock.advance(2_000);
    stage.settle().await;
    let overtaken = stage.simulator.log().iter().skip(20).any(|entry| {
        let order: Vec<_> = stage
            .receiver
            .statuses()
            .into_iter()
            .filter(|status| status["id"] == entry.wamid)
            .map(|status| status["status"].as_str().unwrap().to_owned())
            .collect();
        order != ["sent", "delivered", "read"] && order.len() == 3
    });
    assert!(overtaken);
}

#[tokio::test]
async fn what_is_refused_is_told_again_with_growing_gaps() {
    let stage = Stage::with(Behaviour::perfect()).await;
    stage.receiver.refuses.store(4, Ordering::SeqCst);
    stage.simulator.send_inbound(InboundMessage::text(PHONE, "hi"));
    let mut gaps = Vec::new();
    for refusals in 1..=4 {
        stage.until(|| stage.receiver.refused.load(Ordering::SeqCst) == refusals).await;
        stage.until(|| stage.simulator.next_due().is_some()).await;
        assert!(!stage.simulator.idle());
        let gap =
            stage.simulator.next_due().unwrap().duration_since((stage.clock.clock())()).unwrap();
        gaps.push(gap.as_millis());
        stage.clock.advance(gap.as_millis() as u64);
    }
    stage.settle().await;
    assert_eq!(gaps, [1_000, 2_000, 4_000, 8_000]);
    assert_eq!(stage.receiver.messages().len(), 1);
    assert_eq!(stage.simulator.summary().webhook_refusals, 4);
}

#[tokio::test]
async fn people_write_press_and_choose() {
    let stage = Stage::with(Behaviour::perfect()).await;
    let button = InboundContent::Button { payload: "STOP".into(), text: "Stop".into() };
    let id = stage.simulator.send_inbound(InboundMessage::new(PHONE, button).quoting("wamid.q"));
    let (status, body) = stage
        .control(
            "inbound",
            &json!({ "from": PHONE, "type": "button_reply", "id": "b1", "title": "Yes" }),
        )
        .await;
    assert_eq!(status, 200);
    stage.control("inbound", &json!({ "from": PHONE, "type": "image", "caption": "look" })).await;
    stage.settle().await;
    let find = |id: &Value| {
        let messages = stage.receiver.messages();
        messages.into_iter().find(|message| message["id"] == *id).unwrap()
    };
    let pressed = find(&json!(id));
    assert_eq!(
        (&pressed["type"], &pressed["button"]["payload"]),
        (&json!("button"), &json!("STOP"))
    );
    assert_eq!(pressed["context"], json!({ "from": "15550100001", "id": "wamid.q" }));
    assert_eq!(find(&body["id"])["interactive"]["button_reply"]["id"], "b1");
    assert_eq!(stage.receiver.messages().len(), 3);
    assert_eq!(stage.simulator.summary().inbound, 3);
}

#[tokio::test]
async fn who_stops_is_told_and_gets_no_more_marketing() {
    let stage = Stage::with(Behaviour::perfect()).await;
    stage.simulator.stop_marketing(PHONE);
    stage.send(&template(PHONE, "any", &[])).await;
    stage.settle().await;
    let preference = &stage.receiver.values("user_preferences")[0]["user_preferences"][0];
    assert_eq!(
        (&preference["value"], &preference["wa_id"]),
        (&json!("stop"), &json!("14155550101"))
    );
    assert!(preference["timestamp"].is_u64());
    assert_eq!(stage.receiver.statuses()[0]["errors"][0]["code"], 131_050);

    stage.control("preferences", &json!({ "phone": PHONE, "value": "resume" })).await;
    stage.send(&template(PHONE, "any", &[])).await;
    stage.settle().await;
    assert_eq!(stage.simulator.summary().acknowledged.read, 1);
}

#[tokio::test]
async fn account_events_carry_the_time_of_their_entry() {
    let stage = Stage::with(Behaviour::perfect()).await;
    let value = json!({ "event": "FLAGGED" });
    stage.simulator.account_event("phone_number_quality_update", value.clone());
    stage.settle().await;
    assert_eq!(stage.receiver.values("phone_number_quality_update"), [value]);
    assert_eq!(stage.receiver.bodies()[0]["entry"][0]["time"], 1_792_000_000);
}

#[tokio::test]
async fn a_read_can_come_alone_and_a_held_message_later() {
    let mut behaviour = Behaviour::perfect();
    behaviour.outcomes.read_without_delivered = 1.0;
    behaviour.outcomes.held = 1.0;
    behaviour.delays.held = Delay::fixed(60_000);
    let stage = Stage::with(behaviour).await;
    let (_, body) = stage.send(&template(PHONE, "any", &[])).await;
    assert_eq!(body["messages"][0]["message_status"], "held_for_quality_assessment");
    assert_eq!(stage.simulator.pending_events(), 2);
    stage.clock.advance(60_000);
    stage.settle().await;
    let words: HashSet<_> = stage.receiver.words().into_iter().collect();
    assert_eq!(words, HashSet::from(["sent".into(), "read".into()]));
    let entry = &stage.simulator.log()[0];
    assert!(entry.step(Step::Delivered).is_none() && entry.step(Step::Read).unwrap().acknowledged);
}

#[tokio::test]
async fn nothing_is_told_when_silent_and_everything_waits_for_a_webhook() {
    let stage = Stage::with(Behaviour::silent()).await;
    stage.send(&text(PHONE)).await;
    assert_eq!(stage.simulator.pending_events(), 0);

    stage
        .control(
            "config",
            &json!({ "webhook_url": null, "behaviour": { "webhooks": { "enabled": true } } }),
        )
        .await;
    stage.send(&text(PHONE)).await;
    assert!(!stage.simulator.idle());
    let url = stage.receiver.start().await;
    stage.simulator.set_webhook(&url, "token");
    assert!(stage.simulator.verify_webhook().await);
    stage.settle().await;
    assert_eq!(stage.receiver.words().len(), 3);
    stage.simulator.set_webhook(&url, "wrong");
    assert!(!stage.simulator.verify_webhook().await);
}
