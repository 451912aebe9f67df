//! `carillon export` and `carillon import`: all data, out of one Carillon and into
//! another, on one machine or on AWS.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use carillon::AwsConfig;
use carillon::config::Config;
use carillon::connection::Vault;
use carillon::ids::IdSource;
use carillon::table::{Items, Table, ensure_table};
use carillon::time::Clock;
use carillon::transfer::store::{Reseal, lines, write};
use carillon::transfer::{Line, Pass};
use carillon_engines::{Engines, Place};
use carillon_host::{Home, TABLE};
use clap::Args;
use futures::stream::{self, StreamExt, TryStreamExt};
use indicatif::ProgressBar;
use secrecy::SecretString;
use serde_json::json;

use super::error::CommandError;
use super::print::{self, grouped};
use super::terminal;

const EXPORT_EXAMPLES: &str = "\
Examples:
  carillon export --data ./.carillon --retire all.jsonl
  carillon export --table carillon-Table-1ABC all.jsonl

Stop `carillon serve` first, and on AWS pause the campaigns: an export is no picture
of one moment. AWS is reached by the standard variables (AWS_REGION, AWS_PROFILE,
AWS_ENDPOINT_URL, …). The file holds personal data.";

const IMPORT_EXAMPLES: &str = "\
Examples:
  carillon import --table carillon-Table-1ABC --secrets-prefix /carillon/connections/ \\
                  --secrets-key-file ./.carillon/secrets-key all.jsonl
  carillon import --data ./elsewhere --secrets-key-file ./.carillon/secrets-key all.jsonl

What is there already stays as it is, so an import that was interrupted can be
repeated. Campaigns go on when everything is in.";

/// How many items are written at the same time.
const AT_ONCE: usize = 32;

/// Writes everything that a Carillon holds to a file of JSON lines.
#[derive(Debug, Args)]
#[command(after_help = EXPORT_EXAMPLES)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    end: End,

    /// Never start this data folder again: sending from two places would send twice.
    #[arg(long, conflicts_with = "table")]
    retire: bool,

    /// The file, which must not exist.
    file: PathBuf,
}

/// Reads such a file into another Carillon.
#[derive(Debug, Args)]
#[command(after_help = IMPORT_EXAMPLES)]
pub(crate) struct ImportArgs {
    #[command(flatten)]
    end: End,

    /// The file with the key that the connections' secrets were sealed with. Without
    /// it their tokens must be entered again.
    #[arg(long, value_name = "FILE")]
    secrets_key_file: Option<PathBuf>,

    /// Where the Parameter Store is to keep connections' secrets: the stack's output
    /// `SecretsPrefix`.
    #[arg(long, value_name = "PREFIX", requires = "secrets_key_file", conflicts_with = "data")]
    secrets_prefix: Option<String>,

    /// The file.
    file: PathBuf,
}

/// One end of a transfer: exactly one of both.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct End {
    /// The data folder of a Carillon on this machine.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// The table of a Carillon on AWS: the stack's output `TableName`.
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
}

/// A table that is open.
struct Opened {
    table: Table,
    aws: AwsConfig,
    /// Ends with it.
    _engines: Option<Engines>,
}

