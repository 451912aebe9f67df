//! The days go by: the scheduler runs, batches are sent, people read and
//! answer; then the clock jumps to where something happens next.

use std::time::Duration;

use carillon::time::{Date, Timestamp, date_in};
use serde::Serialize;

use super::DemoArgs;
use super::play::Campaign;
use super::show::Show;
use super::stage::{Stage, zone};
use crate::commands::error::CommandError;
use crate::commands::funnel::Funnel;
use crate::commands::simulator::PORTFOLIO_LIMIT;

/// The shortest jump of the clock.
const SHORTEST: Duration = Duration::from_mins(10);
/// The longest.
const LONGEST: Duration = Duration::from_hours(2);
/// Just after the send window has opened.
const MORNING: (i8, i8, i8) = (9, 0, 1);
/// How many days more than it should take are waited for.
const PATIENCE: u32 = 5;

/// What happened.
#[derive(Debug, Default)]
pub(super) struct Days {
    /// How many people were written to on each day.
    pub(super) written_to: Vec<Day>,
    /// The report at the end.
    pub(super) funnel: Funnel,
}

/// A day on which people were written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Day {
    pub(super) date: Date,
    /// How many, as the report told it that day.
    pub(super) people: u64,
}

impl Days {
    /// Takes in what the report says at a moment.
    pub(super) fn note(&mut self, date: Date, funnel: Funnel) {
        let before: u64 = self.written_to.iter().map(|day| day.people).sum();
        let more = (funnel.sent + funnel.failed).saturating_sub(before);
        self.funnel = funnel;
        if more == 0 {
            return;
        }
        match self.written_to.last_mut().filter(|day| day.date == date) {
            Some(day) => day.people += more,
            None => self.written_to.push(Day { date, people: more }),
        }
    }
}

/// Lets time pass until the campaign is completed and everyone who reads or
/// answers has.
pub(super) async fn pass(
    stage: &Stage,
    campaign: &Campaign,
    args: &DemoArgs,
    show: &mut Show,
) -> Result<Days, CommandError> {
    let mut days = Days::default();
    let patience = args.contacts.div_ceil(args.daily_limit.min(PORTFOLIO_LIMIT)) + PATIENCE;
    let end = stage.clock.now() + Duration::from_hours(24) * patience;
    loop {
        do_what_is_due(stage, campaign, &mut days, show).await?;
        let funnel = &days.funnel;
        if let Some(reason) = funnel.halted_for.clone().filter(|_| funnel.status == "halted") {
            return Err(CommandError::Halted(reason));
        }
        if funnel.is_over() && stage.simulator.pending_events() == 0 {
            return Ok(days);
        }
        let now = stage.clock.now();
        if now >= end {
            return Err(CommandError::Overdue { status: funnel.status.clone(), days: patience });
        }
        stage.clock.advance(jump(now, next_event(stage)));
    }
}

/// Runs the scheduler until it has nothing more to release, and waits for what
/// that sets going.
async fn do_what_is_due(
    stage: &Stage,
    campaign: &Campaign,
    days: &mut Days,
    show: &mut Show,
) -> Result<(), CommandError> {
    loop {
        let plan = stage.host.tick().await?;
        loop {
            let settled = stage.settle().await?;
            let now = stage.clock.now();
            days.note(date_in(now, &zone()), stage.report(campaign).await?);
            show.moment(now, days)?;
            if settled {
                break;
            }
        }
        if plan.allotments.is_empty() {
            return Ok(());
        }
    }
}

fn next_event(stage: &Stage) -> Option<Timestamp> {
    stage.simulator.next_due().and_then(|due| Timestamp::try_from(due).ok())
}

/// How far the clock jumps: to the next webhook or the next morning, in steps
/// that are neither too small to get on nor too large to watch.
fn jump(now: Timestamp, next_event: Option<Timestamp>) -> Duration {
    let until = |then: Timestamp| Duration::try_from(then.duration_since(now)).unwrap_or_default();
    let event = next_event.map_or(LONGEST, until).clamp(SHORTEST, LONGEST);
    event.min(until(next_morning(now)).max(Duration::from_secs(1)))
}

fn next_morning(now: Timestamp) -> Timestamp {
    let local = now.to_zoned(zone());
    let at = |date: Date| {
        let morning = date.at(MORNING.0, MORNING.1, MORNING.2, 0).to_zoned(zone());
        morning.map_or(now + LONGEST, |morning| morning.timestamp())
    };
    let today = at(local.date());
    if now < today { today } else { at(local.date().tomorrow().unwrap_or(local.date())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_clock_jumps_to_where_something_happens() {
        let noon = at("2026-11-20T17:00:00Z");
        assert_eq!(jump(noon, Some(noon + Duration::from_secs(3))), SHORTEST);
        assert_eq!(jump(noon, Some(at("2026-11-20T18:00:00Z"))), Duration::from_hours(1));
        assert_eq!(jump(noon, None), LONGEST);
        // The window opens at nine in Bogotá, and is never jumped over.
        assert_eq!(jump(at("2026-11-20T13:59:01Z"), None), Duration::from_mins(1));
    }

    #[test]
    fn people_count_for_the_day_they_were_written_to() {
        let (first, second) = (Date::constant(2026, 11, 20), Date::constant(2026, 11, 21));
        let funnel = |sent, failed| Funnel { sent, failed, ..Funnel::default() };
        let mut days = Days::default();
        for (date, sent, failed) in
            [(first, 100, 0), (first, 248, 2), (first, 247, 3), (second, 260, 4)]
        {
            days.note(date, funnel(sent, failed));
        }
        let (a, b) = (Day { date: first, people: 250 }, Day { date: second, people: 14 });
        assert_eq!(days.written_to, [a, b]);
    }
}
