use std::collections::BTreeMap;
use std::fmt::Write;

use super::checks::Outcome;

/// The counts of a run.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) campaigns: u32,
    pub(super) moments: u32,
    pub(super) kills: u64,
    pub(super) kills_in_requests: u64,
    pub(super) unanswered: u64,
    pub(super) conflicts: u64,
    pub(super) lost_responses: u64,
    pub(super) refusals: u64,
    outcome: Outcome,
}

impl Tally {
    pub(super) fn add(&mut self, one: Outcome) {
        let all = &mut self.outcome;
        all.recipients += one.recipients;
        all.messages += one.messages;
        all.merged_too_late += one.merged_too_late;
        all.split_before += one.split_before;
        all.violations.extend(one.violations);
        add_counts(&mut all.by_status, one.by_status);
        add_counts(&mut all.acts, one.acts);
    }

    pub(super) fn violations(&self) -> &[String] {
        &self.outcome.violations
    }

    /// The counts as a Markdown table, and the violations.
    pub(super) fn report(&self, seed: u64) -> String {
        let Outcome { recipients, messages, by_status, acts, .. } = &self.outcome;
        let mut text = format!("\n| moments, seed {seed} | |\n|---|---:|\n");
        let mut row = |name: &str, value: u64| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "| {name} | {value} |");
        };
        row("campaigns", self.campaigns.into());
        row("moments", self.moments.into());
        for ((act, when), count) in acts {
            row(&format!("{act} {when}"), *count);
        }
        row("kills (SIGKILL)", self.kills);
        row(
            "of these while a merge, a split or an erasure was being answered",
            self.kills_in_requests,
        );
        row("merges, splits and erasures without an answer, repeated", self.unanswered);
        row("erasures answered 409, repeated", self.conflicts);
        row("recipients", *recipients);
        for (status, count) in by_status {
            row(&format!("of these {status}"), *count);
        }
        row("messages accepted by the simulator", *messages);
        row("messages refused by the simulator first", self.refusals);
        row("responses lost by the simulator", self.lost_responses);
        row("two messages: both were claimed before the merge", self.outcome.merged_too_late);
        row("two messages: a person split them before", self.outcome.split_before);
        row("**violations**", self.outcome.violations.len() as u64);
        for violation in &self.outcome.violations {
            let _ = writeln!(text, "{violation}");
        }
        text
    }
}

fn add_counts<K: Ord>(all: &mut BTreeMap<K, u64>, some: BTreeMap<K, u64>) {
    for (key, count) in some {
        *all.entry(key).or_default() += count;
    }
}
