//! A sender that was frozen between the claim and the send does not send late: the claim goes
//! back, and nobody is lost or sent to twice.

use std::time::Duration;

use carillon::batch::BatchStatus;
use carillon::recipient::{Recipient, Status};
use carillon_testkit::{FaultRates, World};
use whatsapp_simulator::Behaviour;

/// In the key of each recipient and of nothing else that is written in a transaction.
const RECIPIENT: &str = "TO#";

async fn only_recipient(world: &World, campaign: &str) -> Recipient {
    world.stored_recipients(campaign).await.pop().expect("a recipient")
}

/// The recipient, once it has another status than these.
async fn after(world: &World, campaign: &str, statuses: [Status; 2]) -> Recipient {
    for _ in 0..1_000 {
        let recipient = only_recipient(world, campaign).await;
        if !statuses.contains(&recipient.status) {
            return recipient;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the recipient stays {:?}", only_recipient(world, campaign).await);
}

/// A world of one recipient whose claim is stored while its sender has no answer yet.
async fn frozen_after_the_claim(takes_over: bool, away: Duration) {
    let world = World::builder()
        .behaviour(Behaviour::all_read())
        .rate(1.0)
        .faults(FaultRates::default())
        .build()
        .await;
    let campaign = world.started(1).await;
    let mut held = world.proxies().table.hold_answer("TransactWriteItems", RECIPIENT);
    world.tick().await;
    held.arrived().await;
    assert_eq!(only_recipient(&world, &campaign).await.status, Status::Sending);
    world.clock.advance(away);
    if takes_over {
        let mut open = world.batches(&campaign).await;
        open.retain(|batch| batch.status == BatchStatus::Open);
        let batch = open.pop().expect("an open batch");
        world.host.run_sender(&batch.name).await.expect("the second run");
        assert_eq!(only_recipient(&world, &campaign).await.status, Status::Unconfirmed);
    }
    held.release();
    let given_back = after(&world, &campaign, [Status::Sending, Status::Unconfirmed]).await;
    assert_eq!(world.simulator.summary().accepted, 0, "it was sent late");
    assert_eq!((given_back.status, given_back.attempt), (Status::Pending, 2));
    assert_eq!(given_back.tried().counted(), 1, "the attempt does not count");
    assert_eq!(given_back.not_before, None);
    world.wait_until_idle().await;
    for _ in 0..4 {
        world.run_until_idle().await;
        world.clock.advance(Duration::from_mins(5));
    }
    let log = world.simulator.summary();
    assert_eq!((log.accepted, log.duplicates, log.repeated_callback_data), (1, 0, 0));
    let report = world.report(&campaign).await;
    assert_eq!((report.number("read"), report.string("status").as_str()), (1, "completed"));
    world.assert_counters_exact(&campaign).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_is_too_old_is_given_back() {
    frozen_after_the_claim(false, Duration::from_secs(70)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_another_run_settled_as_lost_is_taken_back() {
    frozen_after_the_claim(true, Duration::from_mins(20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_is_sent_after_a_short_delay() {
    let world = World::builder().rate(1.0).faults(FaultRates::default()).build().await;
    let campaign = world.started(1).await;
    let mut held = world.proxies().table.hold_answer("TransactWriteItems", RECIPIENT);
    world.tick().await;
    held.arrived().await;
    world.clock.advance(Duration::from_secs(20));
    held.release();
    world.wait_until_idle().await;
    let recipient = only_recipient(&world, &campaign).await;
    assert_eq!((recipient.status, recipient.attempt), (Status::Read, 1));
    assert_eq!(world.simulator.summary().accepted, 1);
}
