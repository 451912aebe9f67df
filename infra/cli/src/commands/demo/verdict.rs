//! The report held against the simulator's own log.

use std::collections::BTreeMap;

use carillon::time::{Date, Timestamp, date_in};
use serde::Serialize;
use whatsapp_simulator::{LogEntry, Simulator, Summary};

use super::DemoArgs;
use super::days::Days;
use super::stage::zone;
use crate::commands::error::CommandError;
use crate::commands::print::grouped;
use crate::commands::simulator::{PORTFOLIO_LIMIT, THROUGHPUT};

/// Everything that was compared.
pub(super) struct Verdict {
    pub(super) checks: Vec<Check>,
}

/// One comparison.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    what: &'static str,
    found: u64,
    rule: Rule,
    expected: u64,
    agrees: bool,
}

/// How two numbers must stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Rule {
    Equal,
    AtMost,
}

impl Verdict {
    pub(super) fn of(args: &DemoArgs, days: &Days, simulator: &Simulator) -> Self {
        let (funnel, summary) = (&days.funnel, simulator.summary());
        let mut checks = vec![
            Check::equal("recipients, as in the file", funnel.recipients, args.contacts.into()),
            Check::equal("the sum of all parts", funnel.total(), funnel.recipients),
            Check::equal(
                "sent, or failed after it",
                funnel.sent + funnel.failed,
                summary.recipients,
            ),
            Check::equal("received", funnel.received, summary.acknowledged.delivered),
            Check::equal("read", funnel.read, summary.acknowledged.read),
            Check::equal("replied", funnel.replied, summary.acknowledged.replies),
            Check::equal("failed", funnel.failed, summary.acknowledged.failed),
        ];
        checks.extend(limits(args, &summary, busiest_day(&simulator.log())));
        Self { checks }
    }

    pub(super) fn agrees(&self) -> bool {
        self.checks.iter().all(|check| check.agrees)
    }

    pub(super) fn in_words(&self) -> String {
        let mut text = "The report against the simulator's own log\n".to_owned();
        for check in &self.checks {
            text.push_str(&check.in_words());
        }
        text
    }

    pub(super) fn into_result(self) -> Result<(), CommandError> {
        let wrong: Vec<_> =
            self.checks.iter().filter(|check| !check.agrees).map(Check::complaint).collect();
        if wrong.is_empty() { Ok(()) } else { Err(CommandError::Disagreement(wrong)) }
    }
}

/// What must never happen, by the simulator's log.
fn limits(args: &DemoArgs, summary: &Summary, busiest_day: u64) -> Vec<Check> {
    let per_day = args.daily_limit.into();
    vec![
        Check::equal("messages sent twice", summary.duplicates, 0),
        Check::equal("limits broken", summary.violations.values().sum(), 0),
        Check::at_most(
            "messages in the busiest second",
            summary.peak_per_second,
            THROUGHPUT.into(),
        ),
        Check::at_most("people on the busiest day", busiest_day, per_day),
        Check::at_most(
            "people in the busiest 24 hours",
            summary.peak_recipients_per_day,
            PORTFOLIO_LIMIT.into(),
        ),
    ]
}

/// The most messages on one day of the campaign's calendar.
fn busiest_day(log: &[LogEntry]) -> u64 {
    let mut days: BTreeMap<Date, u64> = BTreeMap::new();
    for entry in log {
        let at =
            i64::try_from(entry.at_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        if let Some(at) = at {
            *days.entry(date_in(at, &zone())).or_default() += 1;
        }
    }
    days.into_values().max().unwrap_or(0)
}

impl Check {
    fn equal(what: &'static str, found: u64, expected: u64) -> Self {
        Self { what, found, rule: Rule::Equal, expected, agrees: found == expected }
    }

    fn at_most(what: &'static str, found: u64, expected: u64) -> Self {
        Self { what, found, rule: Rule::AtMost, expected, agrees: found <= expected }
    }

    fn in_words(&self) -> String {
        let mark = if self.agrees { '✓' } else { '✗' };
        let (found, expected) = (grouped(self.found), grouped(self.expected));
        let sign = match (self.rule, self.agrees) {
            (Rule::Equal, true) => "=",
            (Rule::Equal, false) => "≠",
            (Rule::AtMost, true) => "≤",
            (Rule::AtMost, false) => ">",
        };
        format!("  {mark} {:31} {found:>7} {sign} {expected}\n", self.what)
    }

    fn complaint(&self) -> String {
        let wanted = match self.rule {
            Rule::Equal => "should be",
            Rule::AtMost => "may be at most",
        };
        format!("{}: {} {wanted} {}", self.what, grouped(self.found), grouped(self.expected))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disagreement_is_named() {
        let checks = vec![Check::equal("read", 1000, 1001), Check::at_most("people", 3, 3)];
        let verdict = Verdict { checks };
        assert!(!verdict.agrees());
        assert!(verdict.in_words().contains("✗ read"));
        let error = verdict.into_result().unwrap_err();
        assert_eq!(error.to_string(), "read: 1,000 should be 1,001");
    }
}
