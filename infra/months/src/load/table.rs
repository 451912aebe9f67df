//! The embedded engine behind DynamoDB's limits.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lambda_events::event::dynamodb::EventRecord;
use carillon::table::Shape;
use carillon::time::Timestamp;
use serde_dynamo::{AttributeValue, Item};
use serde_json::Value;
use tower::BoxError;

use super::capacity::{item_size, write_units};
use super::meter::{Charge, Meter, TableLimits, Units};
use super::partition::{Partition, Space, item_kind};
use super::request::Request;
use super::stream::StreamShards;
use crate::aws::TableEngine;

/// A table that takes no more than DynamoDB does.
#[derive(Debug)]
pub(super) struct MeteredTable {
    engine: Arc<TableEngine>,
    pub(super) meter: Meter,
    pub(super) stream: StreamShards,
    /// The work list that each listed item is in.
    lists: Mutex<HashMap<(String, String), String>>,
    largest_responses: Mutex<BTreeMap<&'static str, usize>>,
    first_error: Mutex<Option<String>>,
    /// Records of the stream that the engine keeps.
    kept_records: AtomicUsize,
}

/// So many records of the stream are kept by the engine at most.
const MAX_KEPT_RECORDS: usize = 5_000;

impl MeteredTable {
    pub(super) fn new(limits: TableLimits) -> Result<Self, BoxError> {
        Ok(Self {
            engine: Arc::new(TableEngine::open()?),
            meter: Meter::new(limits),
            stream: StreamShards::default(),
            lists: Mutex::default(),
            largest_responses: Mutex::default(),
            first_error: Mutex::default(),
            kept_records: AtomicUsize::new(0),
        })
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
            Err(error) => return self.fail(format!("{operation} cannot be metered: {error}")),
        };
        let expected = request.expected(|pk, sk| self.list_of(pk, sk));
        if !self.meter.admits(&expected, now) {
            return (400, refusal(&request));
        }
        let (status, response) = self.engine.respond(operation, &with_capacity(body));
        let mut charges = read_charges(&request, &response);
        match self.apply_stream(&request) {
            Ok(written) => charges.extend(written),
            Err(error) => return self.fail(format!("the stream cannot be read: {error}")),
        }
        self.meter.charge(&charges, now);
        let mut largest = self.largest_responses.lock().unwrap_or_else(PoisonError::into_inner);
        let largest = largest.entry(function).or_default();
        *largest = (*largest).max(response.len());
        (status, response)
    }

    /// Responds to a request that no function's run makes: it takes no time and no capacity.
    pub(super) fn respond_unmetered(&self, operation: &str, body: &[u8]) -> (u16, String) {
        let response = self.engine.respond(operation, body);
        match self.apply_stream(&Request::default()) {
            Ok(_) => response,
            Err(error) => self.fail(format!("the stream cannot be read: {error}")),
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

    fn fail(&self, error: String) -> (u16, String) {
        self.first_error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        (400, r#"{"__type":"com.amazon.coral.validate#ValidationException"}"#.to_owned())
    }

    fn list_of(&self, pk: &str, sk: &str) -> Option<String> {
        let lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        lists.get(&(pk.to_owned(), sk.to_owned())).cloned()
    }

    /// Hands the new records of the stream on. Returns what the writes of the request cost.
    fn apply_stream(&self, request: &Request) -> Result<Vec<Charge>, BoxError> {
        let factor = request.factor();
        let mut unwritten: Vec<_> = request.writes.iter().collect();
        let mut charges = Vec::new();
        let records = self.engine.new_stream_records()?;
        self.forget_records(records.len())?;
        for record in records {
            let change = &record.change;
            let (Some(pk), Some(sk)) =
                (text(&change.keys, Shape::PK), text(&change.keys, Shape::SK))
            else {
                continue;
            };
            unwritten.retain(|write| write.pk != pk || write.sk != sk);
            charges.extend(written_charges(&pk, &sk, &record, factor));
            self.note_list(pk.clone(), sk, text(&change.new_image, Shape::LISTED_AS));
            self.stream.push(&pk, record);
        }
        // A write that changed nothing, or whose condition failed, costs a unit too.
        charges.extend(unwritten.into_iter().map(|write| Charge {
            partition: Partition::of_table(&write.pk),
            units: Units::of_writes(factor),
            item: write.kind(),
        }));
        Ok(charges)
    }

    /// Forgets the records that were read, once they are many.
    fn forget_records(&self, new: usize) -> Result<(), BoxError> {
        if self.kept_records.fetch_add(new, Ordering::Relaxed) + new > MAX_KEPT_RECORDS {
            self.engine.forget_stream_records()?;
            self.kept_records.store(0, Ordering::Relaxed);
        }
        Ok(())
    }

    fn note_list(&self, pk: String, sk: String, list: Option<String>) {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        match list {
            Some(list) => lists.insert((pk, sk), list),
            None => lists.remove(&(pk, sk)),
        };
    }
}

/// The same request, which asks for what it consumes.
fn with_capacity(body: &[u8]) -> Vec<u8> {
    const ASKS: &[u8] = br#"{"ReturnConsumedCapacity":"TOTAL","#;
    match body.strip_prefix(b"{") {
        Some(rest) => [ASKS, rest].concat(),
        None => body.to_vec(),
    }
}

/// What the reads of a request cost, by the response. Of several keys, each costs the same.
fn read_charges(request: &Request, response: &str) -> Vec<Charge> {
    if request.reads.is_empty() {
        return Vec::new();
    }
    let consumed = consumed(response).max(0.5);
    let units = Units::of_reads(consumed / request.reads.len() as f64);
    let reads = request.reads.iter();
    reads.map(|(partition, item)| Charge { partition: partition.clone(), units, item }).collect()
}

/// The capacity that a response says was consumed.
fn consumed(response: &str) -> f64 {
    const NAME: &str = r#""ConsumedCapacity":"#;
    let Some(start) = response.rfind(NAME) else { return 0.0 };
    let mut values =
        serde_json::Deserializer::from_str(&response[start + NAME.len()..]).into_iter::<Value>();
    let capacity = values.next().and_then(Result::ok).unwrap_or_default();
    let of_tables: Vec<&Value> = match &capacity {
        Value::Array(tables) => tables.iter().collect(),
        table => vec![table],
    };
    of_tables.iter().filter_map(|table| table["CapacityUnits"].as_f64()).sum()
}

/// What a write costs in the table and in its indexes.
fn written_charges(pk: &str, sk: &str, record: &EventRecord, factor: f64) -> Vec<Charge> {
    let (old, new) = (&record.change.old_image, &record.change.new_image);
    let item = item_kind(pk, sk);
    let units = write_units(item_size(old).max(item_size(new))) * factor;
    let mut charges =
        vec![Charge { partition: Partition::of_table(pk), units: Units::of_writes(units), item }];
    let sent = [old, new].map(|image| text(image, Shape::SENT_AT));
    if sent[0] != sent[1] {
        // The keys of an item fill no unit: one to remove the old entry, one to add the new one.
        let partition = Partition::by_contact(sk);
        let units = Units::of_writes(sent.iter().flatten().count() as f64);
        charges.push(Charge { partition, units, item });
    }
    charges.extend(list_charges(old, new, item));
    charges
}

fn list_charges(old: &Item, new: &Item, item: &'static str) -> Vec<Charge> {
    let entry = |image| Some((text(image, Shape::LISTED_AS)?, text(image, Shape::LISTED_AT)?));
    let charge = |list: &str, bytes| Charge {
        partition: Partition { space: Space::ByStatus, key: list.to_owned() },
        units: Units::of_writes(write_units(bytes)),
        item,
    };
    match (entry(old), entry(new)) {
        (None, None) => Vec::new(),
        (Some(before), Some(after)) if before == after => {
            vec![charge(&after.0, item_size(old).max(item_size(new)))]
        }
        (before, after) => {
            let removed = before.map(|(list, _)| charge(&list, item_size(old)));
            let added = after.map(|(list, _)| charge(&list, item_size(new)));
            removed.into_iter().chain(added).collect()
        }
    }
}

fn text(item: &Item, name: &str) -> Option<String> {
    match item.get(name) {
        Some(AttributeValue::S(text)) => Some(text.clone()),
        Some(_) | None => None,
    }
}

/// The response to a request that is too much.
fn refusal(request: &Request) -> String {
    const MESSAGE: &str = "the throughput of a partition key or of the table is exceeded";
    if !request.is_transaction {
        return format!(
            r#"{{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"{MESSAGE}"}}"#
        );
    }
    let count = request.writes.len() + request.reads.len();
    let reason = format!(r#"{{"Code":"ThrottlingError","Message":"{MESSAGE}"}}"#);
    let reasons = vec![reason; count].join(",");
    format!(
        r#"{{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","message":"Transaction cancelled [ThrottlingError]","CancellationReasons":[{reasons}]}}"#
    )
}
