//! A month of campaigns that want more people than the rolling limit allows.

use carillon::time::Timestamp;
use jiff::SignedDuration;
use tokio::task::unconstrained;
use tower::BoxError;

use super::LoadPlan;
use super::people_count::PeopleCount;
use super::world::{SCHEDULER_STEPS, World};

/// After some runs of the scheduler that led to no message, it runs every ten minutes instead of
/// each minute: reservations expire at full ten minutes of the clock.
const IDLE: SignedDuration = SignedDuration::from_mins(10);
/// So many runs: each of them may find that another campaign has nobody left.
const QUIET_RUNS: u32 = 3;
const ONE_DAY: SignedDuration = SignedDuration::from_hours(24);

/// How a rolling limit was used.
#[derive(Debug, Clone, Copy)]
pub struct RollingUse {
    /// The limit: unique people in any 24 hours.
    pub limit: u64,
    /// Messages that WhatsApp accepted.
    pub messages: u64,
    /// Messages that opened no conversation: the person had written within 24 hours.
    pub exempt: u64,
    /// The most people that any 24 hours held.
    pub highest: u64,
    /// The people that 24 hours held on average, from a day after the first message on, as a
    /// share of the limit.
    pub mean_use: f64,
}

/// Simulates `days` days of a plan whose recipients are more than its quota allows.
///
/// # Errors
/// What stopped the simulation, or counters that are wrong at its end.
pub async fn simulate_rolling_limit(
    seed: u64,
    plan: LoadPlan,
    days: i64,
) -> Result<RollingUse, BoxError> {
    // Tokio's cooperative scheduling would yield at points the seed does not decide.
    unconstrained(async move { run(World::new(seed, plan).await?, days).await }).await
}

async fn run(mut world: World, days: i64) -> Result<RollingUse, BoxError> {
    world.start().await?;
    let (started_at, mut steps) = (world.now(), 0);
    let end = started_at + ONE_DAY * days as i32;
    let mut next_run = started_at;
    let (mut accepted, mut quiet_runs) = (0, 0);
    while world.now() < end {
        if world.now() >= next_run {
            let before = std::mem::replace(&mut accepted, world.log.sent().accepted);
            quiet_runs = if before == accepted { quiet_runs + 1 } else { 0 };
            world.triggers.schedule();
            next_run += SignedDuration::from_mins(1);
        }
        world.step(steps)?;
        steps += 1;
        if world.is_idle() && steps >= SCHEDULER_STEPS {
            if quiet_runs >= QUIET_RUNS {
                next_run = next_run.max(after_idle(world.now()));
            }
            let webhook = world.triggers.reports.next_at().unwrap_or(next_run);
            world.advance_to(webhook.min(next_run));
        }
    }
    world.check_counters().await?;
    let (sent, counted) = (world.log.sent(), world.log.counted());
    let count = PeopleCount::of(&counted, ONE_DAY);
    let limit = world.plan.quota_limit;
    let mean = count.mean(started_at + ONE_DAY, end);
    Ok(RollingUse {
        limit,
        messages: sent.accepted,
        exempt: sent.accepted - counted.len() as u64,
        highest: count.highest(),
        mean_use: mean / limit as f64,
    })
}

/// A second after the next full ten minutes.
fn after_idle(now: Timestamp) -> Timestamp {
    let (now, idle) = (now.as_second(), IDLE.as_secs());
    let full = now - now.rem_euclid(idle) + idle;
    Timestamp::from_second(full + 1).unwrap_or(Timestamp::MAX)
}
