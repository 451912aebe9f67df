//! `carillon data export`.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use carillon::table::Table;
use carillon::transfer::Line;
use carillon::transfer::store::lines as export_page;
use carillon_host::DataFolder;
use clap::Args;
use serde_json::json;

use super::location::Location;
use crate::error::CommandError;
use crate::output::{self, format_count};
use crate::progress;

const EXAMPLES: &str = "\
Examples:
  carillon data export --data ./.carillon --retire all.jsonl
  carillon data export --table carillon-Table-1ABC all.jsonl

First stop `carillon serve`; on AWS pause all campaigns. An export is not a consistent
snapshot. The standard variables configure AWS (AWS_REGION, AWS_PROFILE,
AWS_ENDPOINT_URL, …). The file contains personal data.";

/// Exports all data to a file of JSON lines.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    location: Location,

    /// Prevent this data folder from starting again: sending from two copies would send
    /// messages twice.
    #[arg(long, conflicts_with = "table")]
    retire: bool,

    /// The file to write. It must not exist.
    file: PathBuf,
}

/// The size of an export.
#[derive(Default)]
struct Exported {
    items: u64,
    bytes: u64,
}

pub(super) async fn run(args: ExportArgs, json: bool) -> Result<(), CommandError> {
    let data = args.location.data.as_deref();
    if let Some(folder) = data.filter(|folder| !DataFolder::has_table(folder)) {
        return Err(CommandError::NoTable(folder.to_owned()));
    }
    let opened = args.location.open().await?;
    let exported = export(&opened.table, &args.file).await?;
    if let Some(folder) = data.filter(|_| args.retire) {
        DataFolder::open(folder)?.retire()?;
    }
    let Exported { items, bytes } = exported;
    if json {
        return output::json(&json!({ "items": items, "bytes": bytes, "retired": args.retire }));
    }
    output::line(&format!("Exported {} items to {}.", format_count(items), args.file.display()))?;
    if args.retire {
        output::line("The data folder is retired and does not start again.")?;
    }
    Ok(())
}

async fn export(table: &Table, path: &Path) -> Result<Exported, CommandError> {
    let failed = |source| CommandError::File { path: path.to_owned(), source };
    let mut out = BufWriter::new(create_private(path).map_err(failed)?);
    let bar = progress::byte_bar(None);
    let mut exported = Exported::default();
    let mut start = None;
    loop {
        let (text, items, next) =
            export_page(table, start).await.map_err(CommandError::transfer)?;
        out.write_all(text.as_bytes()).map_err(failed)?;
        exported.items += items;
        exported.bytes += text.len() as u64;
        bar.set_position(exported.bytes);
        bar.set_message(format!("{} items", format_count(exported.items)));
        start = next;
        if start.is_none() {
            break;
        }
    }
    let end = Line::End(exported.items).write().map_err(CommandError::transfer)?;
    out.write_all(end.as_bytes()).map_err(failed)?;
    let file = out.into_inner().map_err(|error| failed(error.into_error()))?;
    file.sync_all().map_err(failed)?;
    bar.finish_and_clear();
    Ok(exported)
}

/// Creates a file with mode 0600. Fails if the file exists.
fn create_private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
