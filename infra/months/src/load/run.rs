//! Runs a load until everything is sent and counted.

use carillon::time::Timestamp;
use jiff::SignedDuration;
use tokio::task::unconstrained;
use tower::BoxError;

use super::LoadPlan;
use super::summary::LoadSummary;
use super::world::{SCHEDULER_STEPS, World};

/// A load that takes so many times the shortest time has failed.
const MAX_TIMES: f64 = 6.0;
/// The time after the last message in which everything is counted.
const AFTERWARDS: SignedDuration = SignedDuration::from_mins(20);

/// Simulates a load.
///
/// # Errors
/// What stopped the simulation, or counters that are wrong at its end.
pub async fn simulate_load(seed: u64, plan: LoadPlan) -> Result<LoadSummary, BoxError> {
    // Tokio's cooperative scheduling would yield at points the seed does not decide.
    unconstrained(async move { run(World::new(seed, plan).await?).await }).await
}

async fn run(mut world: World) -> Result<LoadSummary, BoxError> {
    world.start().await?;
    let (started_at, recipients) = (world.now(), world.plan.recipients);
    let longest = SignedDuration::from_secs_f64(world.plan.shortest_seconds() * MAX_TIMES);
    let (mut end, mut is_sent) = (started_at + longest, false);
    for steps in 0.. {
        if steps % SCHEDULER_STEPS == 0 {
            world.triggers.schedule();
        }
        world.step(steps)?;
        if !is_sent && world.log.sent().accepted >= recipients {
            (is_sent, end) = (true, world.now() + AFTERWARDS);
        }
        if world.now() >= end || (is_sent && is_over(&world)) {
            break;
        }
    }
    world.check_counters().await?;
    summary(&world, started_at)
}

fn is_over(world: &World) -> bool {
    world.is_idle() && world.triggers.reports.is_empty()
}

fn summary(world: &World, started_at: Timestamp) -> Result<LoadSummary, BoxError> {
    let (sent, now) = (world.log.sent(), world.now());
    let table = &world.triggers.platform.table;
    let peaks = table.meter.peaks(now);
    let last_at = sent.last_at.ok_or("nothing was sent")?;
    let of_space = |(space, units): (super::partition::Space, _)| (space.name(), units);
    let totals = table.meter.totals().into_iter();
    Ok(LoadSummary {
        plan: world.plan,
        messages: sent.accepted,
        duplicates: sent.duplicates,
        rate_limited: sent.rate_limited,
        seconds: last_at.duration_since(started_at).as_secs_f64(),
        counted_seconds: now.duration_since(started_at).as_secs_f64(),
        senders: world.triggers.senders.started(),
        failures: world.triggers.failures.counts(),
        refused: table.meter.refused(),
        overload: table.meter.longest_overload(),
        peaks,
        table_peaks: table.meter.space_peaks().into_iter().map(of_space).collect(),
        totals: totals.map(|((space, item), units)| ((space.name(), item), units)).collect(),
        largest_responses: table.largest_responses(),
        memory: world.triggers.memory.of_functions(),
    })
}
