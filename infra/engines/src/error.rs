//! What can go wrong with the engines.

use std::io;
use std::path::PathBuf;

use dynoxide::DynoxideError;

/// Why an engine could not start or do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Another process, or another part of this one, has the folder open.
    #[error("the folder {} is in use by another Carillon", folder.display())]
    InUse {
        /// The folder that was asked for.
        folder: PathBuf,
    },
    /// The folder cannot be made, or its lock cannot be opened.
    #[error("the folder {} cannot be used", folder.display())]
    Folder {
        /// The folder that was asked for.
        folder: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// No loopback port or no thread could be had.
    #[error("the {engine} engine cannot be started")]
    Start {
        /// Which engine.
        engine: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// The table engine refused or failed.
    #[error("the table engine failed")]
    Table(#[from] DynoxideError),
    /// The table's file could not be read or written.
    #[error("the table's file failed")]
    File(#[from] rusqlite::Error),
    /// A stream record could not be put into JSON.
    #[error("a stream record cannot be written as JSON")]
    Record(#[from] serde_json::Error),
    /// The table does not exist or has no stream.
    #[error("the table {table} has no stream")]
    NoStream {
        /// The table that was asked for.
        table: String,
    },
    /// The text is not a sequence number of a stream.
    #[error("{number:?} is not a sequence number")]
    SequenceNumber {
        /// What was given.
        number: String,
    },
}
