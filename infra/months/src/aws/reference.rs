use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use aws_lambda_events::event::dynamodb::EventRecord;
use dynoxide::actions::get_records::GetRecordsRequest;
use dynoxide::actions::get_shard_iterator::GetShardIteratorRequest;
use dynoxide::streams::{shard_id, stream_arn};
use dynoxide::{Database, DynoxideError};
use rusqlite::Connection;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tower::BoxError;

use super::table::TABLE;

/// The engine looks up the highest sequence number at each write. Without this index
/// it scans all records.
const STREAM_INDEX: &str = "CREATE INDEX IF NOT EXISTS carillon_stream_records
    ON _stream_records (table_name, CAST(sequence_number AS INTEGER))";

/// How many records of the stream are read at a time.
const MAX_RECORDS: usize = 1000;

/// Gives each engine of this process its own in-memory database.
static ENGINES: AtomicU64 = AtomicU64::new(0);

/// The embedded DynamoDB engine in memory, called without HTTP.
pub(super) struct TableEngine {
    database: Database,
    /// Sequence number of the last record of the stream that was read.
    read_up_to: Mutex<Option<String>>,
}

impl fmt::Debug for TableEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableEngine").finish_non_exhaustive()
    }
}

impl TableEngine {
    pub(super) fn open() -> Result<Self, BoxError> {
        let number = ENGINES.fetch_add(1, Ordering::Relaxed);
        let name = format!("file:carillon-months-{number}?mode=memory&cache=shared");
        let database = Database::new(&name)?;
        Connection::open(&name)?.execute_batch(STREAM_INDEX)?;
        Ok(Self { database, read_up_to: Mutex::default() })
    }

    /// Responds to a request of the SDK with an HTTP status and a body.
    pub(super) fn respond(&self, operation: &str, body: &[u8]) -> (u16, String) {
        match self.execute(operation, body) {
            Ok(body) => (200, body),
            Err(error) => (error.status_code(), error.to_json()),
        }
    }

    fn execute(&self, operation: &str, body: &[u8]) -> Result<String, DynoxideError> {
        let db = &self.database;
        match operation {
            "GetItem" => encode(&db.get_item(decode(body)?)?),
            "BatchGetItem" => encode(&db.batch_get_item(decode(body)?)?),
            "Query" => encode(&db.query(decode(body)?)?),
            "PutItem" => encode(&db.put_item(decode(body)?)?),
            "UpdateItem" => encode(&db.update_item(decode(body)?)?),
            "DeleteItem" => encode(&db.delete_item(decode(body)?)?),
            "TransactWriteItems" => encode(&db.transact_write_items(decode(body)?)?),
            "TransactGetItems" => encode(&db.transact_get_items(decode(body)?)?),
            "CreateTable" => encode(&db.create_table(decode(body)?)?),
            "DescribeTable" => encode(&db.describe_table(decode(body)?)?),
            "UpdateTimeToLive" => encode(&db.update_time_to_live(decode(body)?)?),
            other => {
                Err(DynoxideError::ValidationException(format!("unsupported operation: {other}")))
            }
        }
    }

    /// The stream's records since the last call, in order.
    pub(super) fn new_stream_records(&self) -> Result<Vec<EventRecord>, BoxError> {
        let mut read_up_to = self.read_up_to.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = Vec::new();
        loop {
            let values = self.records_after(read_up_to.as_deref())?;
            let is_last = values.len() < MAX_RECORDS;
            for value in values {
                let record: EventRecord = serde_json::from_value(value)?;
                read_up_to.clone_from(&record.change.sequence_number);
                found.push(record);
            }
            if is_last {
                return Ok(found);
            }
        }
    }

    fn records_after(&self, sequence_number: Option<&str>) -> Result<Vec<Value>, BoxError> {
        let Some(table) = self.database.get_table_metadata(TABLE)? else { return Ok(Vec::new()) };
        let arn = stream_arn(TABLE, &table.stream_label.unwrap_or_default());
        let kind = if sequence_number.is_some() { "AFTER_SEQUENCE_NUMBER" } else { "TRIM_HORIZON" };
        let iterator = self.database.get_shard_iterator(GetShardIteratorRequest {
            stream_arn: arn,
            shard_id: shard_id(TABLE),
            shard_iterator_type: kind.to_owned(),
            sequence_number: sequence_number.map(str::to_owned),
        })?;
        let shard_iterator = iterator.shard_iterator.unwrap_or_default();
        let request = GetRecordsRequest { shard_iterator, limit: Some(MAX_RECORDS) };
        let records = self.database.get_records(request)?.records;
        Ok(records.iter().map(serde_json::to_value).collect::<Result<_, _>>()?)
    }
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, DynoxideError> {
    serde_json::from_slice(body)
        .map_err(|error| DynoxideError::ValidationException(error.to_string()))
}

fn encode<T: Serialize>(response: &T) -> Result<String, DynoxideError> {
    serde_json::to_string(response)
        .map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}
