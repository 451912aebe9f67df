//! The status storm: many statuses, shuffled, repeated, batched, some before the
//! response to the send, a third of the requests while the table fails. One in a hundred updates
//! is one that the table refuses for good. The result is the same as of each status once and in
//! order, and those that can't be stored are kept as unreadable.
//!
//! `just storm 100000`; `CARILLON_STATUSES` sets the number of statuses.

use std::collections::HashMap;
use std::time::Duration;

use carillon::contact;
use carillon::table::{Key, stored_key};
use carillon_testkit::webhook_body::{number_change, status, statuses};
use carillon_testkit::{FaultRates, World, contacts_csv};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use whatsapp_simulator::{Behaviour, LogEntry};

/// Statuses per recipient, on average.
const STATUSES_PER_RECIPIENT: u32 = 2;
/// The maximum number of recipients. More statuses repeat those of each recipient.
const MAX_RECIPIENTS: u32 = 10_000;
/// Contacts per upload.
const UPLOAD: u32 = 20_000;
/// Recipients that get a status before the response to their send.
const EARLY: usize = 50;
/// Of so many statuses one more update can't be stored.
const PER_UNSTORABLE: usize = 100;
/// How long sending may take, in real time.
const MAX_WAIT: Duration = Duration::from_mins(20);
const SEED: u64 = 7;

/// The statuses of a recipient, and the status that they result in.
const STATUSES: [(&[&str], &str); 4] = [
    (&["sent"], "sent"),
    (&["sent", "delivered"], "delivered"),
    (&["sent", "delivered", "read"], "read"),
    (&["sent", "failed"], "failed"),
];

#[expect(clippy::disallowed_methods, reason = "the environment sets the number")]
fn wanted() -> u32 {
    std::env::var("CARILLON_STATUSES").ok().and_then(|text| text.parse().ok()).unwrap_or(3_000)
}

fn statuses_of(entry: &LogEntry) -> (&'static [&'static str], &'static str) {
    let last: usize = entry.to[entry.to.len() - 1..].parse().expect("a digit");
    STATUSES[last % STATUSES.len()]
}

/// Posts a body until it is answered 200, as Meta does. Returns how often it was
/// answered 500 before.
async fn post(world: &World, body: Vec<u8>) -> u32 {
    for refused in 0..50 {
        let response = world.post_signed_webhook(body.clone()).await;
        if response.status == 200 {
            return refused;
        }
        response.expect(500);
        world.stop_faults();
    }
    panic!("never stored");
}

/// A started campaign in a silent world that can inject faults.
async fn started(recipients: u32) -> (World, String) {
    let mut behaviour = Behaviour::no_webhooks();
    behaviour.faults.latency_ms = 40;
    let world = World::builder().behaviour(behaviour).faults(FaultRates::default()).rate(10.0);
    let world = world.build().await;
    let settings = json!({"throughput_mps": 1_000, "quota_limit": 1_000_000});
    let connection = world.connection_with(settings).await;
    let campaign = world.campaign(&connection, json!({"daily_send_limit": 1_000_000})).await;
    for first in (0..recipients).step_by(UPLOAD as usize) {
        let end = recipients.min(first + UPLOAD);
        world.upload(&campaign, contacts_csv(first..end)).await.expect(200);
    }
    world.host.wait_until_counted().await;
    world.start(&campaign).await.expect(200);
    (world, campaign)
}

/// Posts the first status of the recipients whose send has not been answered yet.
async fn post_early_statuses(world: &World) {
    let mut early = 0;
    while early < EARLY {
        let log = world.simulator.log();
        for entry in log.iter().skip(early).take(10) {
            post(world, statuses(&[status(entry, statuses_of(entry).0[0])])).await;
        }
        early = log.len().min(early + 10);
    }
}

