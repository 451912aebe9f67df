//! No log, no address of a request and no cursor contains a phone number, a secret or the text
//! of a message: neither the logs of the tests that ran before (`target/test-logs`), nor those
//! of a campaign with many failures that this test runs.
//!
//! A test binary of its own: cargo runs it after `it`, and CI once more after all
//! others.

use carillon_testkit::{World, contacts_csv, logs, phone};
use serde_json::json;
use whatsapp_simulator::{Behaviour, InboundMessage};

/// Secrets of the tests, and texts that recipients receive or write.
const FORBIDDEN: [&str; 10] = [
    "EAAtoken",
    "simulator-app-secret",
    "another-app-secret",
    "simulator-verify-token",
    "test-admin-key",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "Leave me alone",
    "Yes, please!",
    "How much is it?",
    "\"Person ",
];

/// The first forbidden text of a line.
fn leak(line: &str) -> Option<String> {
    let forbidden = FORBIDDEN.iter().find(|text| line.contains(**text));
    forbidden.map(|text| (*text).to_owned()).or_else(|| phone_number(line))
}

/// A phone number: a plus and at least eight digits, or a test contact's WhatsApp id.
fn phone_number(line: &str) -> Option<String> {
    let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).count();
    let plus = line.match_indices('+').find(|(at, _)| digits(&line[at + 1..]) >= 8);
    let wa_id = line.match_indices("57300").find(|(at, _)| digits(&line[*at..]) == 12);
    let (at, _) = plus.or(wa_id)?;
    Some(line[at..].chars().take(14).collect())
}

#[test]
fn a_leak_is_found() {
    assert!(leak(r#"{"message":"sent to +573001234567"}"#).is_some());
    assert!(leak(r#"{"contact":"573001234567"}"#).is_some());
    assert!(leak(r#"{"token":"EAAtoken"}"#).is_some());
    assert_eq!(leak(r#"{"at":"2026-11-21T08:00:00+00:00","sequence":"573001234567890"}"#), None);
}

/// A campaign whose sends fail, whose recipients reply, and hostile requests.
async fn run_failing_campaign() {
    let mut behaviour = Behaviour::realistic();
    behaviour.outcomes.failed = 0.3;
    behaviour.outcomes.late_failure = 0.2;
    behaviour.faults.lost_response = 0.1;
    behaviour.faults.refused = 0.2;
    behaviour.faults.refusal_codes = vec![131_026, 131_049, 131_056, 132_000, 130_472, 999_999];
    let world = World::with(behaviour).await;
    let connection = world.connection().await;
    let campaign = world.campaign(&connection, json!({})).await;
    world.upload(&campaign, contacts_csv(0..60)).await.expect(200);
    world.upload(&campaign, "phone\n+57300,\n\"+573001234567").await;
    world.start(&campaign).await.expect(200);
    world.run_until_idle().await;
    world.simulator.send_inbound(InboundMessage::text(phone(1), "STOP Leave me alone"));
    world.wait_until_idle().await;
    for path in
        ["/v1/contacts/+573001234567", "/v1/contacts/%2B573001234567%00", "/v1/+573001234567"]
    {
        world.get_hostile(path).await;
    }
    let body =
        br#"{"entry":[{"changes":[{"value":{"statuses":[{"recipient_id":"573001234567"}]}}]}]}"#;
    world.post_signed_webhook(body.to_vec()).await;
    world.post_webhook(body.to_vec(), "sha256=00").await;
    world.post_signed_webhook(b"+573001234567 is no JSON".to_vec()).await;
    world.host.enqueue_raw("+573001234567 is no batch").await.expect("enqueued");
    world.advance_hours(2, 60).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_log_contains_a_phone_number_a_secret_or_a_text() {
    run_failing_campaign().await;
    let (mut lines, mut files) = (0, 0);
    for entry in std::fs::read_dir(logs::folder()).expect("the logs") {
        let path = entry.expect("a file").path();
        files += 1;
        for (number, line) in std::fs::read_to_string(&path).expect("a log").lines().enumerate() {
            lines += 1;
            if let Some(leak) = leak(line) {
                panic!("{}, line {}, contains {leak}: {line}", path.display(), number + 1);
            }
        }
    }
    assert!(lines > 20, "only {lines} lines in {files} files");
}
