//! The simulated table behind DynamoDB's limits.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use carillon::table::Shape;
use carillon::time::Timestamp;
use serde_dynamo::Item;

use super::meter::{Charge, Meter, TableLimits, Units};
use super::partition::Partition;
use super::request::{expected, factor, is_transaction, kind_of, reads};
use super::stream::StreamShards;
use crate::aws::{Answer, Change, Reason, Request, SimulatedTable, item_size, text, write_units};

/// A table that takes no more than DynamoDB does.
#[derive(Debug)]
pub(super) struct MeteredTable {
    table: SimulatedTable,
    pub(super) meter: Meter,
    pub(super) stream: StreamShards,
    largest_responses: Mutex<BTreeMap<&'static str, usize>>,
    first_error: Mutex<Option<String>>,
}

impl MeteredTable {
    pub(super) fn new(limits: TableLimits) -> Self {
        Self {
            table: SimulatedTable::default(),
            meter: Meter::new(limits),
            stream: StreamShards::default(),
            largest_responses: Mutex::default(),
            first_error: Mutex::default(),
        }
    }

    /// Responds to a request of a function's run, and charges it.
    pub(super) fn respond(
        &self,
        function: &'static str,
        operation: &str,
        body: &[u8],
        now: Timestamp,
    ) -> (u16, String) {
        let request = match Request::read(operation, body) {
            Ok(request) => request,
            Err(reason) => return self.refuse(reason),
        };
        let expected = expected(&request, |key| self.table.list_of(key));
        if !self.meter.admits(&expected, now) {
            return (400, refusal(&request));
        }
        let answer = self.table.respond(&request);
        self.meter.charge(&charges(&request, &answer), now);
        self.pass_on(&answer, now);
        let mut largest = self.largest_responses.lock().unwrap_or_else(PoisonError::into_inner);
        let largest = largest.entry(function).or_default();
        *largest = (*largest).max(answer.body.len());
        (answer.status, answer.body)
    }

    /// Responds to a request that no function's run makes: it takes no time and no capacity.
    pub(super) fn respond_unmetered(
        &self,
        operation: &str,
        body: &[u8],
        now: Timestamp,
    ) -> (u16, String) {
        match Request::read(operation, body) {
            Ok(request) => {
                let answer = self.table.respond(&request);
                self.pass_on(&answer, now);
                (answer.status, answer.body)
            }
            Err(reason) => self.refuse(reason),
        }
    }

    /// The largest response to each function, in bytes.
    pub(super) fn largest_responses(&self) -> BTreeMap<&'static str, usize> {
        self.largest_responses.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What kept the table from being metered.
    pub(super) fn first_error(&self) -> Option<String> {
        self.first_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn refuse(&self, reason: Reason) -> (u16, String) {
        let answer = Answer::refused_because(reason);
        self.note_unknown(&answer);
        (answer.status, answer.body)
    }

    fn note_unknown(&self, answer: &Answer) {
        if let Some(unknown) = &answer.unknown {
            let mut first = self.first_error.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert(unknown.clone());
        }
    }

    /// Hands what an answer changed on to the table's stream.
    fn pass_on(&self, answer: &Answer, now: Timestamp) {
        self.note_unknown(answer);
        for change in &answer.changes {
            self.stream.push(change, now);
        }
    }
}

/// What a request costs that was carried out.
fn charges(request: &Request, answer: &Answer) -> Vec<Charge> {
    let reads = reads(request);
    // Of several keys, each costs the same.
    let units = Units::of_reads(answer.read_units / reads.len().max(1) as f64);
    let read = |(partition, item)| Charge { partition, units, item };
    let mut charges: Vec<Charge> = reads.into_iter().map(read).collect();
    let factor = factor(request);
    // A write that changes nothing, or whose condition fails, costs as much.
    let written = request.writes().iter().zip(&answer.written);
    charges.extend(written.map(|(write, bytes)| Charge {
        partition: Partition::of_table(&write.key.pk),
        units: Units::of_writes(write_units(*bytes) * factor),
        item: kind_of(&write.key),
    }));
    charges.extend(answer.changes.iter().flat_map(index_charges));
    charges
}

/// What a change costs in the indexes.
fn index_charges(change: &Change) -> Vec<Charge> {
    let Change { key, old, new } = change;
    let (old, new) = (old.as_deref(), new.as_deref());
    let item = kind_of(key);
    let mut charges = Vec::new();
    let sent = [old, new].map(|image| image.and_then(|item| text(item, Shape::SENT_AT)));
    if sent[0] != sent[1] {
        // The keys of an item fill no unit: one to remove the old entry, one to add the new one.
        let partition = Partition::by_contact(&key.sk);
        let units = Units::of_writes(sent.iter().flatten().count() as f64);
        charges.push(Charge { partition, units, item });
    }
    charges.extend(list_charges(old, new, item));
    charges
}

fn bytes(item: Option<&Item>) -> usize {
    item.map_or(0, item_size)
}

fn list_charges(old: Option<&Item>, new: Option<&Item>, item: &'static str) -> Vec<Charge> {
    let entry = |item| Some((text(item, Shape::LISTED_AS)?, text(item, Shape::LISTED_AT)?));
    let charge = |list: &str, bytes| Charge {
        partition: Partition::by_status(list),
        units: Units::of_writes(write_units(bytes)),
        item,
    };
    match (old.and_then(entry), new.and_then(entry)) {
        (None, None) => Vec::new(),
        (Some(before), Some(after)) if before == after => {
            vec![charge(after.0, bytes(old).max(bytes(new)))]
        }
        (before, after) => {
            let removed = before.map(|(list, _)| charge(list, bytes(old)));
            let added = after.map(|(list, _)| charge(list, bytes(new)));
            removed.into_iter().chain(added).collect()
        }
    }
}

/// The response to a request that is too much.
fn refusal(request: &Request) -> String {
    const MESSAGE: &str = "the throughput of a partition key or of the table is exceeded";
    if !is_transaction(request) {
        return format!(
            r#"{{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"{MESSAGE}"}}"#
        );
    }
    let count = request.writes().len();
    let reason = format!(r#"{{"Code":"ThrottlingError","Message":"{MESSAGE}"}}"#);
    let reasons = vec![reason; count].join(",");
    format!(
        r#"{{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","message":"Transaction cancelled [ThrottlingError]","CancellationReasons":[{reasons}]}}"#
    )
}