async fn send_all(world: &World, recipients: u32) -> Vec<LogEntry> {
    let all_sent = async {
        while world.simulator.summary().accepted < u64::from(recipients)
            || !world.host.all_batches_done().await.expect("the table answers")
        {
            world.clock.advance(Duration::from_mins(1));
            world.tick().await;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::time::timeout(MAX_WAIT, all_sent).await.expect("every message is sent");
    let log = world.simulator.log();
    assert_eq!(log.len(), recipients as usize);
    log
}

/// An update that the table never stores, the `number`th: its sort key would be longer than
/// 1,024 bytes or, for each tenth, its item larger than 400 KB.
fn unstorable(entry: &LogEntry, number: usize) -> Value {
    let (id, text) = match number % 10 {
        0 => (format!("wamid.{number}"), "x".repeat(420_000)),
        _ => (format!("wamid.{number}.{}", "x".repeat(1_100)), "a text".to_owned()),
    };
    json!({
        "from": entry.to, "id": id, "timestamp": (entry.at_ms / 1000).to_string(),
        "type": "text", "text": {"body": text},
    })
}

/// Posts every status `times` times or once more, shuffled and batched, and lets the
/// table fail during every third request. Returns how many updates more there were, which can't
/// be stored.
async fn post_storm(world: &World, log: &[LogEntry], times: u32) -> usize {
    let mut rng = StdRng::seed_from_u64(SEED);
    let mut all = Vec::new();
    for entry in log {
        for word in statuses_of(entry).0 {
            let times = times + u32::from(rng.random_bool(0.15));
            all.extend((0..times).map(|_| (entry, *word)));
        }
    }
    all.shuffle(&mut rng);
    let (mut rest, mut requests, mut refused) = (all.as_slice(), 0, 0);
    let (mut posted, mut hostile) = (0, 0);
    while !rest.is_empty() {
        let (batch, after) = rest.split_at(rng.random_range(1..=60).min(rest.len()));
        rest = after;
        posted += batch.len();
        let mut messages = Vec::new();
        while hostile < posted / PER_UNSTORABLE {
            messages.push(unstorable(batch[0].0, hostile));
            hostile += 1;
        }
        let batch: Vec<_> = batch.iter().map(|(entry, word)| status(entry, word)).collect();
        let body = json!({"statuses": batch, "messages": messages});
        requests += 1;
        if requests % 3 == 0 {
            // The table stores some of the statuses only.
            let rates = FaultRates { failed: 0.8, ..FaultRates::default() };
            world.proxies().table.set_rates(rates);
        }
        refused += post(world, number_change("messages", body)).await;
        world.stop_faults();
    }
    println!(
        "{} statuses of {} recipients in {requests} requests; {refused} were answered 500 first",
        all.len(),
        log.len()
    );
    assert!(refused * 4 > requests, "only {refused} of {requests} met a fault");
    hostile
}

/// How many updates are kept as unreadable.
async fn kept(world: &World) -> usize {
    let items = world.items_containing("UNREADABLE#").await;
    let is_kept = |key| matches!(key, Some(Key::Unreadable { .. }));
    items.iter().filter(|item| is_kept(stored_key(item))).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statuses_in_any_order_result_in_the_same_status_and_none_is_lost() {
    let recipients = (wanted() / STATUSES_PER_RECIPIENT).clamp(100, MAX_RECIPIENTS);
    // 1.9 statuses per recipient and round: at least as many as wanted.
    let times = wanted().div_ceil(recipients * 19 / 10).max(1);
    let (world, campaign) = started(recipients).await;
    world.tick().await;
    post_early_statuses(&world).await;
    let log = send_all(&world, recipients).await;
    let unstorable = post_storm(&world, &log, times).await;
    assert!(unstorable >= recipients as usize / PER_UNSTORABLE, "only {unstorable}");
    assert_eq!(kept(&world).await, unstorable, "each is kept, and once");

    let expected: HashMap<String, &str> =
        log.iter().map(|entry| (format!("+{}", entry.to), statuses_of(entry).1)).collect();
    let stored = world.stored_recipients(&campaign).await;
    assert_eq!(stored.len(), recipients as usize);
    for recipient in stored {
        let contact = contact::store::get(world.host.table(), recipient.contact).await;
        let profile = contact.expect("the table answers").expect("a contact");
        let address = profile.addresses.first().expect("an address");
        assert_eq!(recipient.status.as_str(), expected[address.as_str()]);
    }
    world.assert_counters_exact(&campaign).await;
}
