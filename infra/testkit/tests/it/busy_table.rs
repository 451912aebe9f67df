//! A table that throttles a claim, or loses its answer: the run goes on, nobody is lost and
//! nobody is sent to twice.

use std::time::Duration;

use carillon::batch::{Batch, BatchStatus};
use carillon::recipient::{Recipient, Status};
use carillon::table::Key;
use carillon_testkit::{Failure, FaultRates, World};
use serde_json::json;
use whatsapp_simulator::Behaviour;

const CLAIM: &str = "TransactWriteItems";
/// A request is tried so often before its caller learns of the failure.
const ATTEMPTS: u32 = 3;
const FOR_GOOD: u32 = u32::MAX;

/// A world in which 250 recipients wait, and one of them.
async fn waiting() -> (World, String, Recipient) {
    let world = World::builder().rate(2.0).faults(FaultRates::default()).build().await;
    let campaign = world.started(250).await;
    let one = world.stored_recipients(&campaign).await.swap_remove(100);
    (world, campaign, one)
}

/// Lets the claims of a recipient fail.
fn fail_claims(world: &World, of: &Recipient, failure: Failure, times: u32) {
    let key = Key::recipient_sk(of.contact);
    world.proxies().table.fail_next(failure, CLAIM, &key, times);
}

async fn only_batch(world: &World, campaign: &str) -> Batch {
    let mut batches = world.batches(campaign).await;
    assert_eq!(batches.len(), 1, "{batches:?}");
    batches.remove(0)
}

async fn found(world: &World, campaign: &str, one: &Recipient) -> Recipient {
    let mut all = world.stored_recipients(campaign).await;
    all.retain(|recipient| recipient.contact == one.contact);
    all.remove(0)
}

fn sent(world: &World) -> (u64, u64) {
    let log = world.simulator.summary();
    (log.accepted, log.duplicates)
}

