use std::collections::BTreeMap;
use std::fmt::Write;

/// The counts of a run of the kill test.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) kills: u32,
    kills_by_phase: BTreeMap<&'static str, u32>,
    /// Recipients claimed and not settled right after a restart.
    in_flight: u64,
    max_in_flight: u64,
    pub(super) campaigns: u32,
    pub(super) recipients: u64,
    pub(super) accepted: u64,
    pub(super) lost_responses: u64,
    pub(super) duplicates: u64,
    pub(super) unaccounted: u64,
    pub(super) unconfirmed: u64,
    pub(super) unsettled: u64,
    pub(super) failed_webhooks: u64,
}

impl Tally {
    pub(super) fn add_kill(&mut self, phase: &'static str) {
        self.kills += 1;
        *self.kills_by_phase.entry(phase).or_default() += 1;
    }

    pub(super) fn add_in_flight(&mut self, recipients: u64) {
        self.in_flight += recipients;
        self.max_in_flight = self.max_in_flight.max(recipients);
    }

    /// Counts a recipient by its final status and whether the simulator accepted its
    /// message.
    pub(super) fn add_recipient(&mut self, status: &str, accepted: bool) {
        match status {
            "sent" | "delivered" | "read" => self.unaccounted += u64::from(!accepted),
            "unconfirmed" => {
                self.unconfirmed += u64::from(!accepted);
                self.unsettled += u64::from(accepted);
            }
            _ => self.unaccounted += 1,
        }
    }

    /// The counts as a Markdown table.
    pub(super) fn report(&self, seed: u64) -> String {
        let mut text = format!("\n| kill test, seed {seed} | |\n|---|---:|\n");
        let mut row = |name: &str, value: u64| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "| {name} | {value} |");
        };
        row("kills (SIGKILL)", self.kills.into());
        for (phase, kills) in &self.kills_by_phase {
            row(&format!("of these while {phase}"), (*kills).into());
        }
        row("campaigns", self.campaigns.into());
        row("recipients imported", self.recipients);
        row("messages accepted by the simulator", self.accepted);
        row("responses lost by the simulator", self.lost_responses);
        row("messages in flight at the kills, total", self.in_flight);
        row("messages in flight at one kill, maximum", self.max_in_flight);
        row("webhook requests that failed", self.failed_webhooks);
        row("**messages accepted twice**", self.duplicates);
        row("**recipients not accounted for**", self.unaccounted);
        row("**messages accepted and not settled**", self.unsettled);
        row("`unconfirmed` at the end: never accepted", self.unconfirmed);
        text
    }
}
