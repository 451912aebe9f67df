//! Every error code of Meta's, as the response to a send and as a failed status: the
//! outcome for the recipient, the rest of the batch, the campaign and the connection.

use std::time::Duration;

use carillon::time::Timestamp;
use carillon_testkit::{World, phone, wa_id};
use serde_json::{Value, json};
use whatsapp_simulator::{Behaviour, ForcedError, ReportedBy};

/// The expected outcome of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// The message fails for good.
    Failed,
    /// The message is retried, after so many minutes or later.
    RetryAfter(i64),
    /// As a response, the message may have been sent: it is unconfirmed. As a status,
    /// the message has failed: it is retried.
    Ambiguous,
    /// The contact is suppressed.
    OptedOut,
    /// The country is blocked.
    CountryBlocked,
    /// The campaign halts, and nobody fails.
    Halted,
}

use Outcome::{Ambiguous, CountryBlocked, Failed, Halted, OptedOut, RetryAfter};

/// All 81 codes of Meta's list, by their outcome.
const CODES: &[(Outcome, &[u32])] = &[
    (
        Failed,
        &[
            100, 1026, 130_403, 130_472, 131_008, 131_009, 131_021, 131_026, 131_030, 131_035,
            131_036, 131_044, 131_047, 131_051, 131_052, 131_055, 131_059, 131_060, 131_062,
            132_005, 132_008, 132_012, 132_018, 133_005, 133_008, 133_009, 134_100, 137_000,
            139_100, 2_388_019,
        ],
    ),
    (Ambiguous, &[1, 2, 131_000, 131_016, 131_057, 133_004, 2_494_100]),
    (RetryAfter(0), &[4, 17, 130_429, 131_056, 80_007]),
    (RetryAfter(5), &[133_015]),
    (RetryAfter(10), &[134_101]),
    (RetryAfter(60), &[613, 132_069]),
    (RetryAfter(24 * 60), &[131_049]),
    (RetryAfter(72 * 60), &[133_016]),
    (OptedOut, &[131_050]),
    (CountryBlocked, &[130_497]),
    (
        Halted,
        &[
            // The account.
            0, 3, 10, 104, 190, 200, 368, 131_005, 131_031, 131_042, 131_064, 134_011,
            // The number.
            33, 803, 131_037, 131_045, 131_048, 133_000, 133_006, 133_010,
            // The template.
            131_053, 131_061, 131_063, 132_000, 132_001, 132_007, 132_015, 132_016, 132_068,
            134_102, 135_000,
        ],
    ),
];

/// The codes that throttle the whole connection.
const THROTTLING: [u32; 4] = [4, 17, 130_429, 80_007];

/// A campaign of three contacts on a connection of its own; the first gets the code.
struct Case {
    code: u32,
    outcome: Outcome,
    connection: String,
    campaign: String,
    first: u32,
}

impl Case {
    async fn draft(world: &World, index: u32, code: u32, outcome: Outcome) -> Self {
        let (number, waba) = (format!("8000000000{index:05}"), format!("9000000000{index:05}"));
        let settings = json!({"provider": World::sender(&number, &waba)});
        let (connection, first) = (world.connection_with(settings).await, index * 10);
        let campaign = world.draft_on(&connection, first..first + 3, json!({})).await;
        Self { code, outcome, connection, campaign, first }
    }

    async fn start(&self, world: &World) {
        world.start(&self.campaign).await.expect(200);
    }
}

/// Every message is delivered and read, except that these contacts get these codes.
fn with_errors(errors: impl IntoIterator<Item = (u32, u32)>, reported_by: ReportedBy) -> Behaviour {
    let mut behaviour = Behaviour::all_read();
    for (contact, code) in errors {
        let error = ForcedError { code, times: None, reported_by };
        behaviour.faults.forced.insert(wa_id(contact), error);
    }
    behaviour
}

/// The minutes from a recipient's last attempt to its retry. Carillon's clock gives
/// both times, so that a slow machine doesn't change them.
fn retry_delay(recipient: &Value) -> i64 {
    let time = |name: &str| -> Timestamp {
        recipient[name].as_str().expect(name).parse().expect("a time")
    };
    time("not_before").duration_since(time("sent_at")).as_mins()
}

