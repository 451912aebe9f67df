//! Meters what each partition key takes in each second, and refuses what is too much.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use carillon::time::Timestamp;

use super::capacity::{PARTITION_READS, PARTITION_WRITES};
use super::partition::{Partition, Space};

/// The partition keys of each kind that are kept for the report.
const KEPT: usize = 10;

/// What a table or an index takes in a second, in units.
#[derive(Debug, Clone, Copy)]
pub struct TableLimits {
    /// Write units.
    pub writes: f64,
    /// Read units.
    pub reads: f64,
}

/// Units that a request takes of a partition key.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Charge {
    pub(super) partition: Partition,
    pub(super) units: Units,
    /// What kind of item they are for.
    pub(super) item: &'static str,
}

/// Write and read units.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Units {
    /// Write units.
    pub writes: f64,
    /// Read units.
    pub reads: f64,
}

impl Units {
    pub(super) fn add(&mut self, other: Self) {
        self.writes += other.writes;
        self.reads += other.reads;
    }

    pub(super) const fn of_writes(writes: f64) -> Self {
        Self { writes, reads: 0.0 }
    }

    pub(super) const fn of_reads(reads: f64) -> Self {
        Self { writes: 0.0, reads }
    }
}

/// The units of one partition key, or of a whole table or index, in one second.
#[derive(Debug, Clone, Copy, Default)]
struct Second {
    used: Units,
    refused: Units,
}

impl Second {
    fn asked(&self) -> Units {
        let Self { mut used, refused } = *self;
        used.add(refused);
        used
    }

    /// Whether nothing more is taken of what `wanted` is.
    fn is_full(&self, limits: TableLimits, wanted: Units) -> bool {
        (wanted.writes > 0.0 && self.used.writes >= limits.writes)
            || (wanted.reads > 0.0 && self.used.reads >= limits.reads)
    }
}

const PARTITION: TableLimits = TableLimits { writes: PARTITION_WRITES, reads: PARTITION_READS };

/// The busiest second of a partition key.
#[derive(Debug, Clone)]
pub struct Peak {
    /// The partition key, and what it has.
    pub partition: String,
    /// What was asked of it, refused requests included.
    pub asked: Units,
    /// What it took.
    pub used: Units,
}

/// How long a partition key was asked for more than its limit.
#[derive(Debug, Clone)]
pub struct Overload {
    /// The partition key, and what it has.
    pub partition: String,
    /// Seconds in a row.
    pub seconds: u32,
}

/// Meters a table and its indexes.
#[derive(Debug)]
pub(super) struct Meter {
    limits: TableLimits,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The second that is metered, since 1970.
    second: i64,
    partitions: HashMap<Partition, Second>,
    spaces: BTreeMap<Space, Second>,
    peaks: BTreeMap<&'static str, Vec<(Partition, Second)>>,
    space_peaks: BTreeMap<Space, Second>,
    /// The partition keys that are overloaded: the last second, and how many in a row.
    overloads: HashMap<Partition, (i64, u32)>,
    longest_overload: Option<(Partition, u32)>,
    refused_by_kind: BTreeMap<&'static str, u64>,
    totals: BTreeMap<(Space, &'static str), Units>,
}

impl Meter {
    pub(super) fn new(limits: TableLimits) -> Self {
        Self { limits, state: Mutex::default() }
    }

    /// Whether the table takes a request now that is expected to need this. What is refused
    /// counts as asked.
    pub(super) fn admits(&self, expected: &[Charge], now: Timestamp) -> bool {
        let mut state = self.state_at(now);
        let is_full = |charge: &&Charge| {
            let Charge { partition, units, .. } = charge;
            let of_key = state.partitions.get(partition).copied().unwrap_or_default();
            let of_space = state.spaces.get(&partition.space).copied().unwrap_or_default();
            of_key.is_full(PARTITION, *units) || of_space.is_full(self.limits, *units)
        };
        let Some(full) = expected.iter().find(is_full) else { return true };
        let kind = full.partition.kind();
        *state.refused_by_kind.entry(kind).or_default() += 1;
        for charge in expected {
            state.partition(&charge.partition).refused.add(charge.units);
            state.spaces.entry(charge.partition.space).or_default().refused.add(charge.units);
        }
        false
    }

