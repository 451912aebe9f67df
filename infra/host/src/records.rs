//! Where the table's stream is read: from the embedded engine, or elsewhere.

use std::sync::Arc;

use carillon_engines::Engines;
use futures::future::BoxFuture;
use serde_json::Value;

/// Why a stream can't be read.
pub type RecordsError = Box<dyn std::error::Error + Send + Sync>;

/// A table's stream.
pub trait Records: std::fmt::Debug + Send + Sync + 'static {
    /// The records after a sequence number, or all there are, oldest first and at most
    /// so many; each as Lambda hands it to a stream's consumer.
    fn read(
        &self,
        after: Option<String>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Value>, RecordsError>>;

    /// Forgets the records up to a sequence number: they are dealt with.
    fn trim(&self, upto: String) -> BoxFuture<'_, Result<(), RecordsError>>;
}

/// The stream of a table in the embedded engine.
#[derive(Debug)]
pub(crate) struct Embedded {
    pub(crate) engines: Arc<Engines>,
    pub(crate) table: String,
}

impl Records for Embedded {
    fn read(
        &self,
        after: Option<String>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Value>, RecordsError>> {
        let (engines, table) = (self.engines.clone(), self.table.clone());
        Box::pin(async move {
            let read = move || engines.read_stream(&table, after.as_deref(), limit);
            Ok(tokio::task::spawn_blocking(read).await??)
        })
    }

    fn trim(&self, upto: String) -> BoxFuture<'_, Result<(), RecordsError>> {
        let engines = self.engines.clone();
        Box::pin(async move {
            tokio::task::spawn_blocking(move || engines.trim_stream(&upto)).await??;
            Ok(())
        })
    }
}