/// Asserts the outcome after the first attempt.
async fn check_outcome(world: &World, case: &Case, reported_by: ReportedBy) {
    let about = format!("code {} by {reported_by:?}", case.code);
    let all = world.recipients(&case.campaign).await;
    let first = &all[0];
    let report = world.get(&format!("/v1/campaigns/{}/report", case.campaign)).await;
    let status = report.string("status");
    let is = |expected: &str| assert_eq!(first["status"], expected, "{about}: {first}");
    let mut others_wait = false;
    match (case.outcome, reported_by) {
        (Failed, _) => {
            is("failed");
            assert_eq!(first["failure_code"], case.code, "{about}");
            assert!(!first["failure_reason"].as_str().unwrap_or_default().is_empty(), "{about}");
        }
        (Ambiguous, ReportedBy::Response) => is("unconfirmed"),
        (Ambiguous, ReportedBy::Webhook) => {
            is("pending");
            assert_eq!(first["attempt"], 2, "{about}");
        }
        (RetryAfter(minutes), _) => {
            is("pending");
            assert_eq!(first["attempt"], 2, "{about}");
            assert!(retry_delay(first) >= minutes, "{about}: {first}");
            others_wait = THROTTLING.contains(&case.code);
        }
        (OptedOut, _) => {
            is("skipped");
            assert_eq!(first["skip_reason"], "opted_out", "{about}");
            let contact = world.contact(&phone(case.first)).await.expect(200);
            assert!(contact.body["opted_out_at"].is_string(), "{about}");
        }
        (CountryBlocked, _) => {
            is("failed");
            let connection = world.get(&format!("/v1/connections/{}", case.connection)).await;
            assert!(connection.text.contains("\"blocked_countries\":[\"CO\"]"), "{about}");
        }
        (Halted, _) => {
            is("pending");
            others_wait = true;
            assert_eq!(status, "halted", "{about}");
            let reason = report.body["halt"]["detail"].to_string();
            assert!(reason.contains(&format!("(code {})", case.code)), "{about}: {reason}");
        }
    }
    if case.outcome != Halted {
        assert_eq!(status, "active", "{about}: {}", report.text);
    }
    for other in &all[1..] {
        let expected = match other["status"].as_str() {
            Some("sent" | "delivered" | "read") => true,
            Some("pending") => others_wait && other["attempt"] == 1,
            Some("skipped") => {
                case.outcome == CountryBlocked && other["skip_reason"] == "country_blocked"
            }
            _ => false,
        };
        assert!(expected, "{about}: another recipient is {other}");
    }
}

/// Asserts the end, after the errors have stopped and halted campaigns were resumed:
/// everyone who has not failed for good is sent to.
async fn check_end(world: &World, case: &Case, reported_by: ReportedBy) {
    let about = format!("code {} by {reported_by:?}, in the end", case.code);
    let report = world.report(&case.campaign).await;
    let (read, rest) = (report.number("read"), 3 - report.number("read"));
    match (case.outcome, reported_by) {
        (Failed | OptedOut, _) | (Ambiguous, ReportedBy::Response) => {
            assert_eq!((read, rest), (2, 1), "{about}: {}", report.text);
        }
        (CountryBlocked, _) => assert_eq!(report.number("failed"), 1, "{about}: {}", report.text),
        (RetryAfter(_) | Halted, _) | (Ambiguous, ReportedBy::Webhook) => {
            assert_eq!(read, 3, "{about}: {}", report.text);
        }
    }
    assert_eq!(report.string("status"), "completed", "{about}: {}", report.text);
}

