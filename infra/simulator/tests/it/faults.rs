//! Lost answers, errors, limits and latency.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::json;
use whatsapp_simulator::{
    Behaviour, Channel, Config, Faults, ForcedError, InboundMessage, Limits, PairLimit,
};

use crate::stage::{NUMBER, PHONE, Stage, template, text};

fn faulty(faults: Faults) -> Behaviour {
    Behaviour { faults, ..Behaviour::perfect() }
}

#[tokio::test]
async fn a_lost_answer_is_an_accepted_message() {
    let stage = Stage::with(faulty(Faults { lost_answer: 1.0, ..Faults::default() })).await;
    let lost = stage.try_post(&format!("{NUMBER}/messages"), &text(PHONE)).await;
    assert!(lost.unwrap_err().status().is_none());
    stage.settle().await;
    let summary = stage.simulator.summary();
    assert_eq!((summary.accepted, summary.answers_lost, summary.acknowledged.read), (1, 1, 1));
    assert_eq!(stage.receiver.statuses()[0]["biz_opaque_callback_data"], "c1|+14155550101|1");
}

#[tokio::test]
async fn a_server_error_accepts_nothing_and_may_pass() {
    let stage = Stage::with(faulty(Faults { server_error: 0.5, ..Faults::default() })).await;
    let mut answers = HashMap::new();
    for _ in 0..40 {
        let (status, _) = stage.send(&text(PHONE)).await;
        *answers.entry(status).or_insert(0_u64) += 1;
    }
    assert_eq!(stage.simulator.summary().accepted, answers[&200]);
    assert!((10..=30).contains(&answers[&500]), "{answers:?}");
}

#[tokio::test]
async fn forced_errors_strike_so_many_times() {
    let mut faults = Faults { refused: 0.0, ..Faults::default() };
    let answer = ForcedError { code: 131_057, times: Some(2), channel: Channel::Answer };
    faults.forced.insert("14155550101".into(), answer);
    let webhook = ForcedError { code: 131_026, times: None, channel: Channel::Webhook };
    faults.forced.insert("14155550102".into(), webhook);
    let stage = Stage::with(faulty(faults)).await;
    let mut codes = Vec::new();
    for _ in 0..3 {
        codes.push(stage.text_to(PHONE).await);
    }
    assert_eq!(codes, [131_057, 131_057, 200]);
    assert_eq!(stage.text_to("+14155550102").await, 200);
    stage.settle().await;
    assert_eq!(stage.simulator.summary().told.failed, 1);
    assert_eq!(stage.simulator.log()[1].failure_code, Some(131_026));
}

#[tokio::test]
async fn a_share_of_requests_is_refused() {
    let faults = Faults { refused: 1.0, refusal_codes: vec![131_048], ..Faults::default() };
    let stage = Stage::with(faulty(faults)).await;
    assert_eq!(stage.text_to(PHONE).await, 131_048);
    assert_eq!(stage.simulator.summary().accepted, 0);
}

#[tokio::test]
async fn limits_refuse_and_are_recorded() {
    let limits = Limits {
        throughput: Some(10),
        pair: Some(PairLimit { interval_ms: 6_000, burst: 1 }),
        portfolio_users: Some(5),
        ..Limits::default()
    };
    let stage =
        Stage::new(Config { limits, behaviour: Behaviour::silent(), ..Config::default() }).await;
    assert_eq!(stage.text_to(PHONE).await, 200);
    assert_eq!(stage.text_to(PHONE).await, 131_056);
    stage.clock.advance(6_000);
    assert_eq!(stage.text_to(PHONE).await, 200);
    stage.clock.advance(6_000);
    let mut codes = Vec::new();
    for n in 0..12 {
        codes.push(stage.text_to(&format!("+1416555{n:04}")).await);
    }
    assert_eq!(codes.iter().filter(|code| **code == 200).count(), 4);
    assert_eq!(codes.iter().filter(|code| **code == 131_048).count(), 6);
    assert_eq!(codes[10..], [130_429, 130_429]);

    let summary = stage.simulator.summary();
    assert_eq!(summary.violations, summary.refusals);
    assert_eq!((summary.peak_recipients_per_day, summary.shortest_pair_gap_ms), (5, Some(6_000)));
}

#[tokio::test]
async fn a_limit_can_be_watched_only() {
    let limits = Limits { portfolio_users: Some(1), observe_only: true, ..Limits::default() };
    let stage = Stage::new(Config { limits, ..Config::default() }).await;
    assert_eq!(stage.text_to(PHONE).await, 200);
    assert_eq!(stage.text_to("+14155550102").await, 200);
    assert_eq!(stage.simulator.summary().violations[&131_048], 1);
}

#[tokio::test]
async fn outside_the_window_only_templates_arrive() {
    let limits = Limits { service_window: true, portfolio_users: Some(0), ..Limits::default() };
    let stage = Stage::new(Config { limits, ..Config::default() }).await;
    stage.simulator.send_inbound(InboundMessage::text(PHONE, "hi"));
    assert_eq!(stage.text_to(PHONE).await, 200);
    stage.clock.advance(24 * 60 * 60 * 1000);
    stage.control("config", &json!({ "limits": { "portfolio_users": null } })).await;
    assert_eq!(stage.text_to(PHONE).await, 200);
    stage.send(&template(PHONE, "any", &[])).await;
    stage.settle().await;
    let codes: Vec<_> = stage.simulator.log().iter().map(|entry| entry.failure_code).collect();
    assert_eq!(codes, [None, Some(131_047), None]);
}

#[tokio::test]
async fn latency_delays_the_answer_only() {
    let stage = Stage::with(faulty(Faults { latency_ms: 300, ..Faults::default() })).await;
    let (answer, told) = tokio::join!(
        tokio::time::timeout(Duration::from_millis(250), stage.text_to(PHONE)),
        stage.until(|| stage.simulator.summary().acknowledged.read == 1),
    );
    assert!(answer.is_err());
    assert_eq!((told, stage.simulator.summary().accepted), ((), 1));
    assert_eq!(stage.text_to(PHONE).await, 200);
}
