//! Where a table is: in a data folder or on AWS.

use std::path::PathBuf;

use carillon::AwsConfig;
use carillon::table::{Table, ensure_table};
use carillon_engines::{Engines, Storage};
use carillon_host::{HostError, TABLE_NAME};
use clap::Args;

use crate::error::CommandError;

/// The location of a table: exactly one of the two options.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Location {
    /// Data folder of a Carillon on this machine.
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,

    /// Table of a Carillon on AWS: the stack's output `TableName`.
    #[arg(long, value_name = "NAME")]
    pub(super) table: Option<String>,
}

/// A table that can be read and written.
pub(super) struct OpenTable {
    pub(super) table: Table,
    pub(super) aws: AwsConfig,
    // The embedded engines run as long as the table is open.
    _engines: Option<Engines>,
}

impl Location {
    pub(super) async fn open(&self) -> Result<OpenTable, CommandError> {
        if let Some(name) = &self.table {
            let aws = AwsConfig::from_env().await;
            return Ok(OpenTable { table: Table::new(&aws, name), aws, _engines: None });
        }
        let folder = self.data.clone().unwrap_or_default();
        let engines = Engines::start(Storage::Folder(folder)).map_err(HostError::from)?;
        let aws = AwsConfig::at(&engines.dynamodb_url(), &engines.sqs_url()).await;
        let table = Table::new(&aws, TABLE_NAME);
        ensure_table(&table).await.map_err(CommandError::transfer)?;
        Ok(OpenTable { table, aws, _engines: Some(engines) })
    }
}
