//! A connection that is throttled in one process is slow in all of them, and costs nobody an
//! attempt.

use std::time::Duration;

use carillon::batch::{Batch, BatchStatus, CloseReason};
use carillon::recipient::Status;
use carillon_testkit::{FaultRates, World, wa_id};
use serde_json::json;
use whatsapp_simulator::{Behaviour, ForcedError, ReportedBy};

/// The account reached its hourly limit: the connection pauses for five minutes.
const HOURLY_LIMIT: u32 = 80_007;

fn throttling(contacts: impl IntoIterator<Item = u32>, times: Option<u32>) -> Behaviour {
    let mut behaviour = Behaviour::all_read();
    for contact in contacts {
        let error = ForcedError { code: HOURLY_LIMIT, times, reported_by: ReportedBy::Response };
        behaviour.faults.forced.insert(wa_id(contact), error);
    }
    behaviour
}

async fn open_batch(world: &World, campaign: &str) -> Batch {
    let mut batches = world.batches(campaign).await;
    batches.retain(|batch| batch.status == BatchStatus::Open);
    batches.pop().expect("an open batch")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_slows_down_while_it_sends_and_a_new_one_waits() {
    let behaviour = throttling([0], None);
    let faults = FaultRates::default();
    let world = World::builder().behaviour(behaviour).rate(2.0).faults(faults).build().await;
    let (one, other) = tokio::join!(world.another_host(), world.another_host());
    world.host.drain_senders();
    let connection = world.connection().await;
    let throttled = world.started_on(&connection, 0..1, json!({"speed": "fast"})).await;
    let long = world.started_on(&connection, 10..210, json!({"speed": "normal"})).await;
    world.tick().await;
    let first = open_batch(&world, &throttled).await;
    let batch = open_batch(&world, &long).await;
    let send_long = other.run_sender(&batch.name);
    let throttle = async {
        world.wait_until_accepted(5).await;
        one.run_sender(&first.name).await;
        world.simulator.summary().accepted
    };
    let (_, before) = tokio::join!(send_long, throttle);
    let accepted = world.simulator.summary().accepted;
    // Five a second, and the other process asks every five seconds.
    assert!(accepted <= before + 45, "{accepted} were accepted, and {before} before the throttle");
    let batches = world.batches(&long).await;
    assert_eq!(batches[0].close_reason, Some(CloseReason::Throttled), "{batches:?}");
    // The next process begins with the pause.
    let next = world.another_host().await;
    world.tick().await;
    let batch = open_batch(&world, &long).await;
    next.run_sender(&batch.name).await;
    assert_eq!(world.simulator.summary().accepted, accepted);
    // It ends.
    world.simulator.set_behaviour(Behaviour::all_read());
    world.clock.advance(Duration::from_mins(10));
    world.tick().await;
    let batch = open_batch(&world, &long).await;
    next.run_sender(&batch.name).await;
    assert!(world.simulator.summary().accepted > accepted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn throttles_cost_nobody_an_attempt() {
    for reported_by in [ReportedBy::Response, ReportedBy::Webhook] {
        let mut behaviour = throttling([], None);
        for (contact, code) in [(0, HOURLY_LIMIT), (1, 130_429), (2, 131_056)] {
            let error = ForcedError { code, times: Some(6), reported_by };
            behaviour.faults.forced.insert(wa_id(contact), error);
        }
        let world = World::with(behaviour).await;
        let campaign = world.started_with(3, json!({"max_retries": 0})).await;
        for _ in 0..12 {
            world.run_until_idle().await;
            world.clock.advance(Duration::from_mins(30));
        }
        world.run_until_idle().await;
        let report = world.report(&campaign).await;
        assert_eq!(report.number("read"), 3, "{reported_by:?}: {}", report.text);
        for recipient in world.stored_recipients(&campaign).await {
            assert_eq!((recipient.attempt, recipient.tried().counted()), (7, 1));
            assert_eq!(recipient.status, Status::Read);
        }
    }
}
