//! Uploads recipients piece by piece.

use std::io::BufRead;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::records::{CutError, Piece, Pieces};
use crate::client::{Client, ClientError};
use crate::commands::error::CommandError;

/// How often a piece that failed is tried again, and how long after the first
/// time; twice as long each time after.
const RETRIES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// How many lines that could not be imported are named.
const MOST_NAMED: usize = 1000;

/// An upload to one campaign.
pub(crate) struct Upload<'a> {
    client: &'a Client,
    path: String,
}

/// What an upload brought.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Imported {
    pub(crate) added: u64,
    pub(crate) duplicates: u64,
    pub(crate) suppressed: u64,
    /// The first lines that could not be imported.
    pub(crate) invalid: Vec<Value>,
    pub(crate) invalid_total: u64,
}

impl<'a> Upload<'a> {
    pub(crate) fn new(client: &'a Client, campaign: &str) -> Self {
        Self { client, path: super::path(campaign, "/recipients") }
    }

    /// Uploads a file; `progress` is told how many of its bytes are done.
    pub(crate) async fn run(
        &self,
        source: impl BufRead,
        mut progress: impl FnMut(u64, &Imported),
    ) -> Result<Imported, CommandError> {
        let mut imported = Imported::default();
        let mut bytes = 0;
        let mut pieces = Pieces::new(source)?;
        while let Some(mut piece) = pieces.next()? {
            let csv = std::mem::take(&mut piece.csv);
            imported.add(self.send(csv).await?, &piece);
            bytes += piece.bytes;
            progress(bytes, &imported);
        }
        Ok(imported)
    }

    /// Sends a piece, and again when that fails: nobody is added twice, though
    /// who was added without an answer counts as there already.
    async fn send(&self, csv: Vec<u8>) -> Result<Imported, ClientError> {
        let mut pause = FIRST_PAUSE;
        for _ in 0..RETRIES {
            match self.client.post_csv(&self.path, csv.clone()).await {
                Err(error) if error.is_passing() => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "trying again");
                }
                settled => return settled,
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        self.client.post_csv(&self.path, csv).await
    }
}

impl Imported {
    fn add(&mut self, mut more: Self, piece: &Piece) {
        self.added += more.added;
        self.duplicates += more.duplicates;
        self.suppressed += more.suppressed;
        self.invalid_total += more.invalid_total.max(more.invalid.len() as u64);
        more.invalid.truncate(MOST_NAMED.saturating_sub(self.invalid.len()));
        for mut line in more.invalid {
            if let Some(number) = line["line"].as_u64() {
                line["line"] = piece.line_in_file(number).into();
            }
            self.invalid.push(line);
        }
    }
}

impl From<CutError> for CommandError {
    fn from(error: CutError) -> Self {
        match error {
            CutError::Read(source) => Self::File { path: "the CSV file".into(), source },
            CutError::Endless { line } => Self::EndlessRecord { line },
        }
    }
}
