//! The DynamoDB engine: its table file and the maintenance of its streams.

use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use dynoxide::Database;
use dynoxide::actions::get_records::{GetRecordsRequest, Record};
use dynoxide::actions::get_shard_iterator::GetShardIteratorRequest;
use dynoxide::streams::{shard_id, stream_arn};
use rusqlite::{Connection, params};
use serde_json::Value;

use crate::error::EngineError;
use crate::server::Service;

/// How long to wait for the engine's write lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// How many stream records one step deletes: a few milliseconds under the lock.
const TRIM_STEP: usize = 500;

/// The pause between two steps, in which the engine can take the lock.
const TRIM_PAUSE: Duration = Duration::from_millis(2);

/// The difference between a public sequence number and the stored one.
const SEQUENCE_OFFSET: u128 = 100_000_000_000_000_000_000;

/// A write reads the maximum sequence number of its table, and a read selects the
/// records after one. Without this index, both scan all records.
const STREAM_INDEX: &str = "CREATE INDEX IF NOT EXISTS carillon_stream_records
    ON _stream_records (table_name, CAST(sequence_number AS INTEGER))";

const TABLES: &str = "SELECT table_name FROM _tables";

const NEWEST: &str = "SELECT MAX(CAST(sequence_number AS INTEGER))
    FROM _stream_records WHERE table_name = ?1";

const TRIM: &str = "DELETE FROM _stream_records WHERE id IN (
    SELECT id FROM _stream_records
    WHERE table_name = ?1 AND CAST(sequence_number AS INTEGER) <= ?2
    ORDER BY CAST(sequence_number AS INTEGER) LIMIT ?3)";

/// The open table file: the engine, and a second connection for what the engine
/// lacks.
pub(crate) struct Table {
    engine: Database,
    file: Mutex<Connection>,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").finish_non_exhaustive()
    }
}

impl Table {
    pub(crate) fn open(path: &Path) -> Result<Self, EngineError> {
        let engine = Database::new(utf8(path)?)?;
        // The engine's name for `synchronous=NORMAL`.
        engine.disable_bulk_loading()?;
        let file = Connection::open(path)?;
        file.busy_timeout(LOCK_TIMEOUT)?;
        file.pragma_update(None, "synchronous", "NORMAL")?;
        file.execute_batch(STREAM_INDEX)?;
        Ok(Self { engine, file: Mutex::new(file) })
    }

    pub(crate) fn service(&self) -> Service {
        let engine = self.engine.clone();
        Box::new(|listener, shutdown| {
            Box::pin(async move {
                let served =
                    dynoxide::server::serve_with_shutdown(listener, engine, shutdown).await;
                if let Err(error) = served {
                    tracing::error!(error, "the DynamoDB engine failed");
                }
            })
        })
    }

    pub(crate) fn sweep_ttl(&self) -> Result<usize, EngineError> {
        Ok(self.engine.sweep_ttl()?)
    }

    pub(crate) fn read_stream(
        &self,
        table: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Value>, EngineError> {
        let arn = self.stream_arn(table)?;
        let shard_iterator = self.shard_iterator(table, &arn, after)?;
        let request = GetRecordsRequest { shard_iterator, limit: Some(limit) };
        let records = self.engine.get_records(request)?.records;
        records.iter().map(|record| event(record, &arn)).collect()
    }

    fn stream_arn(&self, table: &str) -> Result<String, EngineError> {
        self.engine
            .get_table_metadata(table)?
            .filter(|metadata| metadata.stream_enabled)
            .and_then(|metadata| metadata.stream_label)
            .map(|label| stream_arn(table, &label))
            .ok_or_else(|| EngineError::NoStream { table: table.to_owned() })
    }

    fn shard_iterator(
        &self,
        table: &str,
        arn: &str,
        after: Option<&str>,
    ) -> Result<String, EngineError> {
        let kind = match after {
            Some(_) => "AFTER_SEQUENCE_NUMBER",
            None => "TRIM_HORIZON",
        };
        let request = GetShardIteratorRequest {
            stream_arn: arn.to_owned(),
            shard_id: shard_id(table),
            shard_iterator_type: kind.to_owned(),
            sequence_number: after.map(str::to_owned),
        };
        let response = self.engine.get_shard_iterator(request)?;
        Ok(response.shard_iterator.unwrap_or_default())
    }

    pub(crate) fn trim_stream(&self, upto: &str) -> Result<usize, EngineError> {
        let upto = stored_number(upto)?;
        let mut trimmed = 0;
        for table in self.tables()? {
            trimmed += self.trim_table(&table, upto)?;
        }
        Ok(trimmed)
    }

    fn tables(&self) -> Result<Vec<String>, EngineError> {
        let file = self.file();
        let mut query = file.prepare_cached(TABLES)?;
        let names = query.query_map([], |row| row.get(0))?;
        Ok(names.collect::<Result<_, _>>()?)
    }

    fn trim_table(&self, table: &str, upto: i64) -> Result<usize, EngineError> {
        let Some(newest) = self.newest(table)? else {
            return Ok(0);
        };
        let upto = upto.min(newest - 1);
        let mut trimmed = 0;
        loop {
            let step = self.trim_step(table, upto)?;
            trimmed += step;
            if step < TRIM_STEP {
                return Ok(trimmed);
            }
            thread::sleep(TRIM_PAUSE);
        }
    }

    fn newest(&self, table: &str) -> Result<Option<i64>, EngineError> {
        let file = self.file();
        let mut query = file.prepare_cached(NEWEST)?;
        Ok(query.query_row([table], |row| row.get(0))?)
    }

    fn trim_step(&self, table: &str, upto: i64) -> Result<usize, EngineError> {
        let file = self.file();
        let mut delete = file.prepare_cached(TRIM)?;
        Ok(delete.execute(params![table, upto, TRIM_STEP])?)
    }

    /// Ignores a poisoned lock: each use is one statement, and SQLite rolls back an
    /// unfinished statement.
    fn file(&self) -> MutexGuard<'_, Connection> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The engine needs a UTF-8 path.
fn utf8(path: &Path) -> Result<&str, EngineError> {
    path.to_str().ok_or_else(|| EngineError::Folder {
        folder: path.to_owned(),
        source: io::Error::new(io::ErrorKind::InvalidInput, "the path is not UTF-8"),
    })
}

/// The engine's record in Lambda's JSON, which also has the stream's ARN.
fn event(record: &Record, arn: &str) -> Result<Value, EngineError> {
    let mut event = serde_json::to_value(record)?;
    if let Some(fields) = event.as_object_mut() {
        fields.insert("eventSourceARN".to_owned(), arn.into());
    }
    Ok(event)
}

/// The sequence number as the engine stores it.
fn stored_number(public: &str) -> Result<i64, EngineError> {
    public
        .parse::<u128>()
        .ok()
        .and_then(|number| number.checked_sub(SEQUENCE_OFFSET))
        .and_then(|stored| i64::try_from(stored).ok())
        .ok_or_else(|| EngineError::SequenceNumber { number: public.to_owned() })
}
