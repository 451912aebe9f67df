//! The status storm: many statuses, shuffled, repeated, in batches of any size, some
//! before the send's own answer, a third of the requests first meeting a table that
//! fails. The end is what it would have been in order and once.
//!
//! `just storm 100000`; `CARILLON_STATUSES` sets how many statuses.

use std::collections::HashMap;
use std::time::Duration;

use carillon::analytics;
use carillon::recipient::store::walk;
use carillon_testkit::{Faults, World, contacts_csv};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use whatsapp_simulator::{Behaviour, LogEntry};

/// Statuses of each recipient, on average: one, two, three or two of them.
const EACH: u32 = 2;
/// Recipients at most: with more statuses, each is told several times.
const MOST_RECIPIENTS: u32 = 10_000;
/// How long sending may take.
const PATIENCE: Duration = Duration::from_mins(20);
const SEED: u64 = 7;

/// What is told of the recipients, by turns, and where it leads.
const STORIES: [(&[&str], &str); 4] = [
    (&["sent"], "sent"),
    (&["sent", "delivered"], "delivered"),
    (&["sent", "delivered", "read"], "read"),
    (&["sent", "failed"], "failed"),
];

#[expect(clippy::disallowed_methods, reason = "how many is said in the environment")]
fn wanted() -> u32 {
    std::env::var("CARILLON_STATUSES").ok().and_then(|text| text.parse().ok()).unwrap_or(3_000)
}

fn story(entry: &LogEntry) -> (&'static [&'static str], &'static str) {
    let last: usize = entry.to[entry.to.len() - 1..].parse().expect("a digit");
    STORIES[last % STORIES.len()]
}

fn status(entry: &LogEntry, status: &str) -> Value {
    let mut told = json!({
        "id": entry.wamid, "status": status, "timestamp": (entry.at_ms / 1000).to_string(),
        "recipient_id": entry.to, "biz_opaque_callback_data": entry.biz_opaque_callback_data,
    });
    if status == "failed" {
        told["errors"] = json!([{"code": 131_026, "title": "Message undeliverable"}]);
    }
    told
}

fn body(statuses: &[Value]) -> Vec<u8> {
    let metadata =
        json!({"display_phone_number": "15550100001", "phone_number_id": "800000000000001"});
    let value =
        json!({"messaging_product": "whatsapp", "metadata": metadata, "statuses": statuses});
    let change = json!({"field": "messages", "value": value});
    let entry = json!({"id": "900000000000001", "changes": [change]});
    json!({"object": "whatsapp_business_account", "entry": [entry]}).to_string().into_bytes()
}

/// Posts as Meta does: again until it is answered 200. Gives how often it wasn't.
async fn post(world: &World, body: Vec<u8>) -> u32 {
    let signature = World::sign(&body);
    for refused in 0..50 {
        let answer = world.post_webhook(body.clone(), &signature).await;
        if answer.status == 200 {
            return refused;
        }
        assert_eq!(answer.status, 500, "{}", answer.text);
        // The table is there again.
        world.calm();
    }
    panic!("never stored");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statuses_in_any_order_lead_to_the_same_end_and_none_is_lost() {
    let recipients = (wanted() / EACH).clamp(100, MOST_RECIPIENTS);
    // 1.9 of them on average: no fewer than are wanted.
    let times = wanted().div_ceil(recipients * 19 / 10).max(1);
    let mut behaviour = Behaviour::no_webhooks();
    behaviour.faults.latency_ms = 40;
    let world =
        World::builder().behaviour(behaviour).faults(Faults::default()).rate(10.0).build().await;
    let settings = json!({"throughput_mps": 1_000, "messaging_limit": "unlimited"});
    let connection = world.connection_with(settings).await;
    let settings = json!({"daily_send_limit": 1_000_000});
    let campaign = world.campaign(&connection, settings).await;
    for first in (0..recipients).step_by(20_000) {
        let count = (recipients - first).min(20_000);
        world.upload(&campaign, contacts_csv(first, count)).await.expect(200);
    }
    world.host.wait_until_counted().await;
    world.act(&campaign, "start").await.expect(200);
    // While messages are on their way, their first statuses come before the answers.
    world.host.run_scheduler().await.expect("the scheduler runs");
    let mut early = 0;
    while early < 50 {
        let log = world.simulator.log();
        for entry in log.iter().skip(early).take(10) {
            post(&world, body(&[status(entry, story(entry).0[0])])).await;
        }
        early = log.len().min(early + 10);
    }
    let all_sent = async {
        while world.simulator.summary().accepted < u64::from(recipients)
            || !world.host.all_batches_done().await.expect("the table answers")
        {
            world.clock.advance(Duration::from_mins(1));
            world.host.run_scheduler().await.expect("the scheduler runs");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::time::timeout(PATIENCE, all_sent).await.expect("everyone is sent to");
    let log = world.simulator.log();
    assert_eq!(log.len(), recipients as usize);

    let mut dice = StdRng::seed_from_u64(SEED);
    let mut statuses = Vec::new();
    for (number, entry) in log.iter().enumerate() {
        for told in story(entry).0 {
            let again = u32::from(dice.random_bool(0.15));
            statuses.extend((0..times + again).map(|_| (number, *told)));
        }
    }
    statuses.shuffle(&mut dice);
    let [table, _] = world.proxies.as_ref().expect("proxies");
    let (mut rest, mut requests, mut refused) = (statuses.as_slice(), 0, 0);
    while !rest.is_empty() {
        let (some, after) = rest.split_at(dice.random_range(1..=60).min(rest.len()));
        rest = after;
        let told: Vec<_> = some.iter().map(|(number, told)| status(&log[*number], told)).collect();
        requests += 1;
        if requests % 3 == 0 {
            // The table stores some of them and fails at others.
            table.set(Faults { failed: 0.8, ..Faults::default() });
        }
        refused += post(&world, body(&told)).await;
        world.calm();
    }
    world.host.wait_until_counted().await;
    println!(
        "{} statuses of {recipients} recipients in {requests} requests; {refused} were answered 500 first",
        statuses.len()
    );
    assert!(refused * 4 > requests, "only {refused} of {requests} met a fault");

    let expected: HashMap<String, &str> =
        log.iter().map(|entry| (format!("+{}", entry.to), story(entry).1)).collect();
    let id = campaign.parse().expect("an id");
    let mut cursor = None;
    let mut seen = 0;
    loop {
        let page = walk(world.host.table(), id, 8, cursor.as_ref(), None, 500).await;
        let (page, next) = page.expect("the table answers");
        for recipient in &page {
            assert_eq!(recipient.status.as_str(), expected[recipient.contact.as_str()]);
        }
        seen += page.len();
        if next.is_none() {
            break;
        }
        cursor = next;
    }
    assert_eq!(seen, recipients as usize);
    let stored = carillon::campaign::store::get(world.host.table(), id).await;
    let stored = stored.expect("the table answers").expect("is there");
    let mut counted = analytics::store::read(world.host.table(), id, 8).await.expect("counted");
    counted.0.retain(|name, _| !name.starts_with("d_"));
    let recounted = analytics::store::recount(world.host.table(), &stored).await;
    assert_eq!(counted, recounted.expect("recounted"));
}
