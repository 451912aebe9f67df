//! DynamoDB and SQS for one machine, inside one process.
//!
//! Both are existing engines (`dynoxide` on SQLite, `rustack-sqs`), served on
//! loopback ports that the official SDKs are pointed at, so that the code which
//! runs here is the code which runs on AWS. This crate owns their threads,
//! their folder and the cures for what they leave out:
//!
//! - a lock on the folder, so that two processes never share one table;
//! - `synchronous=NORMAL` under a write-ahead log: what was acknowledged
//!   survives `kill -9`, and writing is twice as fast as with `FULL`;
//! - an index on the stream records, without which each write slows down as
//!   the stream grows, and [`Engines::trim_stream`], without which it never
//!   stops growing;
//! - [`Engines::sweep_ttl`], because nothing else removes what has expired.
//!
//! Queues live in memory and are empty after each start.

mod error;
mod home;
mod queue;
mod server;
mod table;

use std::path::PathBuf;

use serde_json::Value;

pub use crate::error::EngineError;
use crate::home::Home;
use crate::server::Server;
use crate::table::Table;

/// Where the table is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a folder of its own that is removed with the engines.
    Memory,
    /// In this folder, made if it is missing: `table.sqlite` and its lock.
    Folder(PathBuf),
}

/// The running engines. Dropping them stops them, as [`Engines::stop`] does.
#[derive(Debug)]
pub struct Engines {
    // Fields drop in this order: requests end, the file closes, the lock opens.
    dynamodb: Server,
    sqs: Server,
    table: Table,
    _home: Home,
}

impl Engines {
    /// Opens the table and serves both engines on free loopback ports. They
    /// accept requests when this returns.
    ///
    /// Works inside and outside an async runtime: the engines bring their own.
    pub fn start(place: Place) -> Result<Self, EngineError> {
        let home = Home::open(place)?;
        let table = Table::open(&home.table_file())?;
        let dynamodb = Server::start("dynamodb", table.service())?;
        let sqs = Server::start("sqs", queue::service())?;
        Ok(Self { dynamodb, sqs, table, _home: home })
    }

    /// The address for `AWS_ENDPOINT_URL_DYNAMODB`.
    pub fn dynamodb_url(&self) -> String {
        self.dynamodb.url()
    }

    /// The address for `AWS_ENDPOINT_URL_SQS`.
    pub fn sqs_url(&self) -> String {
        self.sqs.url()
    }

    /// The records of a table's stream that follow the sequence number `after`
    /// (all that are kept, if `None`), oldest first, at most `limit` and never
    /// more than 1,000. Each has the shape of a record in the event that
    /// Lambda hands to a stream's consumer.
    ///
    /// Blocks for the length of one query.
    pub fn read_stream(
        &self,
        table: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Value>, EngineError> {
        self.table.read_stream(table, after, limit)
    }

    /// Deletes the stream records up to and including `upto_sequence` and says
    /// how many. To be called with what its consumer has dealt with; the newest
    /// record always stays, because the engine continues its numbers.
    ///
    /// Numbers are those of one table's stream: with several streams in one
    /// place, all are trimmed by it. Blocks while it works, in short steps
    /// between which requests go on.
    pub fn trim_stream(&self, upto_sequence: &str) -> Result<usize, EngineError> {
        self.table.trim_stream(upto_sequence)
    }

    /// Deletes the items whose time to live is over and says how many. The
    /// host calls this about once a minute. Blocks while it works, a page of
    /// the table at a time.
    pub fn sweep_ttl(&self) -> Result<usize, EngineError> {
        self.table.sweep_ttl()
    }

    /// Lets the requests under way finish, for a few seconds at most, ends
    /// the waiting polls, and closes the file.
    pub fn stop(self) {
        drop(self);
    }
}
