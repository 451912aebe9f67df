//! The DynamoDB engine in memory, called directly.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use aws_lambda_events::event::dynamodb::EventRecord;
use dynoxide::actions::get_records::GetRecordsRequest;
use dynoxide::actions::get_shard_iterator::GetShardIteratorRequest;
use dynoxide::streams::{shard_id, stream_arn};
use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The table's name.
pub(crate) const TABLE: &str = "carillon";

/// Each write asks for the greatest number of the records: without an index
/// that walks all of them.
const STREAM_INDEX: &str = "CREATE INDEX IF NOT EXISTS carillon_stream_records
    ON _stream_records (table_name, CAST(sequence_number AS INTEGER))";

/// Numbers the engines of this process: each is a memory of its own.
static ENGINES: AtomicU64 = AtomicU64::new(0);

/// What can't be helped: the simulation ends with it.
pub(crate) type Broken = Box<dyn std::error::Error + Send + Sync>;

/// The engine, and how far its stream was read.
pub(crate) struct Engine {
    database: Database,
    read_up_to: Mutex<Option<String>>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    pub(crate) fn open() -> Result<Self, Broken> {
        let number = ENGINES.fetch_add(1, Ordering::Relaxed);
        let name = format!("file:carillon-simulation-{number}?mode=memory&cache=shared");
        let database = Database::new(&name)?;
        rusqlite::Connection::open(&name)?.execute_batch(STREAM_INDEX)?;
        Ok(Self { database, read_up_to: Mutex::default() })
    }

    /// Answers a request as the service would: a status and a body.
    pub(crate) fn answer(&self, operation: &str, body: &[u8]) -> (u16, String) {
        match self.carry_out(operation, body) {
            Ok(answer) => (200, answer),
            Err(error) => (error.status_code(), error.to_json()),
        }
    }

    fn carry_out(&self, operation: &str, body: &[u8]) -> Result<String, DynoxideError> {
        let db = &self.database;
        match operation {
            "GetItem" => written(&db.get_item(read(body)?)?),
            "BatchGetItem" => written(&db.batch_get_item(read(body)?)?),
            "Query" => written(&db.query(read(body)?)?),
            "PutItem" => written(&db.put_item(read(body)?)?),
            "UpdateItem" => written(&db.update_item(read(body)?)?),
            "DeleteItem" => written(&db.delete_item(read(body)?)?),
            "TransactWriteItems" => written(&db.transact_write_items(read(body)?)?),
            "TransactGetItems" => written(&db.transact_get_items(read(body)?)?),
            "CreateTable" => written(&db.create_table(read(body)?)?),
            "DescribeTable" => written(&db.describe_table(read(body)?)?),
            "UpdateTimeToLive" => written(&db.update_time_to_live(read(body)?)?),
            other => Err(DynoxideError::ValidationException(format!("no {other} here"))),
        }
    }

    /// The stream's records since the last call, in order.
    pub(crate) fn news(&self) -> Result<Vec<EventRecord>, Broken> {
        let mut up_to = self.read_up_to.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = Vec::new();
        loop {
            let records = self.records_after(up_to.as_deref())?;
            if records.is_empty() {
                return Ok(found);
            }
            for record in records {
                let record: EventRecord = serde_json::from_value(record)?;
                up_to.clone_from(&record.change.sequence_number);
                found.push(record);
            }
        }
    }

    fn records_after(&self, after: Option<&str>) -> Result<Vec<Value>, Broken> {
        let Some(table) = self.database.get_table_metadata(TABLE)? else { return Ok(Vec::new()) };
        let arn = stream_arn(TABLE, &table.stream_label.unwrap_or_default());
        let kind = if after.is_some() { "AFTER_SEQUENCE_NUMBER" } else { "TRIM_HORIZON" };
        let iterator = self.database.get_shard_iterator(GetShardIteratorRequest {
            stream_arn: arn,
            shard_id: shard_id(TABLE),
            shard_iterator_type: kind.to_owned(),
            sequence_number: after.map(str::to_owned),
        })?;
        let shard_iterator = iterator.shard_iterator.unwrap_or_default();
        let request = GetRecordsRequest { shard_iterator, limit: Some(1000) };
        let records = self.database.get_records(request)?.records;
        Ok(records.iter().map(serde_json::to_value).collect::<Result<_, _>>()?)
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, DynoxideError> {
    let wrong = |error: serde_json::Error| DynoxideError::ValidationException(error.to_string());
    serde_json::from_slice(body).map_err(wrong)
}

fn written<T: Serialize>(answer: &T) -> Result<String, DynoxideError> {
    let wrong = |error: serde_json::Error| DynoxideError::InternalServerError(error.to_string());
    serde_json::to_string(answer).map_err(wrong)
}
