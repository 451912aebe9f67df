//! Lanes and shards: a campaign's writes meet all its partition keys evenly, a fast number uses
//! its throughput, and slow batches hold up no fast one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use carillon::batch::{Batch, BatchStatus};
use carillon::recipient::Callback;
use carillon_testkit::World;
use serde_json::json;
use whatsapp_simulator::{Behaviour, Config, Number};

/// How long a test waits for what takes a moment, in real time.
const PATIENCE: Duration = Duration::from_mins(1);

/// The shards of the recipients in the order in which they were sent to.
fn shards_in_order(world: &World) -> Vec<u16> {
    let shard = |callback: String| callback.parse::<Callback>().expect("ours").recipient.shard;
    let log = world.simulator.log();
    log.into_iter().map(|entry| shard(entry.biz_opaque_callback_data.expect("ours"))).collect()
}

/// The most messages to one shard within any 100 consecutive ones.
fn most_in_a_hundred(shards: &[u16]) -> usize {
    let of_window = |window: &[u16]| {
        let mut counts = BTreeMap::<u16, usize>::new();
        for shard in window {
            *counts.entry(*shard).or_default() += 1;
        }
        counts.into_values().max().unwrap_or(0)
    };
    shards.windows(100).map(of_window).max().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaigns_messages_go_to_all_its_shards_in_turn() {
    // By a faster clock a busy machine would give back claims that are a minute old.
    let world = World::builder().behaviour(Behaviour::no_webhooks()).rate(2.0).build().await;
    let campaign = world.draft_with(2_000, json!({"daily_send_limit": 2_000})).await;
    world.host.wait_until_counted().await;
    world.start(&campaign).await.expect(200);
    world.run_until_idle().await;
    let (shards, count) = (shards_in_order(&world), world.stored_campaign(&campaign).await.shards);
    assert_eq!((shards.len(), count), (2_000, 8));
    // The shards are not equally large: those with more recipients have the last ones.
    let even = 100.0 / f64::from(count);
    for batch in shards[..1_500].chunks(250) {
        let most = most_in_a_hundred(batch);
        assert!(most as f64 <= 1.5 * even, "{most} of 100 messages go to one shard");
    }
    let most = most_in_a_hundred(&shards[..1_500]);
    assert!(most as f64 <= 1.5 * even, "{most} of 100 messages go to one shard");
    let sizes: Vec<u32> = world.batches(&campaign).await.iter().map(|one| one.size).collect();
    assert_eq!(sizes, [250; 8]);
}

/// The open batches that a sender has leased.
async fn in_flight(world: &World, campaign: &str) -> Vec<Batch> {
    let mut batches = world.batches(campaign).await;
    let now = world.clock.now();
    batches.retain(|batch| {
        batch.status == BatchStatus::Open && batch.lease.is_some_and(|lease| lease.until > now)
    });
    batches
}

/// Meta lets the number send 1,000 messages a second.
fn fast(config: Config) -> Config {
    let number = Number { throughput: Some(1_000), ..Number::default() };
    Config { numbers: vec![number], ..config }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_of_1_000_a_second_sends_nine_batches_at_a_time() {
    // The provider does not answer, so that batches stay open.
    let mut behaviour = Behaviour::no_webhooks();
    behaviour.faults.latency_ms = 30_000;
    let builder = World::builder().behaviour(behaviour).whatsapp(fast);
    let world = builder.rate(1.0).senders(12).build().await;
    let connection = world.connection_with(json!({"throughput_mps": 1_000})).await;
    let settings = json!({"daily_send_limit": 10_000});
    let campaign = world.draft_on(&connection, 0..2_500, settings).await;
    world.host.wait_until_counted().await;
    world.start(&campaign).await.expect(200);
    world.tick().await;
    let nine = async {
        while in_flight(&world, &campaign).await.len() < 9 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let found = tokio::time::timeout(PATIENCE, nine).await;
    let open = in_flight(&world, &campaign).await;
    assert!(found.is_ok() && open.len() >= 9, "{} batches are in flight", open.len());
    let slices: BTreeSet<_> = open.iter().map(|batch| batch.slice).collect();
    assert_eq!(slices.len(), open.len(), "each slice sends one batch at a time");
}

/// The most messages that one number accepted in any second of its clock.
fn most_in_a_second(world: &World) -> usize {
    let mut times: Vec<u64> = world.simulator.log().iter().map(|entry| entry.at_ms).collect();
    times.sort_unstable();
    let until = |at: u64| times.partition_point(|other| *other < at + 1_000);
    times.iter().enumerate().map(|(index, at)| until(*at) - index).max().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_of_1_000_a_second_sends_more_than_300_and_never_more_than_1_000() {
    let behaviour = Behaviour::no_webhooks();
    // By a clock that is slow, this machine is fast enough.
    let builder = World::builder().behaviour(behaviour).whatsapp(fast);
    let world = builder.rate(0.1).senders(10).build().await;
    let connection = world.connection_with(json!({"throughput_mps": 1_000})).await;
    let settings = json!({"daily_send_limit": 10_000});
    let campaign = world.draft_on(&connection, 0..2_250, settings).await;
    world.host.wait_until_counted().await;
    world.start(&campaign).await.expect(200);
    world.run_until_idle().await;
    let most = most_in_a_second(&world);
    assert_eq!(world.simulator.summary().accepted, 2_250);
    assert!((300..=1_000).contains(&most), "{most} messages in a second");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_slow_campaigns_hold_up_no_fast_one() {
    let world = World::builder().behaviour(Behaviour::no_webhooks()).rate(1.0).build().await;
    for number in 0..10 {
        let provider = World::sender(&format!("81000000000000{number}"), "900000000000001");
        let connection = world.connection_with(json!({ "provider": provider })).await;
        let contacts = number * 100..number * 100 + 60;
        let settings = json!({"speed": "slow"});
        world.started_on(&connection, contacts, settings).await;
    }
    world.tick().await;
    // Each sender has a slow batch, for a minute.
    world.wait_until_accepted(4).await;
    let fast = world.started_with(20, json!({})).await;
    world.tick().await;
    let sent = async {
        while world.batches(&fast).await.iter().any(|batch| batch.status == BatchStatus::Open) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let sent = tokio::time::timeout(Duration::from_secs(15), sent).await;
    assert!(sent.is_ok(), "the fast campaign waits for the slow ones");
    assert_eq!(world.report(&fast).await.number("sent"), 20);
    assert!(!world.host.all_batches_done().await.expect("the table answers"));
}
