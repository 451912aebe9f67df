//! The progress display.

use carillon::time::{Date, Timestamp};
use indicatif::{MultiProgress, ProgressBar};

use super::args::DemoArgs;
use super::campaign::Campaign;
use super::clock::{SEND_WINDOW, time_zone};
use super::timeline::{SendingDay, Timeline};
use crate::error::CommandError;
use crate::output::{self, format_count};
use crate::progress;

pub(super) enum Display {
    /// On a terminal: progress bars.
    Bars(Bars),
    /// Elsewhere: one line for each day.
    Lines(Lines),
    /// With `--json`: nothing.
    Hidden,
}

impl Display {
    pub(super) fn new(args: &DemoArgs, json: bool) -> Self {
        if json {
            Self::Hidden
        } else if progress::stdout_is_terminal() {
            Self::Bars(Bars::new(args))
        } else {
            Self::Lines(Lines { daily_limit: args.daily_limit, printed_days: 0 })
        }
    }

    /// Returns whether the display shows the funnel.
    pub(super) fn shows_funnel(&self) -> bool {
        matches!(self, Self::Bars(_))
    }

    pub(super) fn imported(&self, campaign: &Campaign) -> Result<(), CommandError> {
        let text = format!(
            "Imported {} contacts. The send window is {} to {} in Bogotá.\n",
            format_count(campaign.imported.added),
            SEND_WINDOW.0,
            SEND_WINDOW.1
        );
        match self {
            Self::Bars(progress_bars) => {
                progress_bars.group.println(text).map_err(CommandError::Output)
            }
            Self::Lines(_) => output::line(&text),
            Self::Hidden => Ok(()),
        }
    }

    pub(super) fn update(
        &mut self,
        now: Timestamp,
        timeline: &Timeline,
    ) -> Result<(), CommandError> {
        match self {
            Self::Bars(progress_bars) => {
                progress_bars.update(now, timeline);
                Ok(())
            }
            Self::Lines(lines) => lines.update(now, timeline),
            Self::Hidden => Ok(()),
        }
    }

    /// Leaves the last state on the terminal.
    pub(super) fn close(&self) {
        if let Self::Bars(progress_bars) = self {
            progress_bars.close();
        }
    }
}

/// The demo's clock, a bar for each day, and the funnel.
pub(super) struct Bars {
    group: MultiProgress,
    clock: ProgressBar,
    days: Vec<ProgressBar>,
    separator: ProgressBar,
    funnel: Vec<ProgressBar>,
    daily_limit: u64,
}

impl Bars {
    fn new(args: &DemoArgs) -> Self {
        let group = progress::group();
        let clock = group.add(progress::text_line());
        let separator = group.add(progress::text_line());
        let total = u64::from(args.contacts);
        let funnel = (0..4).map(|_| group.add(progress::recipient_bar(total))).collect();
        let daily_limit = args.daily_limit.into();
        Self { group, clock, days: Vec::new(), separator, funnel, daily_limit }
    }

    fn update(&mut self, now: Timestamp, timeline: &Timeline) {
        self.clock.set_message(format!("{}   {}", format_time(now), timeline.report.status));
        for (index, day) in timeline.days.iter().enumerate() {
            if index == self.days.len() {
                let bar = ProgressBar::new(self.daily_limit)
                    .with_style(progress::style("{prefix:>19}  {bar:30} {human_pos} sent"))
                    .with_prefix(format!("day {}, {}", index + 1, format_date(day.date)));
                self.days.push(self.group.insert_before(&self.separator, bar));
            }
            self.days[index].set_position(day.recipients);
        }
        self.separator.set_message(" ");
        for (bar, (name, count)) in self.funnel.iter().zip(timeline.report.funnel()) {
            bar.set_prefix(name);
            bar.set_position(count);
        }
    }

    fn close(&self) {
        let texts = [&self.clock, &self.separator];
        texts.into_iter().chain(&self.days).chain(&self.funnel).for_each(ProgressBar::abandon);
    }
}

/// A line for each day, printed when the day's sending has ended.
pub(super) struct Lines {
    daily_limit: u32,
    printed_days: usize,
}

impl Lines {
    fn update(&mut self, now: Timestamp, timeline: &Timeline) -> Result<(), CommandError> {
        let report = &timeline.report;
        let Some(day) = timeline.days.get(self.printed_days) else { return Ok(()) };
        let day_continues = day.recipients < self.daily_limit.into()
            && report.pending + report.sending > 0
            && timeline.days.len() == self.printed_days + 1;
        if day_continues {
            return Ok(());
        }
        self.printed_days += 1;
        output::line(&self.text(now, *day, timeline))
    }

    fn text(&self, now: Timestamp, day: SendingDay, timeline: &Timeline) -> String {
        format!(
            "{}  day {}: {} sent, {} of {} in total",
            format_time(now),
            self.printed_days,
            format_count(day.recipients),
            format_count(timeline.sent_to()),
            format_count(timeline.report.recipients)
        )
    }
}

fn format_time(now: Timestamp) -> String {
    now.to_zoned(time_zone()).strftime("%a %-d %b %Y  %H:%M in Bogotá").to_string()
}

fn format_date(date: Date) -> String {
    date.strftime("%a %-d %b").to_string()
}
