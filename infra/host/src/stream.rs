use std::error::Error;
use std::fmt::Debug;
use std::sync::Arc;

use carillon_engines::Engines;
use futures::future::BoxFuture;
use serde_json::Value;

/// Why a stream could not be read.
pub type StreamError = Box<dyn Error + Send + Sync>;

/// A reader of a DynamoDB table's stream.
pub trait StreamReader: Debug + Send + Sync + 'static {
    /// Reads at most `limit` records after the sequence number `after`, oldest first;
    /// from the oldest record if `after` is `None`. Each record has the JSON format of
    /// the event that Lambda hands to a stream's consumer.
    fn read(
        &self,
        after: Option<String>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Value>, StreamError>>;

    /// Deletes the records up to and including the sequence number `upto`. The
    /// consumer has processed them.
    fn trim(&self, upto: String) -> BoxFuture<'_, Result<(), StreamError>>;
}

/// The stream of a table in the embedded engine.
#[derive(Debug)]
pub(crate) struct EmbeddedStream {
    pub(crate) engines: Arc<Engines>,
    pub(crate) table: String,
}

impl StreamReader for EmbeddedStream {
    fn read(
        &self,
        after: Option<String>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Value>, StreamError>> {
        let (engines, table) = (self.engines.clone(), self.table.clone());
        Box::pin(async move {
            let read = move || engines.read_stream(&table, after.as_deref(), limit);
            Ok(tokio::task::spawn_blocking(read).await??)
        })
    }

    fn trim(&self, upto: String) -> BoxFuture<'_, Result<(), StreamError>> {
        let engines = self.engines.clone();
        Box::pin(async move {
            tokio::task::spawn_blocking(move || engines.trim_stream(&upto)).await??;
            Ok(())
        })
    }
}
