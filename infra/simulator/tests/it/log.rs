//! The log: complete, reproducible by seed, and restored after a restart.

use std::collections::BTreeMap;

use serde_json::Value;
use whatsapp_simulator::{Behaviour, Config, LogEntry, Simulator};

use crate::fixture::{Fixture, PHONE, template, text};

fn phones() -> Vec<String> {
    (0..100).map(|n| format!("+1415555{n:04}")).collect()
}

async fn log_of(seed: u64, phones: Vec<String>) -> BTreeMap<String, LogEntry> {
    let behaviour = Behaviour::realistic();
    let fixture = Fixture::new(Config { seed, behaviour, ..Config::default() }).await;
    let sends = phones.iter().map(|phone| fixture.text_to(phone));
    assert!(futures::future::join_all(sends).await.iter().all(|code| *code == 200));
    fixture.simulator.log().into_iter().map(|entry| (entry.to.clone(), entry)).collect()
}

#[tokio::test]
async fn the_log_depends_on_the_seed_and_not_on_the_request_order() {
    let reversed = phones().into_iter().rev().collect();
    let (first, second) = (log_of(7, phones()).await, log_of(7, reversed).await);
    assert_eq!(first, second);
    assert_ne!(first, log_of(8, phones()).await);
}

#[tokio::test]
async fn the_log_is_streamed_as_json_lines() {
    let fixture = Fixture::with(Behaviour::all_read()).await;
    for phone in phones() {
        fixture.text_to(&phone).await;
    }
    fixture.wait_for_due_events().await;
    let lines = |from: usize| {
        let url = format!("{}/_simulator/log?from={from}", fixture.simulator.url());
        let request = fixture.http.get(url);
        async move { request.send().await.unwrap().text().await.unwrap() }
    };
    let entries: Vec<LogEntry> =
        lines(0).await.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(entries, fixture.simulator.log());
    assert!(entries.iter().all(|entry| entry.steps.iter().all(|step| step.acknowledged)));
    assert_eq!(lines(98).await.lines().count(), 2);

    let url = format!("{}/_simulator/summary", fixture.simulator.url());
    let summary: Value = fixture.http.get(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(summary["recipients"], 100);
    assert_eq!(summary["peak_per_second"], 100);
}

#[tokio::test]
async fn a_restart_restores_the_log_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log.jsonl");
    let config = || Config { log_file: Some(file.clone()), ..Config::default() };
    let fixture = Fixture::new(config()).await;
    fixture.send(&text(PHONE)).await;
    fixture.send(&template("+14155550102", "any", &[])).await;
    fixture.wait_for_due_events().await;
    let restored = Simulator::start(Config { webhook_url: None, ..config() }).await.unwrap();
    assert_eq!(fixture.simulator.log(), restored.log());
    assert_eq!(restored.pending_events(), 0);
    fixture.simulator.shutdown().await;
    restored.shutdown().await;

    let fixture = Fixture::new(config()).await;
    fixture.send(&text(PHONE)).await;
    fixture.wait_for_due_events().await;
    let summary = fixture.simulator.summary();
    assert_eq!((summary.accepted, summary.duplicates, summary.acknowledged.read), (3, 1, 3));
    let ids: std::collections::HashSet<_> =
        fixture.simulator.log().into_iter().map(|entry| entry.wamid).collect();
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
async fn unacknowledged_events_are_reported_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let log_file = Some(folder.path().join("log.jsonl"));
    let without_webhook = Config { log_file: log_file.clone(), ..Config::default() };
    let simulator = Simulator::start(without_webhook).await.unwrap();
    let url = format!("{}/1/messages", simulator.url());
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let sent = http.post(url).bearer_auth("t").json(&text(PHONE)).send().await.unwrap();
    assert_eq!(sent.status(), 200);
    drop(simulator);

    let fixture = Fixture::new(Config { log_file, ..Config::default() }).await;
    // The first simulator ran on the real clock.
    fixture.clock.advance(100 * 365 * 24 * 60 * 60 * 1000);
    fixture.wait_for_due_events().await;
    assert_eq!(fixture.receiver.status_names(), ["sent", "delivered", "read"]);
}