impl End {
    async fn open(&self) -> Result<Opened, CommandError> {
        if let Some(name) = &self.table {
            let aws = AwsConfig::from_env().await;
            return Ok(Opened { table: Table::new(&aws, name), aws, _engines: None });
        }
        let folder = self.data.clone().unwrap_or_default();
        let engines =
            Engines::start(Place::Folder(folder)).map_err(carillon_host::HostError::from)?;
        let aws = AwsConfig::at(&engines.dynamodb_url(), &engines.sqs_url()).await;
        let table = Table::new(&aws, TABLE);
        ensure_table(&table).await.map_err(failed)?;
        Ok(Opened { table, aws, _engines: Some(engines) })
    }
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> CommandError {
    CommandError::Transfer(Box::new(error))
}

pub(crate) async fn export(args: ExportArgs, json: bool) -> Result<(), CommandError> {
    if let Some(folder) = &args.end.data
        && !folder.join("table.sqlite").exists()
    {
        return Err(CommandError::NoTable(folder.clone()));
    }
    let opened = args.end.open().await?;
    let wrong = |source| CommandError::File { path: args.file.clone(), source };
    let file = private(&args.file).map_err(wrong)?;
    let mut out = BufWriter::new(file);
    let bar = terminal::bytes(None);
    let (mut after, mut items, mut bytes) = (None, 0, 0);
    loop {
        let (text, count, next) = lines(&opened.table, after).await.map_err(failed)?;
        out.write_all(text.as_bytes()).map_err(wrong)?;
        (items, bytes) = (items + count, bytes + text.len() as u64);
        bar.set_position(bytes);
        bar.set_message(format!("{} items", grouped(items)));
        after = next;
        if after.is_none() {
            break;
        }
    }
    out.write_all(Line::End(items).write().map_err(failed)?.as_bytes()).map_err(wrong)?;
    out.into_inner().map_err(|error| wrong(error.into_error()))?.sync_all().map_err(wrong)?;
    bar.finish_and_clear();
    if let Some(folder) = args.end.data.as_deref().filter(|_| args.retire) {
        Home::open(folder)?.retire()?;
    }
    if json {
        return print::json(&json!({ "items": items, "bytes": bytes, "retired": args.retire }));
    }
    print::line(&format!("{} items are in {}.", grouped(items), args.file.display()))?;
    if args.retire {
        print::line("This data folder does not start again.")?;
    }
    Ok(())
}

/// A new file that only its owner can read.
fn private(path: &Path) -> std::io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

pub(crate) async fn import(args: ImportArgs, json: bool) -> Result<(), CommandError> {
    check(&args.file)?;
    if let Some(folder) = &args.end.data {
        Home::open(folder)?;
    }
    let opened = args.end.open().await?;
    let reseal = reseal(&args, &opened.aws)?;
    let length = std::fs::metadata(&args.file).map_err(CommandError::file(&args.file))?.len();
    let bar = terminal::bytes(Some(length * Pass::ALL.len() as u64));
    let mut sums = [Sum::default(); Pass::ALL.len()];
    for (pass, sum) in Pass::ALL.into_iter().zip(&mut sums) {
        let items = Reading::of(&args.file)?
            .filter(|item| item.as_ref().map_or(true, |(item, _)| pass.takes(item)));
        let (table, reseal) = (&opened.table, reseal.as_ref());
        let written = stream::iter(items)
            .map(|read| async move {
                let (item, bytes) = read?;
                let added = write(table, pass, item, reseal).await.map_err(failed)?;
                Ok::<_, CommandError>((added, bytes))
            })
            .buffer_unordered(AT_ONCE);
        *sum = written
            .try_fold(*sum, |sum, (added, bytes)| {
                std::future::ready(Ok(sum.and(added, bytes, &bar)))
            })
            .await?;
    }
    bar.finish_and_clear();
    let [frame, recipients, _] = sums;
    let (added, present) = (frame.added + recipients.added, frame.present + recipients.present);
    if json {
        return print::json(
            &json!({ "added": added, "present": present, "recipients": recipients.added }),
        );
    }
    print::line(&format!(
        "{} items added, {} of them recipients; {} were there already.",
        grouped(added),
        grouped(recipients.added),
        grouped(present)
    ))
}

/// What a pass brought.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    added: u64,
    present: u64,
}

impl Sum {
    fn and(self, added: bool, bytes: u64, bar: &ProgressBar) -> Self {
        bar.inc(bytes);
        Self { added: self.added + u64::from(added), present: self.present + u64::from(!added) }
    }
}

/// Reads the whole file once: nothing of it is imported unless all of it is whole.
fn check(file: &Path) -> Result<(), CommandError> {
    let mut reading = Reading::of(file)?;
    let mut items = 0;
    for read in reading.by_ref() {
        read?;
        items += 1;
    }
    match reading.end {
        Some(end) if end == items => Ok(()),
        Some(end) => Err(reading.wrong(format!("tells of {end} items, but there are {items}"))),
        None => Err(reading.wrong("is the last one, and no end mark: the file was cut off".into())),
    }
}

fn reseal(args: &ImportArgs, aws: &AwsConfig) -> Result<Option<Reseal>, CommandError> {
    let ids = IdSource::random();
    let Some(file) = &args.secrets_key_file else { return Ok(None) };
    let key = std::fs::read_to_string(file).map_err(CommandError::file(file))?;
    let from = Vault::new(&SecretString::from(key)).map_err(failed)?;
    let clock = Clock::system();
    let to = match (&args.secrets_prefix, &args.end.data) {
        (Some(prefix), _) => {
            let config = Config::from_env().with("CARILLON_SECRETS_PREFIX", prefix);
            Vault::of(&config, aws, &clock)
        }
        (None, Some(folder)) => Vault::new(&Home::open(folder)?.secrets_key(None, &ids)?),
        (None, None) => return Err(CommandError::NoPrefix),
    };
    Ok(Some(Reseal { from, to: to.map_err(failed)?, ids }))
}

/// A file of lines under way.
struct Reading<'a> {
    path: &'a Path,
    lines: std::io::Lines<BufReader<File>>,
    number: u64,
    /// What the last line says.
    end: Option<u64>,
}

impl<'a> Reading<'a> {
    fn of(path: &'a Path) -> Result<Self, CommandError> {
        let file = File::open(path).map_err(CommandError::file(path))?;
        Ok(Self { path, lines: BufReader::new(file).lines(), number: 0, end: None })
    }

    fn wrong(&self, what: String) -> CommandError {
        CommandError::Line { path: self.path.to_owned(), line: self.number, what }
    }

    fn read(&mut self, text: &str) -> Result<Option<(Items, u64)>, CommandError> {
        if self.end.is_some() {
            return Err(self.wrong("comes after the end mark".to_owned()));
        }
        match Line::read(text) {
            Ok(Line::Item(item)) => Ok(Some((item, text.len() as u64 + 1))),
            Ok(Line::End(items)) => {
                self.end = Some(items);
                Ok(None)
            }
            Err(problem) => Err(self.wrong(problem.to_string())),
        }
    }
}

impl Iterator for Reading<'_> {
    type Item = Result<(Items, u64), CommandError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let line = self.lines.next()?;
            self.number += 1;
            match line.map_err(CommandError::file(self.path)).and_then(|text| self.read(&text)) {
                Ok(Some(read)) => return Some(Ok(read)),
                Ok(None) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
