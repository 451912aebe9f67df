//! The log: complete, the same under one seed, and there after a restart.

use std::collections::BTreeMap;

use serde_json::Value;
use whatsapp_simulator::{Behaviour, Config, LogEntry, Simulator};

use crate::stage::{PHONE, Stage, template, text};

fn phones() -> Vec<String> {
    (0..100).map(|n| format!("+1415555{n:04}")).collect()
}

async fn log_of(seed: u64, phones: Vec<String>) -> BTreeMap<String, LogEntry> {
    let behaviour = Behaviour::realistic();
    let stage = Stage::new(Config { seed, behaviour, ..Config::default() }).await;
    let sends = phones.iter().map(|phone| stage.text_to(phone));
    assert!(futures::future::join_all(sends).await.iter().all(|code| *code == 200));
    stage.simulator.log().into_iter().map(|entry| (entry.to.clone(), entry)).collect()
}

#[tokio::test]
async fn one_seed_gives_one_story_in_any_order() {
    let backwards = phones().into_iter().rev().collect();
    let (first, second) = (log_of(7, phones()).await, log_of(7, backwards).await);
    assert_eq!(first, second);
    assert_ne!(first, log_of(8, phones()).await);
}

#[tokio::test]
async fn the_log_is_streamed_as_lines() {
    let stage = Stage::with(Behaviour::perfect()).await;
    for phone in phones() {
        stage.text_to(&phone).await;
    }
    stage.settle().await;
    let lines = |from: usize| {
        let url = format!("{}/_simulator/log?from={from}", stage.simulator.url());
        let request = stage.http.get(url);
        async move { request.send().await.unwrap().text().await.unwrap() }
    };
    let entries: Vec<LogEntry> =
        lines(0).await.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(entries, stage.simulator.log());
    assert!(entries.iter().all(|entry| entry.steps.iter().all(|step| step.acknowledged)));
    assert_eq!(lines(98).await.lines().count(), 2);

    let url = format!("{}/_simulator/summary", stage.simulator.url());
    let summary: Value = stage.http.get(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(summary["recipients"], 100);
    assert_eq!(summary["peak_per_second"], 100);
}

#[tokio::test]
async fn a_restart_goes_on_from_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log.jsonl");
    let config = || Config { log_file: Some(file.clone()), ..Config::default() };
    let stage = Stage::new(config()).await;
    stage.send(&text(PHONE)).await;
    stage.send(&template("+14155550102", "any", &[])).await;
    stage.settle().await;
    let silent = Simulator::start(Config { webhook_url: None, ..config() }).await.unwrap();
    assert_eq!(stage.simulator.log(), silent.log());
    assert_eq!(silent.pending_events(), 0);
    stage.simulator.shutdown().await;
    silent.shutdown().await;

    let stage = Stage::new(config()).await;
    stage.send(&text(PHONE)).await;
    stage.settle().await;
    let summary = stage.simulator.summary();
    assert_eq!((summary.accepted, summary.duplicates, summary.acknowledged.read), (3, 1, 3));
    let ids: std::collections::HashSet<_> =
        stage.simulator.log().into_iter().map(|entry| entry.wamid).collect();
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
async fn what_was_not_acknowledged_is_told_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let log_file = Some(folder.path().join("log.jsonl"));
    let deaf = Config { log_file: log_file.clone(), ..Config::default() };
    let simulator = Simulator::start(deaf).await.unwrap();
    let url = format!("{}/1/messages", simulator.url());
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let sent = http.post(url).bearer_auth("t").json(&text(PHONE)).send().await.unwrap();
    assert_eq!(sent.status(), 200);
    drop(simulator);

    let stage = Stage::new(Config { log_file, ..Config::default() }).await;
    // The first simulator ran on the real clock.
    stage.clock.advance(100 * 365 * 24 * 60 * 60 * 1000);
    stage.settle().await;
    assert_eq!(stage.receiver.words(), ["sent", "delivered", "read"]);
}
