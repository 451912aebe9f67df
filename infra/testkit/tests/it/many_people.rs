//! Many people in thirty countries, each written in every way there is: each gets one
//! message, and an opt-out under any key holds under all.
//!
//! `CARILLON_PEOPLE` sets how many, 300 by default.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use carillon_testkit::World;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use whatsapp_simulator::{Behaviour, Config};

const SEED: u64 = 11;

/// Calling codes, and national mobile numbers without their last five digits.
const COUNTRIES: [(&str, &str); 32] = [
    ("57", "30012"),
    ("52", "55123"),
    ("55", "119876"),
    ("55", "319876"),
    ("54", "911234"),
    ("1", "20223"),
    ("56", "9876"),
    ("51", "9876"),
    ("34", "6123"),
    ("49", "151234"),
    ("33", "6123"),
    ("44", "79111"),
    ("39", "33312"),
    ("91", "98765"),
    ("62", "81234"),
    ("234", "80312"),
    ("27", "8212"),
    ("254", "7121"),
    ("20", "10012"),
    ("90", "53212"),
    ("966", "5012"),
    ("971", "5012"),
    ("92", "30012"),
    ("880", "17121"),
    ("63", "91712"),
    ("66", "8112"),
    ("84", "9123"),
    ("60", "1234"),
    ("81", "90123"),
    ("61", "4123"),
    ("351", "9123"),
    ("48", "5123"),
];

#[expect(clippy::disallowed_methods, reason = "the environment sets how many people there are")]
fn wanted() -> u32 {
    std::env::var("CARILLON_PEOPLE").ok().and_then(|text| text.parse().ok()).unwrap_or(300)
}

/// The digits of a person's number, without the plus.
fn number(person: u32) -> String {
    let (code, national) = COUNTRIES[person as usize % COUNTRIES.len()];
    format!("{code}{national}{person:05}")
}

/// All ways in which files have the number.
fn spellings(digits: &str) -> Vec<String> {
    let (start, end) = digits.split_at(digits.len() - 4);
    let mut found = vec![format!("+{digits}"), format!("00{digits}"), format!("+{start} {end}")];
    if let Some(national) = digits.strip_prefix("52") {
        found.extend([format!("+521{national}"), format!("0052 1 {national}")]);
    }
    if let Some(national) = digits.strip_prefix("55") {
        let (area, subscriber) = national.split_at(2);
        found.push(format!("+55 {area} {}", subscriber.trim_start_matches('9')));
    }
    if let Some(national) = digits.strip_prefix("549") {
        found.push(format!("+54{national}"));
    }
    found
}

/// How many messages each person got, by user id, from the message at `first` on.
fn messages(world: &World, first: usize) -> BTreeMap<String, u32> {
    let mut messages = BTreeMap::new();
    for entry in world.simulator.log().into_iter().skip(first) {
        *messages.entry(entry.user_id.unwrap_or(entry.to)).or_default() += 1;
    }
    messages
}

/// Uploads the files to a new campaign, sends it, and returns how many messages each person
/// got.
async fn send(world: &World, connection: &str, files: &[String]) -> BTreeMap<String, u32> {
    let first = world.simulator.log().len();
    let settings = json!({"daily_send_limit": 50_000});
    let campaign = world.campaign(connection, settings).await;
    for file in files {
        let report = world.upload(&campaign, file.as_bytes()).await.expect(200);
        assert_eq!(report.number("invalid_total"), 0, "{}", report.text);
    }
    world.start(&campaign).await.expect(200);
    // A run of the scheduler releases some minutes of work; twins wait for each other.
    for _ in 0..wanted().div_ceil(50).max(40) {
        world.run_until_idle().await;
        world.advance_hours(1, 30).await;
        if world.report(&campaign).await.string("status") == "completed" {
            break;
        }
    }
    let report = world.report(&campaign).await;
    assert_eq!(report.string("status"), "completed", "{}", report.text);
    world.assert_counters_exact(&campaign).await;
    messages(world, first)
}

fn file(column: &str, mut rows: Vec<String>, rng: &mut StdRng) -> String {
    rows.shuffle(rng);
    let mut csv = format!("{column},first_name\n");
    for row in rows {
        writeln!(csv, "{row},Ana").expect("a string");
    }
    csv
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_gets_one_message_under_all_their_keys_and_an_opt_out_holds_for_all() {
    let rewrite = |config| Config { rewrite_wa_ids: true, ..config };
    let builder = World::builder().behaviour(Behaviour::all_read()).rate(600.0);
    let world = builder.whatsapp(rewrite).build().await;
    let settings = json!({"throughput_mps": 80, "quota_limit": null});
    let connection = world.connection_with(settings).await;
    let mut rng = StdRng::seed_from_u64(SEED);
    let numbers: Vec<String> = (0..wanted()).map(number).collect();

    // Every spelling of everybody, in one file.
    let all = numbers.iter().flat_map(|digits| spellings(digits)).collect();
    let sent = send(&world, &connection, &[file("phone", all, &mut rng)]).await;
    assert_eq!(sent.len(), numbers.len());
    let twice: Vec<_> = sent.iter().filter(|(_, messages)| **messages != 1).collect();
    assert!(twice.is_empty(), "{twice:?}");

    // User ids in one file and phones in others: the statuses have told which are one person's.
    let ids: Vec<String> = sent.keys().cloned().collect();
    let any = |digits: &String, rng: &mut StdRng| {
        let forms = spellings(digits);
        forms[rng.random_range(0..forms.len())].clone()
    };
    let phones = |rng: &mut StdRng| numbers.iter().map(|one| any(one, rng)).collect::<Vec<_>>();
    let [first, second] = [phones(&mut rng), phones(&mut rng)];
    let files = [
        file("bsuid", ids.clone(), &mut rng),
        file("phone", first, &mut rng),
        file("phone", second, &mut rng),
    ];
    let sent = send(&world, &connection, &files).await;
    assert_eq!(sent.len(), numbers.len());
    assert!(sent.values().all(|messages| *messages == 1));

    // A tenth opts out, under the key that WhatsApp tells.
    let (stopped, others) = numbers.split_at(numbers.len() / 10);
    for digits in stopped {
        world.simulator.stop_marketing(digits);
    }
    world.wait_until_idle().await;
    let rows = phones(&mut rng);
    let files = [file("phone", rows, &mut rng), file("bsuid", ids, &mut rng)];
    let sent = send(&world, &connection, &files).await;
    assert_eq!(sent.len(), others.len());
    assert!(sent.values().all(|messages| *messages == 1));
}
