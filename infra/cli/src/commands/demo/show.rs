//! What is seen while the days go by.

use carillon::time::{Date, Timestamp};
use indicatif::{MultiProgress, ProgressBar};

use super::DemoArgs;
use super::days::{Day, Days};
use super::play::{Campaign, WINDOW};
use super::stage::zone;
use crate::commands::error::CommandError;
use crate::commands::print::{self, grouped};
use crate::commands::terminal;

/// Where it is shown.
pub(super) enum Show {
    /// On a terminal: bars that grow.
    Terminal(Bars),
    /// Elsewhere: a line a day.
    Lines(Lines),
    /// Not at all: what is wanted is JSON.
    Nowhere,
}

impl Show {
    pub(super) fn new(args: &DemoArgs, json: bool) -> Self {
        if json {
            Self::Nowhere
        } else if terminal::is_watched() {
            Self::Terminal(Bars::new(args))
        } else {
            Self::Lines(Lines { daily_limit: args.daily_limit, told: 0 })
        }
    }

    /// Whether the funnel stands on the screen already.
    pub(super) fn has_bars(&self) -> bool {
        matches!(self, Self::Terminal(_))
    }

    /// What has been prepared.
    pub(super) fn opening(&self, campaign: &Campaign) -> Result<(), CommandError> {
        let text = format!(
            "Imported {} contacts; sending between {} and {} in Bogotá.\n",
            grouped(campaign.imported.added),
            WINDOW.0,
            WINDOW.1
        );
        match self {
            Self::Terminal(bars) => bars.all.println(text).map_err(CommandError::Output),
            Self::Lines(_) => print::line(&text),
            Self::Nowhere => Ok(()),
        }
    }

    /// How things stand at a moment.
    pub(super) fn moment(&mut self, now: Timestamp, days: &Days) -> Result<(), CommandError> {
        match self {
            Self::Terminal(bars) => {
                bars.moment(now, days);
                Ok(())
            }
            Self::Lines(lines) => lines.moment(now, days),
            Self::Nowhere => Ok(()),
        }
    }

    /// The end: what is on the terminal stays.
    pub(super) fn close(&self) {
        if let Self::Terminal(bars) = self {
            bars.close();
        }
    }
}

/// The virtual clock, a bar a day, and the funnel.
pub(super) struct Bars {
    all: MultiProgress,
    clock: ProgressBar,
    days: Vec<ProgressBar>,
    gap: ProgressBar,
    funnel: Vec<ProgressBar>,
    daily_limit: u64,
}

impl Bars {
    fn new(args: &DemoArgs) -> Self {
        let all = terminal::lines();
        let clock = all.add(terminal::text());
        let gap = all.add(terminal::text());
        let funnel = (0..4).map(|_| all.add(terminal::people(args.contacts.into()))).collect();
        Self { all, clock, days: Vec::new(), gap, funnel, daily_limit: args.daily_limit.into() }
    }

    fn moment(&mut self, now: Timestamp, days: &Days) {
        self.clock.set_message(format!("{}   {}", moment(now), days.funnel.status));
        for (number, day) in days.written_to.iter().enumerate() {
            if number == self.days.len() {
                let bar = ProgressBar::new(self.daily_limit)
                    .with_style(terminal::style("{prefix:>19}  {bar:30} {human_pos} sent"))
                    .with_prefix(format!("day {}, {}", number + 1, date(day.date)));
                self.days.push(self.all.insert_before(&self.gap, bar));
            }
            self.days[number].set_position(day.people);
        }
        self.gap.set_message(" ");
        for (bar, (name, count)) in self.funnel.iter().zip(days.funnel.steps()) {
            bar.set_prefix(name);
            bar.set_position(count);
        }
    }

    fn close(&self) {
        let texts = [&self.clock, &self.gap];
        texts.into_iter().chain(&self.days).chain(&self.funnel).for_each(ProgressBar::abandon);
    }
}

/// A line for each day, once its sending is over.
pub(super) struct Lines {
    daily_limit: u32,
    told: usize,
}

impl Lines {
    fn moment(&mut self, now: Timestamp, days: &Days) -> Result<(), CommandError> {
        let funnel = &days.funnel;
        let Some(day) = days.written_to.get(self.told) else { return Ok(()) };
        let goes_on = day.people < self.daily_limit.into()
            && funnel.pending + funnel.sending > 0
            && days.written_to.len() == self.told + 1;
        if goes_on {
            return Ok(());
        }
        self.told += 1;
        print::line(&self.day(now, *day, days))
    }

    fn day(&self, now: Timestamp, day: Day, days: &Days) -> String {
        let written: u64 = days.written_to.iter().map(|day| day.people).sum();
        format!(
            "{}  day {}: {} sent, {} of {} so far",
            moment(now),
            self.told,
            grouped(day.people),
            grouped(written),
            grouped(days.funnel.recipients)
        )
    }
}

fn moment(now: Timestamp) -> String {
    now.to_zoned(zone()).strftime("%a %-d %b %Y  %H:%M in Bogotá").to_string()
}

fn date(date: Date) -> String {
    date.strftime("%a %-d %b").to_string()
}
