//! Runs the campaign day by day: the scheduler, the senders, the recipients' reads and
//! replies; then the clock jumps.

use std::time::Duration;

use carillon::time::{Timestamp, date_in};

use super::args::DemoArgs;
use super::campaign::Campaign;
use super::clock::{jump, time_zone};
use super::display::Display;
use super::environment::Environment;
use super::timeline::Timeline;
use crate::error::CommandError;
use crate::simulator_config::PORTFOLIO_LIMIT;

/// Days that the campaign may take longer than its limits require.
const EXTRA_DAYS: u32 = 5;

/// Advances the clock until the campaign is completed and the simulator has no pending
/// read or reply.
pub(super) async fn run_to_completion(
    environment: &Environment,
    campaign: &Campaign,
    args: &DemoArgs,
    display: &mut Display,
) -> Result<Timeline, CommandError> {
    let mut timeline = Timeline::default();
    let days = args.contacts.div_ceil(args.daily_limit.min(PORTFOLIO_LIMIT)) + EXTRA_DAYS;
    let end = environment.clock.now() + Duration::from_hours(24) * days;
    loop {
        release_due(environment, campaign, &mut timeline, display).await?;
        let report = &timeline.report;
        if let Some(halt) = report.halt.clone().filter(|_| report.status == "halted") {
            return Err(CommandError::Halted(halt.detail));
        }
        if report.is_final() && environment.simulator.pending_events() == 0 {
            return Ok(timeline);
        }
        let now = environment.clock.now();
        if now >= end {
            return Err(CommandError::NotCompleted { status: report.status.clone(), days });
        }
        environment.clock.advance(jump(now, next_event(environment)));
    }
}

/// Runs the scheduler until it releases nothing more. Waits each time until the
/// released batches are sent and counted.
async fn release_due(
    environment: &Environment,
    campaign: &Campaign,
    timeline: &mut Timeline,
    display: &mut Display,
) -> Result<(), CommandError> {
    loop {
        let plan = environment.host.run_scheduler().await?;
        loop {
            let settled = environment.poll_settled().await?;
            let now = environment.clock.now();
            let report = campaign.report(&environment.client).await?;
            timeline.record(date_in(now, &time_zone()), report);
            display.update(now, timeline)?;
            if settled {
                break;
            }
        }
        if plan.allotments.is_empty() {
            return Ok(());
        }
    }
}

fn next_event(environment: &Environment) -> Option<Timestamp> {
    environment.simulator.next_due().and_then(|due| Timestamp::try_from(due).ok())
}
