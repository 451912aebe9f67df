//! Compares the report with the simulator's log.

use std::collections::BTreeMap;

use carillon::time::{Date, Timestamp, date_in};
use serde::Serialize;
use whatsapp_simulator::{LogEntry, Simulator, Summary};

use super::args::DemoArgs;
use super::clock::time_zone;
use super::timeline::Timeline;
use crate::error::CommandError;
use crate::output::format_count;
use crate::simulator_config::{PORTFOLIO_LIMIT, THROUGHPUT};

pub(super) struct Checks {
    pub(super) list: Vec<Check>,
}

/// A number that was compared with its expected value.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    name: &'static str,
    found: u64,
    rule: Rule,
    expected: u64,
    passed: bool,
}

/// How `found` must relate to `expected`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Rule {
    Equal,
    AtMost,
}

impl Checks {
    pub(super) fn new(args: &DemoArgs, timeline: &Timeline, simulator: &Simulator) -> Self {
        let (report, summary) = (&timeline.report, simulator.summary());
        let mut list = vec![
            Check::equal("recipients in the file", report.recipients, args.contacts.into()),
            Check::equal("sum over all statuses", report.total(), report.recipients),
            Check::equal("sent or failed", report.sent + report.failed, summary.recipients),
            Check::equal("received", report.received, summary.acknowledged.delivered),
            Check::equal("read", report.read, summary.acknowledged.read),
            Check::equal("replied", report.replied, summary.acknowledged.replies),
            Check::equal("failed", report.failed, summary.acknowledged.failed),
        ];
        list.extend(limit_checks(args, &summary, peak_per_date(&simulator.log())));
        Self { list }
    }

    pub(super) fn passed(&self) -> bool {
        self.list.iter().all(|check| check.passed)
    }

    pub(super) fn text(&self) -> String {
        let mut text = "The report compared with the simulator's log\n".to_owned();
        for check in &self.list {
            text.push_str(&check.text());
        }
        text
    }

    pub(super) fn into_result(self) -> Result<(), CommandError> {
        let failed: Vec<_> =
            self.list.iter().filter(|check| !check.passed).map(Check::failure).collect();
        if failed.is_empty() { Ok(()) } else { Err(CommandError::FailedChecks(failed)) }
    }
}

/// Checks of the simulator's log against the limits.
fn limit_checks(args: &DemoArgs, summary: &Summary, peak_per_date: u64) -> Vec<Check> {
    vec![
        Check::equal("messages sent twice", summary.duplicates, 0),
        Check::equal("limit violations", summary.violations.values().sum(), 0),
        Check::at_most("peak messages per second", summary.peak_per_second, THROUGHPUT.into()),
        Check::at_most("peak recipients per day", peak_per_date, args.daily_limit.into()),
        Check::at_most(
            "peak recipients in 24 hours",
            summary.peak_recipients_per_day,
            PORTFOLIO_LIMIT.into(),
        ),
    ]
}

/// The most messages on one date of the campaign's time zone.
fn peak_per_date(log: &[LogEntry]) -> u64 {
    let mut dates: BTreeMap<Date, u64> = BTreeMap::new();
    for entry in log {
        let at =
            i64::try_from(entry.at_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        if let Some(at) = at {
            *dates.entry(date_in(at, &time_zone())).or_default() += 1;
        }
    }
    dates.into_values().max().unwrap_or(0)
}

impl Check {
    fn equal(name: &'static str, found: u64, expected: u64) -> Self {
        Self { name, found, rule: Rule::Equal, expected, passed: found == expected }
    }

    fn at_most(name: &'static str, found: u64, expected: u64) -> Self {
        Self { name, found, rule: Rule::AtMost, expected, passed: found <= expected }
    }

    fn text(&self) -> String {
        let mark = if self.passed { '✓' } else { '✗' };
        let (found, expected) = (format_count(self.found), format_count(self.expected));
        let sign = match (self.rule, self.passed) {
            (Rule::Equal, true) => "=",
            (Rule::Equal, false) => "≠",
            (Rule::AtMost, true) => "≤",
            (Rule::AtMost, false) => ">",
        };
        format!("  {mark} {:31} {found:>7} {sign} {expected}\n", self.name)
    }

    fn failure(&self) -> String {
        let (found, expected) = (format_count(self.found), format_count(self.expected));
        let bound = match self.rule {
            Rule::Equal => "",
            Rule::AtMost => "at most ",
        };
        format!("{}: found {found}, expected {bound}{expected}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_check_is_named_in_the_error() {
        let list = vec![Check::equal("read", 1000, 1001), Check::at_most("recipients", 3, 3)];
        let checks = Checks { list };
        assert!(!checks.passed());
        assert!(checks.text().contains("✗ read"));
        let error = checks.into_result().unwrap_err();
        assert_eq!(error.to_string(), "read: found 1,000, expected 1,001");
    }
}
