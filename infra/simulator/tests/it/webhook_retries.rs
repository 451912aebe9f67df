//! Webhook requests that fail, and what requests and statuses contain.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use serde_json::Value;
use whatsapp_simulator::{Behaviour, Config, InboundMessage, Number, Simulator};

use crate::fixture::{Fixture, NUMBER, PHONE, text};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
const OTHER_NUMBER: &str = "800000000000002";

#[tokio::test]
async fn an_event_is_lost_after_seven_days_of_failures() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { log_file: Some(folder.path().join("log.jsonl")), ..Config::default() };
    let fixture = Fixture::new(config.clone()).await;
    fixture.receiver.to_refuse.store(4, Ordering::SeqCst);
    fixture.text_to(PHONE).await;
    fixture.simulator.send_inbound(InboundMessage::text(PHONE, "hi"));
    fixture.wait_until(|| fixture.simulator.summary().webhook_failures == 4).await;

    fixture.receiver.to_refuse.store(4, Ordering::SeqCst);
    fixture.clock.advance(7 * DAY_MS - 1_000);
    fixture.wait_until(|| fixture.simulator.summary().webhook_failures == 8).await;
    assert_eq!(fixture.simulator.summary().lost_events, 4);
    assert_eq!(fixture.simulator.pending_events(), 0);
    assert!(fixture.simulator.due_events_acknowledged());
    assert!(fixture.receiver.requests.lock().unwrap().is_empty());
    let log = fixture.simulator.log();
    assert!(log[0].steps.iter().all(|step| step.reported && step.lost && !step.acknowledged));
    let restored = Simulator::start(config).await.unwrap();
    assert_eq!((restored.log(), restored.pending_events()), (log, 0));
}

#[tokio::test]
async fn the_retry_time_is_configurable() {
    let mut behaviour = Behaviour::all_read();
    behaviour.webhooks.retry_for_ms = 3_000;
    let fixture = Fixture::with(behaviour).await;
    fixture.receiver.to_refuse.store(3, Ordering::SeqCst);
    fixture.simulator.send_inbound(InboundMessage::text(PHONE, "hi"));
    for (failures, gap) in [(1, 1_000), (2, 2_000), (3, 0)] {
        fixture.wait_until(|| fixture.simulator.summary().webhook_failures == failures).await;
        fixture.clock.advance(gap);
    }
    assert_eq!(fixture.simulator.summary().lost_events, 1);
}

#[tokio::test]
async fn a_backlog_is_reported_in_one_request_with_several_entries_and_changes() {
    let mut behaviour = Behaviour::all_read();
    behaviour.webhooks.batch_max = 1_000;
    let second = Number { id: OTHER_NUMBER.into(), ..Number::default() };
    let third = Number {
        id: "800000000000003".into(),
        waba_id: "900000000000002".into(),
        ..second.clone()
    };
    let numbers = vec![Number::default(), second, third];
    let fixture = Fixture::new(Config { behaviour, numbers, ..Config::default() }).await;
    fixture.control("config", &serde_json::json!({ "webhook_url": null })).await;
    for number in [NUMBER, OTHER_NUMBER, "800000000000003"] {
        for n in 0..200 {
            fixture.code_of(number, &text(&format!("+1415555{n:04}"))).await;
        }
    }
    fixture.simulator.send_inbound(InboundMessage::text(PHONE, "hi"));
    fixture.simulator.account_event("account_update", serde_json::json!({ "event": "X" }));
    assert_eq!(fixture.simulator.pending_events(), 1_802);
    let url = fixture.receiver.start().await;
    fixture.simulator.set_webhook(&url, "token");
    fixture.wait_for_due_events().await;
    let bodies = fixture.receiver.bodies();
    assert_eq!(bodies.len(), 2);
    let entries: Vec<&Value> =
        bodies.iter().flat_map(|body| body["entry"].as_array().unwrap()).collect();
    let changes = |entry: &Value| entry["changes"].as_array().unwrap().len();
    assert!(entries.len() >= 4 && entries.iter().any(|entry| changes(entry) >= 2));
    assert_eq!(fixture.receiver.statuses().len(), 1_800);
    assert_eq!(fixture.receiver.messages().len(), 1);
}

#[tokio::test]
async fn some_requests_of_a_backlog_report_one_update() {
    let mut behaviour = Behaviour::all_read();
    behaviour.webhooks.batch_max = 10;
    behaviour.webhooks.batched = 0.5;
    let fixture = Fixture::with(behaviour).await;
    fixture.control("config", &serde_json::json!({ "webhook_url": null })).await;
    for n in 0..100 {
        fixture.text_to(&format!("+1415555{n:04}")).await;
    }
    let url = fixture.receiver.start().await;
    fixture.simulator.set_webhook(&url, "token");
    fixture.wait_for_due_events().await;
    let updates = |body: &Value| {
        let changes = body["entry"][0]["changes"].as_array().unwrap().clone();
        changes
            .iter()
            .map(|each| each["value"]["statuses"].as_array().unwrap().len())
            .sum::<usize>()
    };
    let sizes: HashSet<usize> = fixture.receiver.bodies().iter().map(updates).collect();
    assert!(sizes.contains(&1) && sizes.contains(&10), "{sizes:?}");
    assert_eq!(fixture.receiver.statuses().len(), 300);
}

#[tokio::test]
async fn some_statuses_lack_the_callback_data() {
    let mut behaviour = Behaviour::all_read();
    behaviour.webhooks.missing_callback_data = 0.5;
    behaviour.webhooks.duplicate = 1.0;
    let fixture = Fixture::with(behaviour).await;
    for n in 0..50 {
        fixture.text_to(&format!("+1415555{n:04}")).await;
    }
    fixture.wait_for_due_events().await;
    fixture.clock.advance(1_000);
    fixture.wait_for_due_events().await;
    let statuses = fixture.receiver.statuses();
    assert_eq!(statuses.len(), 300);
    let (with, without): (Vec<Value>, Vec<Value>) =
        statuses.into_iter().partition(|each| each.get("biz_opaque_callback_data").is_some());
    assert!((100..200).contains(&with.len()), "{}", with.len());
    let step = |status: &Value| (status["id"].to_string(), status["status"].to_string());
    let with: HashSet<_> = with.iter().map(step).collect();
    assert!(without.iter().map(step).all(|step| !with.contains(&step)), "duplicates are equal");
}
