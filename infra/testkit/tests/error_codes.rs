//! Every error code of Meta's, by the front door and on both ways in which it
//! arrives: as the answer to a send, and as a failed status. What becomes of the
//! recipient, of the others in the batch, of the campaign and of the connection.

use std::time::Duration;

use carillon_testkit::{World, phone};
use serde_json::{Value, json};
use whatsapp_simulator::{Behaviour, ForcedError, ReportedBy};

/// What is expected after a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// It failed for good, and nobody else is touched.
    Failed,
    /// It waits for another attempt, at least so many minutes.
    Later(i64),
    /// By answer it may have gone out; by webhook it surely failed, and is tried again.
    Unclear,
    /// The contact is suppressed.
    OptedOut,
    /// The country is left out.
    CountryBlocked,
    /// The campaign is halted, and nobody is burnt.
    Halted,
}

use Then::{CountryBlocked, Failed, Halted, Later, OptedOut, Unclear};

/// All 81 codes of Meta's list, by what they do.
const CODES: &[(Then, &[u32])] = &[
    (
        Failed,
        &[
            100, 1026, 130_403, 130_472, 131_009, 131_021, 131_026, 131_030, 131_035, 131_036,
            131_044, 131_047, 131_051, 131_052, 131_055, 131_059, 131_060, 131_062, 132_005,
            132_008, 133_005, 133_008, 133_009, 134_100, 137_000, 139_100, 2_388_019,
        ],
    ),
    (Unclear, &[1, 2, 131_000, 131_016, 131_057, 133_004, 2_494_100]),
    (Later(0), &[4, 17, 130_429, 131_056, 80_007]),
    (Later(5), &[133_015]),
    (Later(10), &[134_101]),
    (Later(60), &[613, 132_069]),
    (Later(24 * 60), &[131_049]),
    (Later(72 * 60), &[133_016]),
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
            131_008, 131_053, 131_061, 131_063, 132_000, 132_001, 132_007, 132_012, 132_015,
            132_016, 132_018, 132_068, 134_102, 135_000,
        ],
    ),
];

/// A code, what it does, and a campaign of three of whom the first meets it.
struct Case {
    code: u32,
    then: Then,
    connection: String,
    campaign: String,
    first: u32,
}

fn cases() -> impl Iterator<Item = (u32, Then)> {
    CODES.iter().flat_map(|(then, codes)| codes.iter().map(|code| (*code, *then)))
}

async fn set_up(world: &World, index: u32, code: u32, then: Then) -> Case {
    let numbers = json!({
        "phone_number_id": format!("8000000000{index:05}"), "waba_id": format!("9000000000{index:05}"),
    });
    let connection = world.connection_with(numbers).await;
    let campaign = world.campaign(&connection, json!({})).await;
    let first = index * 10;
    world.upload(&campaign, carillon_testkit::contacts_csv(first, 3)).await.expect(200);
    Case { code, then, connection, campaign, first }
}

fn forced(cases: &[Case], reported_by: ReportedBy) -> Behaviour {
    let mut behaviour = Behaviour::all_read();
    for case in cases {
        let digits = phone(case.first).trim_start_matches('+').to_owned();
        let error = ForcedError { code: case.code, times: None, reported_by };
        behaviour.faults.forced.insert(digits, error);
    }
    behaviour
}

async fn recipients(world: &World, campaign: &str) -> Vec<Value> {
    let page = world.get(&format!("/v1/campaigns/{campaign}/recipients")).await.expect(200);
    let page: Value = serde_json::from_str(&page.text).expect("JSON");
    let mut items = page["items"].as_array().expect("items").clone();
    items.sort_by_key(|item| item["contact"].to_string());
    items
}

/// How many minutes after its last attempt a recipient is due. Both times are the
/// product's: however slow the machine is, they are as far apart.
fn is_due_in(recipient: &Value) -> i64 {
    let time = |name: &str| -> carillon::time::Timestamp {
        recipient[name].as_str().expect(name).parse().expect("a time")
    };
    time("not_before").duration_since(time("sent_at")).as_mins()
}

