//! DynamoDB and SQS for one machine, embedded in one process.
//!
//! Both engines exist already: `dynoxide` (DynamoDB on SQLite) and `rustack-sqs`.
//! They listen on loopback ports, and the official AWS SDKs connect to them. The
//! same product code runs here and on AWS. This crate owns the engines' threads
//! and the data folder, and adds what the engines lack:
//!
//! - a lock on the data folder, so that two processes never share a table;
//! - `synchronous=NORMAL` with a write-ahead log: an acknowledged write survives
//!   `kill -9`, and writes are twice as fast as with `FULL`;
//! - an index on the stream records. Without it, each write gets slower as the
//!   stream grows;
//! - [`Engines::trim_stream`]. Without it, the stream grows forever;
//! - [`Engines::sweep_ttl`]. Without it, expired items are never deleted.
//!
//! Queues live in memory and are empty after each start.

mod data_folder;
mod error;
mod queue;
mod server;
mod table;

use serde_json::Value;

use crate::data_folder::DataFolder;
use crate::server::Server;
use crate::table::Table;

pub use crate::data_folder::Storage;
pub use crate::error::EngineError;

/// The running engines. Dropping them stops them, like [`Engines::stop`].
#[derive(Debug)]
pub struct Engines {
    // Fields drop in order: the servers stop, the table file closes, the data
    // folder unlocks.
    dynamodb: Server,
    sqs: Server,
    table: Table,
    _data_folder: DataFolder,
}

impl Engines {
    /// Opens the table and serves both engines on free loopback ports. The engines
    /// accept requests when this returns.
    ///
    /// The engines have their own async runtimes. Call this inside or outside of a
    /// runtime.
    ///
    /// # Errors
    /// The data folder is in use or cannot be used, the table file cannot be
    /// opened, or an engine cannot start.
    pub fn start(storage: Storage) -> Result<Self, EngineError> {
        let data_folder = DataFolder::open(storage)?;
        let table = Table::open(&data_folder.table_file())?;
        let dynamodb = Server::start("dynamodb", table.service())?;
        let sqs = Server::start("sqs", queue::service())?;
        Ok(Self { dynamodb, sqs, table, _data_folder: data_folder })
    }

    /// The URL for `AWS_ENDPOINT_URL_DYNAMODB`.
    pub fn dynamodb_url(&self) -> String {
        self.dynamodb.url()
    }

    /// The URL for `AWS_ENDPOINT_URL_SQS`.
    pub fn sqs_url(&self) -> String {
        self.sqs.url()
    }

    /// Reads the records of a table's stream after the sequence number `after`,
    /// oldest first. With `None`, reads from the oldest record (`TRIM_HORIZON`).
    /// Returns at most `limit` records, and never more than 1,000. Each has the
    /// JSON of a record in the event that Lambda passes to a stream consumer.
    ///
    /// Blocks for one query.
    ///
    /// # Errors
    /// The table has no stream, or `after` is not a sequence number.
    pub fn read_stream(
        &self,
        table: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Value>, EngineError> {
        self.table.read_stream(table, after, limit)
    }

    /// Deletes the stream records up to and including `upto_sequence`. Returns how
    /// many. Pass the last sequence number that the consumer has processed.
    ///
    /// The newest record is never deleted, because the engine derives the next
    /// sequence number from it. Sequence numbers belong to one table's stream; if
    /// several tables have streams, all are trimmed at this number.
    ///
    /// Blocks until done. It deletes in short steps, and other requests run between
    /// them.
    ///
    /// # Errors
    /// `upto_sequence` is not a sequence number, or the table file cannot be
    /// written.
    pub fn trim_stream(&self, upto_sequence: &str) -> Result<usize, EngineError> {
        self.table.trim_stream(upto_sequence)
    }

    /// Deletes the items whose time to live has expired. Returns how many. The host
    /// calls this about once a minute.
    ///
    /// Blocks until done. It processes one page of the table at a time.
    ///
    /// # Errors
    /// The DynamoDB engine failed.
    pub fn sweep_ttl(&self) -> Result<usize, EngineError> {
        self.table.sweep_ttl()
    }

    /// Stops the engines and closes the table file. Requests in flight may finish
    /// within five seconds; pending long polls end at once.
    pub fn stop(self) {
        drop(self);
    }
}
