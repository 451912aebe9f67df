//! Lost responses, errors, limits and latency.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::json;
use whatsapp_simulator::{
    Behaviour, Config, Faults, ForcedError, InboundMessage, Limits, PairLimit, ReportedBy,
};

use crate::fixture::{Fixture, NUMBER, PHONE, template, text};

fn with_faults(faults: Faults) -> Behaviour {
    Behaviour { faults, ..Behaviour::all_read() }
}

#[tokio::test]
async fn a_message_whose_response_is_lost_is_accepted() {
    let fixture =
        Fixture::with(with_faults(Faults { lost_response: 1.0, ..Faults::default() })).await;
    let lost = fixture.try_post(&format!("{NUMBER}/messages"), &text(PHONE)).await;
    assert!(lost.unwrap_err().status().is_none());
    fixture.wait_for_due_events().await;
    let summary = fixture.simulator.summary();
    assert_eq!((summary.accepted, summary.lost_responses, summary.acknowledged.read), (1, 1, 1));
    assert_eq!(fixture.receiver.statuses()[0]["biz_opaque_callback_data"], "c1|+14155550101|1");
}

#[tokio::test]
async fn a_server_error_accepts_nothing_and_a_repeat_may_succeed() {
    let fixture =
        Fixture::with(with_faults(Faults { server_error: 0.5, ..Faults::default() })).await;
    let mut statuses = HashMap::new();
    for _ in 0..40 {
        let (status, _) = fixture.send(&text(PHONE)).await;
        *statuses.entry(status).or_insert(0_u64) += 1;
    }
    assert_eq!(fixture.simulator.summary().accepted, statuses[&200]);
    assert!((10..=30).contains(&statuses[&500]), "{statuses:?}");
}

#[tokio::test]
async fn a_forced_error_applies_to_its_number_of_messages() {
    let mut faults = Faults { refused: 0.0, ..Faults::default() };
    let by_response =
        ForcedError { code: 131_057, times: Some(2), reported_by: ReportedBy::Response };
    faults.forced.insert("14155550101".into(), by_response);
    let by_webhook = ForcedError { code: 131_026, times: None, reported_by: ReportedBy::Webhook };
    faults.forced.insert("14155550102".into(), by_webhook);
    let fixture = Fixture::with(with_faults(faults)).await;
    let mut codes = Vec::new();
    for _ in 0..3 {
        codes.push(fixture.text_to(PHONE).await);
    }
    assert_eq!(codes, [131_057, 131_057, 200]);
    assert_eq!(fixture.text_to("+14155550102").await, 200);
    fixture.wait_for_due_events().await;
    assert_eq!(fixture.simulator.summary().reported.failed, 1);
    assert_eq!(fixture.simulator.log()[1].failure_code, Some(131_026));
}

#[tokio::test]
async fn refused_requests_get_a_configured_code() {
    let faults = Faults { refused: 1.0, refusal_codes: vec![131_048], ..Faults::default() };
    let fixture = Fixture::with(with_faults(faults)).await;
    assert_eq!(fixture.text_to(PHONE).await, 131_048);
    assert_eq!(fixture.simulator.summary().accepted, 0);
}

#[tokio::test]
async fn requests_over_a_limit_are_refused_and_counted() {
    let limits = Limits {
        throughput: Some(10),
        pair: Some(PairLimit { interval_ms: 6_000, burst: 1 }),
        portfolio_users: Some(5),
        ..Limits::default()
    };
    let fixture =
        Fixture::new(Config { limits, behaviour: Behaviour::no_webhooks(), ..Config::default() })
            .await;
    assert_eq!(fixture.text_to(PHONE).await, 200);
    assert_eq!(fixture.text_to(PHONE).await, 131_056);
    fixture.clock.advance(6_000);
    assert_eq!(fixture.text_to(PHONE).await, 200);
    fixture.clock.advance(6_000);
    let mut codes = Vec::new();
    for n in 0..12 {
        codes.push(fixture.text_to(&format!("+1416555{n:04}")).await);
    }
    assert_eq!(codes.iter().filter(|code| **code == 200).count(), 4);
    assert_eq!(codes.iter().filter(|code| **code == 131_048).count(), 6);
    assert_eq!(codes[10..], [130_429, 130_429]);

    let summary = fixture.simulator.summary();
    assert_eq!(summary.violations, summary.refusals);
    assert_eq!((summary.peak_recipients_per_day, summary.shortest_pair_gap_ms), (5, Some(6_000)));
}

#[tokio::test]
async fn observe_only_counts_violations_and_accepts() {
    let limits = Limits { portfolio_users: Some(1), observe_only: true, ..Limits::default() };
    let fixture = Fixture::new(Config { limits, ..Config::default() }).await;
    assert_eq!(fixture.text_to(PHONE).await, 200);
    assert_eq!(fixture.text_to("+14155550102").await, 200);
    assert_eq!(fixture.simulator.summary().violations[&131_048], 1);
}

#[tokio::test]
async fn outside_the_service_window_only_templates_are_delivered() {
    let limits = Limits { service_window: true, portfolio_users: Some(0), ..Limits::default() };
    let fixture = Fixture::new(Config { limits, ..Config::default() }).await;
    fixture.simulator.send_inbound(InboundMessage::text(PHONE, "hi"));
    assert_eq!(fixture.text_to(PHONE).await, 200);
    fixture.clock.advance(24 * 60 * 60 * 1000);
    fixture.control("config", &json!({ "limits": { "portfolio_users": null } })).await;
    assert_eq!(fixture.text_to(PHONE).await, 200);
    fixture.send(&template(PHONE, "any", &[])).await;
    fixture.wait_for_due_events().await;
    let codes: Vec<_> = fixture.simulator.log().iter().map(|entry| entry.failure_code).collect();
    assert_eq!(codes, [None, Some(131_047), None]);
}

#[tokio::test]
async fn latency_delays_the_response_but_not_the_webhooks() {
    let fixture = Fixture::with(with_faults(Faults { latency_ms: 300, ..Faults::default() })).await;
    let (response, ()) = tokio::join!(
        tokio::time::timeout(Duration::from_millis(250), fixture.text_to(PHONE)),
        fixture.wait_until(|| fixture.simulator.summary().acknowledged.read == 1),
    );
    assert!(response.is_err());
    assert_eq!(fixture.simulator.summary().accepted, 1);
    assert_eq!(fixture.text_to(PHONE).await, 200);
}
