//! The figures of a load.

use std::collections::BTreeMap;
use std::fmt;

use super::LoadPlan;
use super::memory::FunctionMemory;
use super::meter::{Overload, Peak, Units};
use super::partition::Space;

/// The figures of a load.
#[derive(Debug, Clone)]
pub struct LoadSummary {
    /// What was asked for.
    pub plan: LoadPlan,
    /// Messages that WhatsApp accepted.
    pub messages: u64,
    /// Messages to recipients who had one already.
    pub duplicates: u64,
    /// Messages that were refused because their number sent too many.
    pub rate_limited: u64,
    /// From the first run of the scheduler to the last message, in simulated seconds.
    pub seconds: f64,
    /// Until everything was counted, in simulated seconds.
    pub counted_seconds: f64,
    /// Containers of the sender.
    pub senders: usize,
    /// Invocations that failed, by function.
    pub failures: BTreeMap<&'static str, u64>,
    /// Refused requests, by the kind of the partition key that was full.
    pub refused: BTreeMap<&'static str, u64>,
    /// The partition key that was asked for too much the longest.
    pub overload: Option<Overload>,
    /// The busiest partition keys of each kind.
    pub peaks: BTreeMap<&'static str, Vec<Peak>>,
    /// The busiest second of the table, of `by_contact` and of `by_status`.
    pub table_peaks: Vec<(&'static str, Units)>,
    /// What was used for each message, by space and kind of item.
    pub totals: BTreeMap<(&'static str, &'static str), Units>,
    /// The largest response to a request of each function, in bytes.
    pub largest_responses: BTreeMap<&'static str, usize>,
    /// The memory of each function.
    pub memory: BTreeMap<&'static str, FunctionMemory>,
}

impl LoadSummary {
    /// The time that it took, as a multiple of the shortest.
    pub fn times_shortest(&self) -> f64 {
        self.seconds / self.plan.shortest_seconds()
    }
}

impl Space {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::ByContact => "by_contact",
            Self::ByStatus => "by_status",
        }
    }
}

impl fmt::Display for LoadSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plan, messages, seconds, counted_seconds, .. } = self;
        let shortest = plan.shortest_seconds();
        writeln!(
            f,
            "{messages} of {} messages in {seconds:.0} s, {:.3} times the shortest ({shortest:.0} s); counted after {counted_seconds:.0} s",
            plan.recipients,
            self.times_shortest(),
        )?;
        writeln!(
            f,
            "{} duplicates, {} over a number's rate, {} containers of the sender",
            self.duplicates, self.rate_limited, self.senders
        )?;
        writeln!(f, "failed invocations: {:?}", self.failures)?;
        writeln!(f, "throttled requests: {:?}", self.refused)?;
        writeln!(f, "longest overload: {:?}", self.overload)?;
        for (space, Units { writes, reads }) in &self.table_peaks {
            writeln!(f, "busiest second of {space}: {writes:.0} writes, {reads:.0} reads")?;
        }
        for peaks in self.peaks.values() {
            for (number, Peak { partition, asked, used }) in peaks.iter().enumerate() {
                let limit = if number == 0 { 1 } else { 3 };
                if number < limit || asked.writes > 500.0 {
                    writeln!(
                        f,
                        "  {partition}: asked {:.0} writes, {:.0} reads; used {:.0}, {:.0}",
                        asked.writes, asked.reads, used.writes, used.reads
                    )?;
                }
            }
        }
        let count = (*messages).max(1) as f64;
        for ((space, item), Units { writes, reads }) in &self.totals {
            let (writes, reads) = (writes / count, reads / count);
            writeln!(f, "  a message: {space}, {item}: {writes:.3} writes, {reads:.3} reads")?;
        }
        writeln!(f, "largest responses in bytes: {:?}", self.largest_responses)?;
        for (function, FunctionMemory { largest_run, kept }) in &self.memory {
            let [largest_run, kept] = [largest_run, kept].map(|bytes| *bytes as f64 / 1e6);
            writeln!(f, "memory of {function}: a run {largest_run:.2} MB, kept {kept:.2} MB")?;
        }
        Ok(())
    }
}
