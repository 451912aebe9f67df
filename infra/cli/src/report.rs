//! A campaign's report and its display as a funnel.

use serde::{Deserialize, Serialize};

use crate::output::format_count;

/// Width of a full bar, in characters.
const BAR_WIDTH: u64 = 40;

/// The part of a campaign's report that the commands show.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct CampaignReport {
    pub(crate) status: String,
    pub(crate) halt: Option<Halt>,
    pub(crate) waiting: Option<Waiting>,
    pub(crate) recipients: u64,
    pub(crate) pending: u64,
    pub(crate) sending: u64,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) read: u64,
    pub(crate) replied: u64,
    pub(crate) closed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
    pub(crate) unconfirmed: u64,
    pub(crate) cancelled: u64,
}

/// Why an active campaign sends nothing at the moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Waiting {
    pub(crate) code: String,
    pub(crate) detail: String,
}

/// Why a campaign was halted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Halt {
    pub(crate) code: String,
    pub(crate) detail: String,
    pub(crate) remedy: String,
}

impl Halt {
    /// What is wrong, and what to do about it.
    pub(crate) fn text(&self) -> String {
        format!("{}\n{}", self.detail, self.remedy).trim_end().to_owned()
    }
}

impl CampaignReport {
    /// The status, with the reason if the campaign waits.
    pub(crate) fn status_text(&self) -> String {
        match &self.waiting {
            Some(waiting) => format!("{} ({})", self.status, waiting.detail),
            None => self.status.clone(),
        }
    }

    /// The cumulative counts: each includes the ones after it.
    pub(crate) fn funnel(&self) -> [(&'static str, u64); 4] {
        [
            ("sent", self.sent),
            ("received", self.received),
            ("read", self.read),
            ("replied", self.replied),
        ]
    }

    /// The counts that add up to the number of recipients.
    fn parts(&self) -> [(&'static str, u64); 7] {
        [
            ("sent", self.sent),
            ("failed", self.failed),
            ("skipped", self.skipped),
            ("unconfirmed", self.unconfirmed),
            ("cancelled", self.cancelled),
            ("sending", self.sending),
            ("pending", self.pending),
        ]
    }

    /// The sum over all statuses, which must be the number of recipients.
    pub(crate) fn total(&self) -> u64 {
        self.parts().iter().map(|(_, count)| count).sum()
    }

    /// Returns whether the campaign has ended and the counters, which lag behind,
    /// show no open recipient.
    pub(crate) fn is_final(&self) -> bool {
        let ended = matches!(self.status.as_str(), "completed" | "cancelled");
        ended && self.pending + self.sending == 0
    }

    /// The funnel as bars, and the equation below them.
    pub(crate) fn chart(&self) -> String {
        let mut text = String::new();
        for (name, count) in self.funnel() {
            text.push_str(&bar(name, count, self.recipients));
        }
        text.push_str(&self.equation());
        text
    }

    /// The counts on one line: `976 sent + 24 failed = 1,000 recipients`.
    pub(crate) fn equation(&self) -> String {
        let parts = self.parts().into_iter().filter(|(_, count)| *count > 0);
        let parts: Vec<_> =
            parts.map(|(name, count)| format!("{} {name}", format_count(count))).collect();
        let sign = if self.total() == self.recipients { "=" } else { "≠" };
        let parts = if parts.is_empty() { "0".to_owned() } else { parts.join(" + ") };
        format!("{parts} {sign} {} recipients", format_count(self.recipients))
    }
}

fn bar(name: &str, count: u64, total: u64) -> String {
    let share = |of: u64| (count * of).checked_div(total).unwrap_or(0);
    let width = share(BAR_WIDTH).max(u64::from(count > 0)) as usize;
    let filled = "█".repeat(width);
    let rest = "·".repeat((BAR_WIDTH as usize).saturating_sub(width));
    format!("{name:>9} {:>9}  {filled}{rest} {:>3} %\n", format_count(count), share(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_equation_shows_whether_the_counts_add_up() {
        let report = CampaignReport {
            recipients: 1000,
            sent: 976,
            received: 950,
            failed: 20,
            pending: 4,
            ..CampaignReport::default()
        };
        assert_eq!(report.equation(), "976 sent + 20 failed + 4 pending = 1,000 recipients");
        assert!(report.chart().contains("received       950  ██████"));
        let wrong = CampaignReport { recipients: 1, ..CampaignReport::default() };
        assert_eq!(wrong.equation(), "0 ≠ 1 recipients");
    }
}