async fn check(world: &World, case: &Case, reported_by: ReportedBy) {
    let about = format!("code {} by {reported_by:?}", case.code);
    let all = recipients(world, &case.campaign).await;
    let hit = &all[0];
    let report = world.get(&format!("/v1/campaigns/{}/report", case.campaign)).await;
    let status = report.string("status");
    let is = |wanted: &str| assert_eq!(hit["status"], wanted, "{about}: {hit}");
    let mut others_wait = false;
    match (case.then, reported_by) {
        (Failed, _) => {
            is("failed");
            assert_eq!(hit["code"], case.code, "{about}");
            assert!(!hit["reason"].as_str().unwrap_or_default().is_empty(), "{about}");
        }
        (Unclear, ReportedBy::Response) => is("unconfirmed"),
        (Unclear, ReportedBy::Webhook) => {
            is("pending");
            assert_eq!(hit["attempt"], 2, "{about}");
        }
        (Later(minutes), _) => {
            is("pending");
            assert_eq!(hit["attempt"], 2, "{about}");
            assert!(is_due_in(hit) >= minutes, "{about}: {hit}");
            // A number that is too fast waits as a whole.
            others_wait = [4, 17, 130_429, 80_007].contains(&case.code);
        }
        (OptedOut, _) => {
            is("skipped");
            let contact = phone(case.first).replace('+', "%2B");
            let contact = world.get(&format!("/v1/contacts/{contact}")).await.expect(200);
            assert!(contact.text.contains("opted_out_at"), "{about}");
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
            let why = report.string("halted_for");
            assert!(why.contains(&format!("(code {})", case.code)), "{about}: {why}");
        }
    }
    if case.then != Halted {
        assert_eq!(status, "active", "{about}: {}", report.text);
    }
    for other in &all[1..] {
        let fine = match other["status"].as_str() {
            Some("sent" | "delivered" | "read") => true,
            Some("pending") => others_wait && other["attempt"] == 1,
            Some("skipped") => case.then == CountryBlocked && other["reason"] == "country_blocked",
            _ => false,
        };
        assert!(fine, "{about}: another one is {other}");
    }
}

/// Once the cause is gone and a person has resumed what was halted, everyone is
/// sent to who hasn't failed for good.
async fn check_end(world: &World, case: &Case, reported_by: ReportedBy) {
    let about = format!("code {} by {reported_by:?}, in the end", case.code);
    let report = world.report(&case.campaign).await;
    let (read, rest) = (report.number("read"), 3 - report.number("read"));
    match (case.then, reported_by) {
        (Failed | OptedOut, _) | (Unclear, ReportedBy::Response) => {
            assert_eq!((read, rest), (2, 1), "{about}: {}", report.text);
        }
        (CountryBlocked, _) => assert_eq!(report.number("failed"), 1, "{about}: {}", report.text),
        (Later(_) | Halted, _) | (Unclear, ReportedBy::Webhook) => {
            assert_eq!(read, 3, "{about}: {}", report.text);
        }
    }
    assert_eq!(report.string("status"), "completed", "{about}: {}", report.text);
}