async fn check_every_code(reported_by: ReportedBy) {
    let world = World::builder().rate(8.0).build().await;
    let codes =
        CODES.iter().flat_map(|(outcome, codes)| codes.iter().map(|code| (*code, *outcome)));
    let mut cases = Vec::new();
    for (index, (code, outcome)) in (0..).zip(codes) {
        cases.push(Case::draft(&world, index, code, outcome).await);
    }
    assert_eq!(cases.len(), 81);
    let errors = cases.iter().map(|case| (case.first, case.code));
    world.simulator.set_behaviour(with_errors(errors, reported_by));
    for case in &cases {
        case.start(&world).await;
    }
    world.run_until_idle().await;
    for case in &cases {
        check_outcome(&world, case, reported_by).await;
    }
    world.simulator.set_behaviour(Behaviour::all_read());
    for case in cases.iter().filter(|case| case.outcome == Halted) {
        world.resume(&case.campaign).await.expect(200);
    }
    for minutes in [10, 70, 22 * 60] {
        world.clock.advance(Duration::from_mins(minutes));
        world.run_until_idle().await;
    }
    // Less than a day has passed.
    for case in cases.iter().filter(|case| matches!(case.outcome, RetryAfter(1440..))) {
        assert_eq!(world.recipients(&case.campaign).await[0]["status"], "pending");
    }
    for hours in [10, 80, 1, 1] {
        world.clock.advance(Duration::from_hours(hours));
        world.run_until_idle().await;
    }
    for case in &cases {
        check_end(&world, case, reported_by).await;
    }
    assert_eq!(world.simulator.summary().repeated_callback_data, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_code_as_the_response_to_a_send_has_its_outcome() {
    check_every_code(ReportedBy::Response).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_code_in_a_failed_status_has_its_outcome() {
    check_every_code(ReportedBy::Webhook).await;
}

/// Codes that break a template, a number or an account, and which of these campaigns
/// they halt: (same number, other template), (other number, same template),
/// (other number, other template), (other account, same template).
const HALTS: [(u32, [bool; 4]); 3] = [
    (132_015, [false, true, false, false]),
    (131_048, [true, false, false, false]),
    (131_042, [true, true, true, false]),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_halt_covers_the_template_number_or_account_that_is_broken() {
    for (code, expected) in HALTS {
        let world = World::builder().rate(1.0).build().await;
        let mut numbers = Vec::new();
        for (number, waba) in [("1", "1"), ("2", "1"), ("3", "2")] {
            let (number, waba) =
                (format!("80000000000000{number}"), format!("90000000000000{waba}"));
            let provider = World::sender(&number, &waba);
            let settings = json!({"provider": provider, "quota_group": "shop"});
            numbers.push(world.connection_with(settings).await);
        }
        let broken = world.draft_on(&numbers[0], 0..1, json!({})).await;
        let start_at = (world.clock.now() + Duration::from_hours(9)).to_string();
        let same = json!({ "scheduled_start": start_at });
        let other = json!({
            "scheduled_start": start_at,
            "message": {"type": "template", "template": {"name": "other_offer", "language": "en_US"}},
        });
        let mut others = Vec::new();
        for (number, settings) in [(0, &other), (1, &same), (1, &other), (2, &same)] {
            others.push(world.started_on(&numbers[number], 10..11, settings.clone()).await);
        }
        world.simulator.set_behaviour(with_errors([(0, code)], ReportedBy::Response));
        world.start(&broken).await.expect(200);
        world.run_until_idle().await;
        assert_eq!(world.report(&broken).await.string("status"), "halted");
        for (campaign, halted) in others.iter().zip(expected) {
            let status = world.report(campaign).await.string("status");
            assert_eq!(status == "halted", halted, "code {code}: {status}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recipient_fails_after_max_retries() {
    // Throttled attempts don't count. They end after a day, at the fifth here.
    let world = World::new().await;
    let mut cases = Vec::new();
    for (index, (code, retries, attempts)) in
        (0..).zip([(613, 3, 4), (613, 0, 1), (130_429, 2, 5), (131_049, 3, 2)])
    {
        let case = Case::draft(&world, index, code, Failed).await;
        let path = format!("/v1/campaigns/{}", case.campaign);
        world.patch(&path, &json!({"max_retries": retries})).await.expect(200);
        case.start(&world).await;
        cases.push((case, attempts));
    }
    let errors = cases.iter().map(|(case, _)| (case.first, case.code));
    world.simulator.set_behaviour(with_errors(errors, ReportedBy::Response));
    for _ in 0..8 {
        world.run_until_idle().await;
        world.clock.advance(Duration::from_hours(7));
    }
    world.run_until_idle().await;
    for (case, attempts) in cases {
        let first = &world.recipients(&case.campaign).await[0];
        assert_eq!(first["status"], "failed", "code {}: {first}", case.code);
        assert_eq!(first["attempt"], attempts, "code {}: {first}", case.code);
    }
}
