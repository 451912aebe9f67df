//! A connection that is throttled in one process is slow in all of them, and costs nobody an
//! attempt.

use std::time::Duration;

use carillon::batch::CloseReason;
use carillon::connection::{self, Throttling};
use carillon::ids::ConnectionId;
use carillon::recipient::Status;
use carillon_testkit::{World, wa_id};
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

async fn connection_of(world: &World, campaign: &str) -> ConnectionId {
    world.stored_campaign(campaign).await.settings.connection_id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_slows_down_for_a_throttle_in_another_process() {
    let world = World::builder().rate(2.0).build().await;
    let campaign = world.started_with(200, json!({"speed": "normal"})).await;
    world.tick().await;
    world.wait_until_accepted(5).await;
    let before = world.simulator.summary().accepted;
    // What a sender in another process records.
    let (table, id) = (world.host.table(), connection_of(&world, &campaign).await);
    let until = world.clock.now() + Duration::from_mins(5);
    connection::store::record_throttling(table, id, Throttling { until, share: 0.5 })
        .await
        .expect("the table answers");
    world.wait_until_idle().await;
    // Five a second, and the sender asks every five seconds.
    let accepted = world.simulator.summary().accepted;
    assert!(accepted <= before + 45, "{accepted} were accepted, and {before} before the throttle");
    let batches = world.batches(&campaign).await;
    assert_eq!(batches[0].close_reason, Some(CloseReason::Throttled), "{batches:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_throttle_outlives_its_process() {
    let world = World::builder().behaviour(throttling([0], None)).rate(1.0).build().await;
    let connection = world.connection().await;
    let throttled = world.started_on(&connection, 0..1, json!({})).await;
    world.run_until_idle().await;
    assert_eq!(world.simulator.summary().refusals.get(&HOURLY_LIMIT), Some(&1));
    let recorded = connection_of(&world, &throttled).await;
    let health = connection::store::health(world.host.table(), recorded).await;
    let throttling = health.expect("the table answers").throttling.expect("a throttling");
    assert!(throttling.until > world.clock.now() + Duration::from_mins(4));
    let world = world.restart().await;
    let settings = json!({"speed": "normal"});
    world.started_on(&connection, 10..20, settings).await;
    world.run_until_idle().await;
    assert_eq!(world.simulator.summary().requests, 1, "a new process began in the pause");
    // The pause ends.
    world.simulator.set_behaviour(Behaviour::all_read());
    world.clock.advance(Duration::from_mins(10));
    world.run_until_idle().await;
    assert_eq!(world.simulator.summary().accepted, 11);
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