    /// Charges what a request used.
    pub(super) fn charge(&self, charges: &[Charge], now: Timestamp) {
        let mut state = self.state_at(now);
        for Charge { partition, units, item } in charges {
            state.partition(partition).used.add(*units);
            state.spaces.entry(partition.space).or_default().used.add(*units);
            state.totals.entry((partition.space, item)).or_default().add(*units);
        }
    }

    /// The busiest partition keys of each kind.
    pub(super) fn peaks(&self, now: Timestamp) -> BTreeMap<&'static str, Vec<Peak>> {
        let mut state = self.state_at(now);
        state.fold();
        let peak = |(partition, second): &(Partition, Second)| Peak {
            partition: partition.to_string(),
            asked: second.asked(),
            used: second.used,
        };
        let of_kind = |peaks: &Vec<_>| peaks.iter().map(peak).collect();
        state.peaks.iter().map(|(kind, peaks)| (*kind, of_kind(peaks))).collect()
    }

    /// The busiest second of the table and of each index.
    pub(super) fn space_peaks(&self) -> Vec<(Space, Units)> {
        let state = self.lock();
        let asked = |space| state.space_peaks.get(&space).map(Second::asked).unwrap_or_default();
        Space::ALL.map(|space| (space, asked(space))).to_vec()
    }

    pub(super) fn longest_overload(&self) -> Option<Overload> {
        let state = self.lock();
        let (partition, seconds) = state.longest_overload.as_ref()?;
        Some(Overload { partition: partition.to_string(), seconds: *seconds })
    }

    /// Refused requests, by the kind of the partition key that was full.
    pub(super) fn refused(&self) -> BTreeMap<&'static str, u64> {
        self.lock().refused_by_kind.clone()
    }

    /// What was used, by the kind of the items.
    pub(super) fn totals(&self) -> BTreeMap<(Space, &'static str), Units> {
        self.lock().totals.clone()
    }

    fn state_at(&self, now: Timestamp) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        let second = now.as_second();
        if second != state.second {
            state.fold();
            state.second = second;
        }
        state
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn partition(&mut self, partition: &Partition) -> &mut Second {
        if !self.partitions.contains_key(partition) {
            self.partitions.insert(partition.clone(), Second::default());
        }
        // The entry API would clone the key each time.
        self.partitions.entry(partition.clone()).or_default()
    }

    /// Ends the second that is metered.
    fn fold(&mut self) {
        for (space, second) in std::mem::take(&mut self.spaces) {
            let peak = self.space_peaks.entry(space).or_default();
            if second.asked().writes > peak.asked().writes {
                *peak = second;
            }
        }
        for (partition, second) in std::mem::take(&mut self.partitions) {
            self.note_overload(&partition, second);
            self.note_peak(partition, second);
        }
    }

    fn note_overload(&mut self, partition: &Partition, second: Second) {
        let asked = second.asked();
        if asked.writes <= PARTITION_WRITES && asked.reads <= PARTITION_READS {
            return;
        }
        let now = self.second;
        let (last, count) = self.overloads.entry(partition.clone()).or_default();
        *count = if *last == now - 1 { *count + 1 } else { 1 };
        *last = now;
        if self.longest_overload.as_ref().is_none_or(|(_, longest)| *longest < *count) {
            self.longest_overload = Some((partition.clone(), *count));
        }
    }

    fn note_peak(&mut self, partition: Partition, second: Second) {
        let weight = |second: &Second| {
            let Units { writes, reads } = second.asked();
            f64::max(writes / PARTITION_WRITES, reads / PARTITION_READS)
        };
        let peaks = self.peaks.entry(partition.kind()).or_default();
        let lowest = peaks.last().map_or(0.0, |(_, second)| weight(second));
        if peaks.len() == KEPT && weight(&second) <= lowest {
            return;
        }
        match peaks.iter_mut().find(|(known, _)| *known == partition) {
            Some((_, known)) if weight(known) < weight(&second) => *known = second,
            Some(_) => {}
            None => peaks.push((partition, second)),
        }
        peaks.sort_by(|(_, one), (_, other)| weight(other).total_cmp(&weight(one)));
        peaks.truncate(KEPT);
    }
}
