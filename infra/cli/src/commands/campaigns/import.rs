//! `carillon campaigns import`.

use std::fs::File;
use std::io::{BufRead, BufReader, stdin};
use std::path::Path;

use serde_json::Value;

use super::upload::{Imported, Upload};
use crate::client::Client;
use crate::commands::error::CommandError;
use crate::commands::print::{self, grouped};
use crate::commands::terminal;

/// How many lines that could not be imported are shown to people.
const SHOWN: usize = 20;

pub(super) async fn run(
    client: &Client,
    id: &str,
    file: &Path,
    json: bool,
) -> Result<(), CommandError> {
    let (source, length) = open(file)?;
    let bar = terminal::bytes(length);
    let outcome = Upload::new(client, id)
        .run(source, |bytes, so_far| {
            bar.set_position(bytes);
            bar.set_message(format!("{} added", grouped(so_far.added)));
        })
        .await;
    bar.finish_and_clear();
    let imported = outcome?;
    if json { print::json(&imported) } else { in_words(&imported) }
}

/// A file or the standard input, and its length where that is known.
fn open(file: &Path) -> Result<(Box<dyn BufRead>, Option<u64>), CommandError> {
    if file == Path::new("-") {
        return Ok((Box::new(stdin().lock()), None));
    }
    let opened = File::open(file).map_err(CommandError::file(file))?;
    let length = opened.metadata().ok().filter(std::fs::Metadata::is_file).map(|data| data.len());
    Ok((Box::new(BufReader::new(opened)), length))
}

fn in_words(imported: &Imported) -> Result<(), CommandError> {
    let Imported { added, duplicates, suppressed, invalid, invalid_total } = imported;
    for (count, what) in [
        (added, "added"),
        (duplicates, "there already"),
        (suppressed, "left out: blacklisted or opted out"),
        (invalid_total, "not imported"),
    ] {
        if *count > 0 || what == "added" {
            print::line(&format!("{:>11} {what}", grouped(*count)))?;
        }
    }
    for line in invalid.iter().take(SHOWN) {
        print::line(&format!("  line {}: {}", line["line"], reason(line)))?;
    }
    let more = invalid_total.saturating_sub(invalid.len().min(SHOWN) as u64);
    if more > 0 { print::line(&format!("  and {} more", grouped(more))) } else { Ok(()) }
}

fn reason(line: &Value) -> String {
    let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let (value, reason) = (text("value"), text("reason"));
    if value.is_empty() { reason } else { format!("{value:?}: {reason}") }
}