/// Runs until everybody is settled, and checks that everybody was sent to once.
async fn assert_all_end_read(world: &World, campaign: &str) {
    for _ in 0..4 {
        world.clock.advance(Duration::from_mins(2));
        world.run_until_idle().await;
    }
    assert_eq!(sent(world), (250, 0));
    let report = world.report(campaign).await;
    assert_eq!((report.number("read"), report.string("status").as_str()), (250, "completed"));
    world.assert_counters_exact(campaign).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_throttled_claim_is_won_later_in_the_same_run() {
    let (world, campaign, one) = waiting().await;
    fail_claims(&world, &one, Failure::Throttled, ATTEMPTS);
    world.run_until_idle().await;
    assert_eq!(world.proxies().table.injected(), u64::from(ATTEMPTS));
    assert_eq!(sent(&world), (250, 0));
    assert_eq!(only_batch(&world, &campaign).await.runs, 1);
    assert_eq!(found(&world, &campaign, &one).await.attempt, 1);
    assert_all_end_read(&world, &campaign).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_stays_throttled_is_left_to_a_later_batch() {
    let (world, campaign, one) = waiting().await;
    fail_claims(&world, &one, Failure::Throttled, FOR_GOOD);
    world.run_until_idle().await;
    assert_eq!(sent(&world), (249, 0));
    let batch = only_batch(&world, &campaign).await;
    assert_eq!((batch.runs, batch.used), (1, Some(249)));
    assert_eq!(found(&world, &campaign, &one).await.status, Status::Pending);
    fail_claims(&world, &one, Failure::Throttled, 0);
    assert_all_end_read(&world, &campaign).await;
}

/// Who is left does not wait for the end of the list, which may be weeks away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_could_not_be_claimed_goes_before_the_rest_of_the_list() {
    let world = World::builder().rate(2.0).faults(FaultRates::default()).build().await;
    let campaign = world.started_with(3, json!({"daily_send_limit": 1})).await;
    let table = &world.proxies().table;
    table.fail_next(Failure::Throttled, CLAIM, Key::RECIPIENTS, FOR_GOOD);
    world.run_until_idle().await;
    table.fail_next(Failure::Throttled, CLAIM, Key::RECIPIENTS, 0);
    let batch = only_batch(&world, &campaign).await;
    let left = world.recipients_in(&batch).await.remove(0);
    assert_eq!((left.status, sent(&world)), (Status::Pending, (0, 0)));
    world.clock.advance(Duration::from_hours(24));
    world.run_until_idle().await;
    assert_eq!(found(&world, &campaign, &left).await.status, Status::Read);
    assert_eq!(sent(&world), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_whose_answer_is_lost_is_found_to_be_won() {
    let (world, campaign, one) = waiting().await;
    fail_claims(&world, &one, Failure::ResponseLost, ATTEMPTS);
    world.run_until_idle().await;
    assert_eq!(world.proxies().table.injected(), u64::from(ATTEMPTS));
    assert_eq!(sent(&world), (250, 0));
    assert_eq!(only_batch(&world, &campaign).await.runs, 1);
    assert_eq!(found(&world, &campaign, &one).await.attempt, 1);
    assert_all_end_read(&world, &campaign).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_is_never_answered_is_given_back() {
    let (world, campaign, one) = waiting().await;
    fail_claims(&world, &one, Failure::ResponseLost, FOR_GOOD);
    world.run_until_idle().await;
    assert_eq!(sent(&world), (249, 0));
    assert_eq!(only_batch(&world, &campaign).await.runs, 1);
    let given_back = found(&world, &campaign, &one).await;
    assert_eq!((given_back.status, given_back.attempt), (Status::Pending, 2));
    assert_eq!(given_back.tried().counted(), 1, "the attempt does not count");
    fail_claims(&world, &one, Failure::ResponseLost, 0);
    assert_all_end_read(&world, &campaign).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_no_claim_is_answered_the_run_ends() {
    for failure in [Failure::Throttled, Failure::ResponseLost] {
        let (world, campaign, _) = waiting().await;
        world.proxies().table.fail_next(failure, CLAIM, Key::RECIPIENTS, FOR_GOOD);
        world.tick().await;
        let mut batch = only_batch(&world, &campaign).await;
        while batch.runs == 0 || batch.lease.is_some() {
            tokio::time::sleep(Duration::from_millis(20)).await;
            batch = only_batch(&world, &campaign).await;
        }
        assert_eq!((batch.status, sent(&world)), (BatchStatus::Open, (0, 0)));
        // Those in flight were tried again at most once.
        let requests = world.proxies().table.injected();
        assert!(requests <= u64::from(ATTEMPTS) * 2 * 64, "{failure:?}: {requests} requests");
        world.proxies().table.fail_next(failure, CLAIM, Key::RECIPIENTS, 0);
        assert_all_end_read(&world, &campaign).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_messages_of_a_run_share_the_reads_of_their_campaign() {
    let behaviour = Behaviour::no_webhooks();
    let world = World::builder().behaviour(behaviour).rate(1.0).faults(FaultRates::default());
    let world = world.build().await;
    let campaign = world.started(250).await;
    world.proxies().table.record();
    world.tick().await;
    world.wait_until_idle().await;
    assert_eq!(sent(&world), (250, 0));
    let batch = only_batch(&world, &campaign).await;
    let run = batch.done_at.expect("it is done") - batch.created_at;
    // Four a second, one for the lease and a few of the scheduler.
    let most =
        usize::try_from(run.get_seconds() + run.get_minutes() * 60).expect("seconds") * 4 + 12;
    let key = Key::Campaign(batch.name.campaign).pk();
    let is_read = |body: &str| body.contains(&key) && body.contains("\"META\"");
    let seen = world.proxies().table.recorded();
    let reads = seen.iter().filter(|one| one.operation == "GetItem" && is_read(&one.body)).count();
    println!("{} requests of 250 messages, {reads} of them read the campaign", seen.len());
    assert!(reads <= most, "{reads} reads of the campaign, and not {most}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_takes_effect_within_a_moment_and_the_messages_in_flight() {
    let world = World::builder().behaviour(Behaviour::no_webhooks()).rate(1.0).build().await;
    let campaign = world.started(250).await;
    world.tick().await;
    world.wait_until_accepted(20).await;
    world.pause(&campaign).await.expect(200);
    let before = sent(&world).0;
    world.wait_until_idle().await;
    let after = sent(&world).0 - before;
    // A quarter of a second at 66 a second, and 64 in flight.
    assert!(after <= 17 + 64, "{after} messages after the pause");
    assert!(sent(&world).0 < 250);
}
