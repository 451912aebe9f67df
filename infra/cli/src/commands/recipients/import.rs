//! `carillon recipients import`.

use std::fs::{File, Metadata};
use std::io::{BufRead, BufReader, stdin};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use super::named::OfCampaign;
use crate::client::Request;
use crate::error::CommandError;
use crate::output::{self, format_count};
use crate::progress;
use crate::session::Session;
use crate::upload::{UploadResult, upload};

/// Invalid lines that are printed. Further ones are only counted.
const MAX_PRINTED_INVALID: usize = 20;

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// The file, or `-` for the standard input. Its header must contain a column `phone`.
    file: PathBuf,
    #[command(flatten)]
    of: OfCampaign,
    /// Country in which national phone numbers are read, such as CO. Default: the campaign's.
    #[arg(long, value_name = "CODE")]
    country: Option<String>,
}

pub(super) async fn run(session: &Session, args: &ImportArgs) -> Result<(), CommandError> {
    let (csv, length) = open(&args.file)?;
    let bar = progress::byte_bar(length);
    let request =
        Request::post(&args.of.recipients()).query("default_country", args.country.as_ref());
    let outcome = upload(&session.client, &request, csv, |bytes, so_far| {
        bar.set_position(bytes);
        bar.set_message(format!("{} added", format_count(so_far.added)));
    })
    .await;
    bar.finish_and_clear();
    let result = outcome?;
    if session.json { output::json(&result) } else { print_text(&result) }
}

/// Opens a file or the standard input. Returns its length if it is known.
fn open(file: &Path) -> Result<(Box<dyn BufRead>, Option<u64>), CommandError> {
    if file == Path::new("-") {
        return Ok((Box::new(stdin().lock()), None));
    }
    let opened = File::open(file).map_err(CommandError::file(file))?;
    let length = opened.metadata().ok().filter(Metadata::is_file).map(|metadata| metadata.len());
    Ok((Box::new(BufReader::new(opened)), length))
}

fn print_text(result: &UploadResult) -> Result<(), CommandError> {
    let UploadResult { added, duplicates, suppressed, invalid, invalid_total } = result;
    for (count, outcome) in [
        (added, "added"),
        (duplicates, "duplicates"),
        (suppressed, "skipped: blacklisted or opted out"),
        (invalid_total, "invalid"),
    ] {
        if *count > 0 || outcome == "added" {
            output::line(&format!("{:>11} {outcome}", format_count(*count)))?;
        }
    }
    for line in invalid.iter().take(MAX_PRINTED_INVALID) {
        output::line(&format!("  line {}: {}", line["line"], reason(line)))?;
    }
    let more = invalid_total.saturating_sub(invalid.len().min(MAX_PRINTED_INVALID) as u64);
    if more > 0 { output::line(&format!("  and {} more", format_count(more))) } else { Ok(()) }
}

fn reason(line: &Value) -> String {
    let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let (value, reason) = (text("value"), text("reason"));
    if value.is_empty() { reason } else { format!("{value:?}: {reason}") }
}
