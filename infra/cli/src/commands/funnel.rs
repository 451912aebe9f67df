//! A campaign's report as people read it: a funnel of bars.

use serde::{Deserialize, Serialize};

use super::print::grouped;

/// How wide the longest bar is.
const WIDTH: u64 = 40;

/// What a campaign's report says, as far as it is shown here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Funnel {
    pub(crate) status: String,
    pub(crate) halted_for: Option<String>,
    pub(crate) waits: Option<Waiting>,
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

/// Why nobody is sent to at the moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Waiting {
    pub(crate) reason: String,
    pub(crate) text: String,
}

impl Funnel {
    /// Its status, and why nobody is sent to at the moment.
    pub(crate) fn standing(&self) -> String {
        match &self.waits {
            Some(waits) => format!("{} ({})", self.status, waits.text),
            None => self.status.clone(),
        }
    }

    /// The steps of the funnel, each part of the one before.
    pub(crate) fn steps(&self) -> [(&'static str, u64); 4] {
        [
            ("sent", self.sent),
            ("received", self.received),
            ("read", self.read),
            ("replied", self.replied),
        ]
    }

    /// Where everyone is: the parts that add up to the whole.
    pub(crate) fn parts(&self) -> [(&'static str, u64); 7] {
        [
            ("sent", self.sent),
            ("failed", self.failed),
            ("skipped", self.skipped),
            ("unconfirmed", self.unconfirmed),
            ("cancelled", self.cancelled),
            ("sending", self.sending),
            ("waiting", self.pending),
        ]
    }

    /// The sum over all parts; always the number of recipients.
    pub(crate) fn total(&self) -> u64 {
        self.parts().iter().map(|(_, count)| count).sum()
    }

    /// Whether the campaign has ended and the counts, which run a moment behind,
    /// have nobody waiting any more.
    pub(crate) fn is_over(&self) -> bool {
        let ended = matches!(self.status.as_str(), "completed" | "cancelled");
        ended && self.pending + self.sending == 0
    }

    /// The funnel as bars, and the sum under it.
    pub(crate) fn chart(&self) -> String {
        let mut text = String::new();
        for (name, count) in self.steps() {
            text.push_str(&bar(name, count, self.recipients));
        }
        text.push_str(&self.sum());
        text
    }

    /// The sum in a line: `976 sent + 24 failed = 1,000 recipients`.
    pub(crate) fn sum(&self) -> String {
        let parts = self.parts().into_iter().filter(|(_, count)| *count > 0);
        let parts: Vec<_> =
            parts.map(|(name, count)| format!("{} {name}", grouped(count))).collect();
        let sign = if self.total() == self.recipients { "=" } else { "≠" };
        let parts = if parts.is_empty() { "nobody".to_owned() } else { parts.join(" + ") };
        format!("{parts} {sign} {} recipients", grouped(self.recipients))
    }
}

fn bar(name: &str, count: u64, whole: u64) -> String {
    let share = |of: u64| (count * of).checked_div(whole).unwrap_or(0);
    let width = share(WIDTH).max(u64::from(count > 0)) as usize;
    let blocks = "█".repeat(width);
    let rest = "·".repeat((WIDTH as usize).saturating_sub(width));
    format!("{name:>9} {:>9}  {blocks}{rest} {:>3} %\n", grouped(count), share(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_add_up() {
        let funnel = Funnel {
            recipients: 1000,
            sent: 976,
            received: 950,
            failed: 20,
            pending: 4,
            ..Funnel::default()
        };
        assert_eq!(funnel.sum(), "976 sent + 20 failed + 4 waiting = 1,000 recipients");
        assert!(funnel.chart().contains("received       950  ██████"));
        let wrong = Funnel { recipients: 1, ..Funnel::default() };
        assert_eq!(wrong.sum(), "nobody ≠ 1 recipients");
    }
}
