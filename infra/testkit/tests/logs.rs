//! No log shows a phone number, a token or a message's text: neither those of the
//! tests that ran before (`target/test-logs`), nor those of a world in which much goes
//! wrong, which this test makes.

use carillon_testkit::{World, contacts_csv, logs, phone};
use serde_json::json;
use whatsapp_simulator::{Behaviour, InboundMessage};

/// What no line may hold: secrets of the worlds, texts that people get or write.
const NEVER: [&str; 9] = [
    "EAAtoken",
    "simulator-app-secret",
    "simulator-verify-token",
    "test-admin-key",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "Leave me alone",
    "Yes, please!",
    "How much is it?",
    "\"Person ",
];

/// The first thing in a line that must not be there.
fn leak(line: &str) -> Option<String> {
    let known = NEVER.iter().find(|never| line.contains(**never));
    known.map(|known| (*known).to_owned()).or_else(|| number(line))
}

/// A phone number: a plus and at least eight digits, or a test's people without it.
fn number(line: &str) -> Option<String> {
    let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).count();
    let plus = line.match_indices('+').find(|(at, _)| digits(&line[at + 1..]) >= 8);
    let bare = line.match_indices("57300").find(|(at, _)| digits(&line[*at..]) == 12);
    let (at, _) = plus.or(bare)?;
    Some(line[at..].chars().take(14).collect())
}

#[test]
fn a_leak_would_be_noticed() {
    assert!(leak(r#"{"message":"sent to +573001234567"}"#).is_some());
    assert!(leak(r#"{"contact":"573001234567"}"#).is_some());
    assert!(leak(r#"{"token":"EAAtoken"}"#).is_some());
    assert_eq!(leak(r#"{"at":"2026-11-21T08:00:00+00:00","sequence":"573001234567890"}"#), None);
}

/// A world in which messages fail, people write, and strangers try things.
async fn trouble() {
    let mut behaviour = Behaviour::realistic();
    behaviour.outcomes.failed = 0.3;
    behaviour.outcomes.late_failure = 0.2;
    behaviour.faults.lost_response = 0.1;
    behaviour.faults.refused = 0.2;
    behaviour.faults.refusal_codes = vec![131_026, 131_049, 131_056, 132_000, 130_472, 999_999];
    let world = World::builder().behaviour(behaviour).build().await;
    let connection = world.connection().await;
    let campaign = world.campaign(&connection, json!({})).await;
    world.upload(&campaign, contacts_csv(0, 60)).await.expect(200);
    world.upload(&campaign, "phone\n+57300,\n\"+573001234567").await;
    world.act(&campaign, "start").await.expect(200);
    world.settle().await;
    let stop = InboundMessage::text(phone(1), "STOP Leave me alone");
    world.simulator.send_inbound(stop);
    world.quiet().await;
    for path in
        ["/v1/contacts/+573001234567", "/v1/contacts/%2B573001234567%00", "/v1/+573001234567"]
    {
        world.get(path).await;
    }
    let body =
        br#"{"entry":[{"changes":[{"value":{"statuses":[{"recipient_id":"573001234567"}]}}]}]}"#;
    let (signed, forged) = (World::sign(body), "sha256=00");
    for signature in [signed.as_str(), forged] {
        world.post_webhook(body.to_vec(), signature).await;
    }
    world
        .post_webhook(
            b"+573001234567 is no JSON".to_vec(),
            &World::sign(b"+573001234567 is no JSON"),
        )
        .await;
    world.host.enqueue_raw("+573001234567 is no batch").await.expect("enqueued");
    world.pass(2, 60).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_log_shows_who_was_sent_what() {
    trouble().await;
    let (mut lines, mut files) = (0, 0);
    for entry in std::fs::read_dir(logs::folder()).expect("the logs") {
        let path = entry.expect("a file").path();
        files += 1;
        for (number, line) in std::fs::read_to_string(&path).expect("a log").lines().enumerate() {
            lines += 1;
            if let Some(leak) = leak(line) {
                panic!("{}, line {}, shows {leak}: {line}", path.display(), number + 1);
            }
        }
    }
    assert!(lines > 20, "only {lines} lines in {files} files were looked through");
}