async fn every_code(reported_by: ReportedBy) {
    let world = World::builder().rate(8.0).build().await;
    let mut all = Vec::new();
    for (index, (code, then)) in cases().enumerate() {
        all.push(set_up(&world, u32::try_from(index).expect("few"), code, then).await);
    }
    assert_eq!(all.len(), 81);
    world.simulator.set_behaviour(forced(&all, reported_by));
    for case in &all {
        world.act(&case.campaign, "start").await.expect(200);
    }
    world.settle().await;
    for case in &all {
        check(&world, case, reported_by).await;
    }
    // The cause is gone.
    world.simulator.set_behaviour(Behaviour::all_read());
    for case in all.iter().filter(|case| case.then == Halted) {
        world.act(&case.campaign, "resume").await.expect(200);
    }
    for minutes in [10, 70, 22 * 60] {
        world.clock.advance(Duration::from_mins(minutes));
        world.settle().await;
    }
    // Not a day yet.
    for case in all.iter().filter(|case| matches!(case.then, Later(1440..))) {
        assert_eq!(recipients(&world, &case.campaign).await[0]["status"], "pending");
    }
    for hours in [10, 80, 1, 1] {
        world.clock.advance(Duration::from_hours(hours));
        world.settle().await;
    }
    for case in &all {
        check_end(&world, case, reported_by).await;
    }
    let log = world.simulator.summary();
    assert_eq!(log.repeated_callback_data, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_code_that_answers_a_send() {
    every_code(ReportedBy::Response).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_code_that_a_webhook_tells() {
    every_code(ReportedBy::Webhook).await;
}

/// One of those 81 codes on one of two numbers of an account: which of the other
/// campaigns are halted, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_halt_reaches_as_far_as_what_is_broken() {
    // (same number, other template), (other number, same template),
    // (other number, other template), (other account, same template).
    let scopes = [
        (132_015, [false, true, false, false]),
        (131_048, [true, false, false, false]),
        (131_042, [true, true, true, false]),
    ];
    for (code, expected) in scopes {
        let world = World::builder().rate(1.0).build().await;
        let mut numbers = Vec::new();
        for (number, waba) in [("1", "1"), ("2", "1"), ("3", "2")] {
            let settings = json!({
                "phone_number_id": format!("80000000000000{number}"),
                "waba_id": format!("90000000000000{waba}"), "portfolio": "shop",
            });
            numbers.push(world.connection_with(settings).await);
        }
        let other = json!({"message": {"template": {"name": "other_offer", "language": "en_US"}}});
        let hit = world.campaign(&numbers[0], json!({})).await;
        world.upload(&hit, carillon_testkit::contacts_csv(0, 1)).await.expect(200);
        let later = world.clock.now() + Duration::from_hours(9);
        let later = json!({"scheduled_start": later.to_string()});
        let mut rest = Vec::new();
        for (number, settings) in
            [(0, other.clone()), (1, json!({})), (1, other.clone()), (2, json!({}))]
        {
            let mut settings = settings;
            settings["scheduled_start"] = later["scheduled_start"].clone();
            let campaign = world.campaign(&numbers[number], settings).await;
            world.upload(&campaign, carillon_testkit::contacts_csv(10, 1)).await.expect(200);
            world.act(&campaign, "start").await.expect(200);
            rest.push(campaign);
        }
        let mut behaviour = Behaviour::all_read();
        let error = ForcedError { code, times: None, reported_by: ReportedBy::Response };
        let digits = phone(0).trim_start_matches('+').to_owned();
        behaviour.faults.forced.insert(digits, error);
        world.simulator.set_behaviour(behaviour);
        world.act(&hit, "start").await.expect(200);
        world.settle().await;
        assert_eq!(world.report(&hit).await.string("status"), "halted");
        for (campaign, halted) in rest.iter().zip(expected) {
            let status = world.report(campaign).await.string("status");
            assert_eq!(status == "halted", halted, "code {code}: {status}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retries_end_after_as_many_as_were_set() {
    let world = World::builder().build().await;
    let mut all = Vec::new();
    for (index, (code, retries, attempts)) in
        [(613, 3, 4), (613, 0, 1), (130_429, 2, 3), (131_049, 3, 2)].into_iter().enumerate()
    {
        let index = u32::try_from(index).expect("few");
        let case = set_up(&world, index, code, Failed).await;
        let path = format!("/v1/campaigns/{}", case.campaign);
        let changes = json!({"max_retries": retries});
        world.request("PATCH", &path, Some(&changes)).await.expect(200);
        world.act(&case.campaign, "start").await.expect(200);
        all.push((case, attempts));
    }
    let cases: Vec<_> = all.iter().map(|(case, _)| case).collect();
    let mut behaviour = Behaviour::all_read();
    for case in &cases {
        let digits = phone(case.first).trim_start_matches('+').to_owned();
        let error = ForcedError { code: case.code, times: None, reported_by: ReportedBy::Response };
        behaviour.faults.forced.insert(digits, error);
    }
    world.simulator.set_behaviour(behaviour);
    for _ in 0..8 {
        world.settle().await;
        world.clock.advance(Duration::from_hours(7));
    }
    world.settle().await;
    for (case, attempts) in all {
        let hit = &recipients(&world, &case.campaign).await[0];
        assert_eq!(hit["status"], "failed", "code {}: {hit}", case.code);
        assert_eq!(hit["attempt"], attempts, "code {}: {hit}", case.code);
    }
}
