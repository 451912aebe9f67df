//! Uploads a CSV file of recipients to a campaign, chunk by chunk.

mod chunks;
mod quotes;
mod records;

use std::error::Error;
use std::io::{self, BufRead};
use std::mem;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::client::{Client, ClientError, Request};
use chunks::{Chunk, Chunks};
use records::RecordError;

/// Retries of a chunk after a transient error.
const MAX_RETRIES: u32 = 5;
/// Delay before the first retry. It doubles with each retry.
const FIRST_RETRY_DELAY: Duration = Duration::from_millis(500);
/// Invalid lines that are listed. Further ones are only counted.
const MAX_LISTED_INVALID: usize = 1000;

/// Why an upload failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("cannot read the CSV file: {0}")]
    Read(#[source] io::Error),
    #[error("line {line}: this record is longer than 1 MiB; is a quotation mark not closed?")]
    RecordTooLong { line: u64 },
}

/// The result of an upload.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct UploadResult {
    pub(crate) added: u64,
    pub(crate) duplicates: u64,
    pub(crate) suppressed: u64,
    /// The first invalid lines, [`MAX_LISTED_INVALID`] at most.
    pub(crate) invalid: Vec<Value>,
    pub(crate) invalid_total: u64,
}

/// Uploads a CSV file, each part with the request `request`. Calls `progress` after each chunk with
/// the number of bytes uploaded.
pub(crate) async fn upload(
    client: &Client,
    request: &Request,
    csv: impl BufRead,
    mut progress: impl FnMut(u64, &UploadResult),
) -> Result<UploadResult, UploadError> {
    let mut result = UploadResult::default();
    let mut bytes = 0;
    let mut chunks = Chunks::new(csv)?;
    while let Some(mut chunk) = chunks.next()? {
        let csv = mem::take(&mut chunk.csv);
        result.add(send(client, request, csv).await?, &chunk);
        bytes += chunk.bytes;
        progress(bytes, &result);
    }
    Ok(result)
}

/// Sends a chunk; retries transient errors. Adding recipients is idempotent, but if the
/// response to a successful request is lost, the retry counts them as duplicates.
async fn send(
    client: &Client,
    request: &Request,
    csv: Vec<u8>,
) -> Result<UploadResult, ClientError> {
    let mut delay = FIRST_RETRY_DELAY;
    for _ in 0..MAX_RETRIES {
        match client.post_csv(request, csv.clone()).await {
            Err(error) if error.is_transient() => {
                tracing::warn!(error = &error as &dyn Error, "retrying a chunk of the upload");
            }
            outcome => return outcome,
        }
        tokio::time::sleep(delay).await;
        delay *= 2;
    }
    client.post_csv(request, csv).await
}

impl UploadResult {
    /// Adds the result of one chunk. Its line numbers become those of the file.
    fn add(&mut self, mut more: Self, chunk: &Chunk) {
        self.added += more.added;
        self.duplicates += more.duplicates;
        self.suppressed += more.suppressed;
        self.invalid_total += more.invalid_total.max(more.invalid.len() as u64);
        more.invalid.truncate(MAX_LISTED_INVALID.saturating_sub(self.invalid.len()));
        for mut line in more.invalid {
            if let Some(number) = line["line"].as_u64() {
                line["line"] = chunk.line_in_file(number).into();
            }
            self.invalid.push(line);
        }
    }
}

impl From<RecordError> for UploadError {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Read(source) => Self::Read(source),
            RecordError::TooLong { line } => Self::RecordTooLong { line },
        }
    }
}
