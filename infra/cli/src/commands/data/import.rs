//! `carillon data import`.

use std::fs;
use std::future;
use std::path::{Path, PathBuf};

use carillon::AwsConfig;
use carillon::address_key::AddressKeys;
use carillon::config::Config;
use carillon::connection::Vault;
use carillon::ids::IdSource;
use carillon::table::Table;
use carillon::time::Clock;
use carillon::transfer::Pass;
use carillon::transfer::store::{Reseal, write as import_item};
use carillon_host::DataFolder;
use clap::Args;
use futures::stream::{self, StreamExt, TryStreamExt};
use indicatif::ProgressBar;
use secrecy::SecretString;
use serde_json::json;

use super::export_file::{self, ExportFile};
use super::location::Location;
use crate::error::CommandError;
use crate::output::{self, format_count};
use crate::progress;

const EXAMPLES: &str = "\
Examples:
  carillon data import --table carillon-Table-1ABC --secrets-prefix /carillon/connections/ \\
                  --address-key-file ./.carillon/address-key \\
                  --secrets-key-file ./.carillon/secrets-key all.jsonl
  carillon data import --data ./elsewhere --address-key-file ./.carillon/address-key \\
                  --secrets-key-file ./.carillon/secrets-key all.jsonl

Importing is idempotent: existing items are not changed, and an interrupted import can
be repeated. Campaigns continue when the import is complete.";

/// Items written at the same time.
const CONCURRENT_WRITES: usize = 32;

/// Imports an exported file into another Carillon.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ImportArgs {
    #[command(flatten)]
    location: Location,

    /// File of the key that encrypts the connections' secrets in the export. Without it,
    /// their tokens must be entered again.
    #[arg(long, value_name = "FILE")]
    secrets_key_file: Option<PathBuf>,

    /// Prefix of the connections' secrets in the Parameter Store: the stack's output
    /// `SecretsPrefix`.
    #[arg(long, value_name = "PREFIX", conflicts_with = "data")]
    secrets_prefix: Option<String>,

    /// File of the key that hashes the contacts' addresses in the export: the folder's file
    /// `address-key`. It becomes the key of this Carillon, if this one has none yet. Only an
    /// export with erased contacts needs it.
    #[arg(long, value_name = "FILE")]
    address_key_file: Option<PathBuf>,

    /// The exported file.
    file: PathBuf,
}

pub(super) async fn run(args: ImportArgs, json: bool) -> Result<(), CommandError> {
    let needs = export_file::verify(&args.file)?;
    if let Some(folder) = &args.location.data {
        DataFolder::open(folder)?;
    }
    let opened = args.location.open().await?;
    let reseal = reseal(&args, &opened.aws)?;
    let addresses = address_keys(&args, &opened.aws).await?;
    let table = opened.table.clone().with_addresses(addresses);
    let own = table.ensure_address_key().await.map_err(CommandError::transfer)?;
    if needs.erased > 0 && needs.fingerprint.is_none_or(|theirs| theirs != own) {
        return Err(CommandError::ErasedAddresses { path: args.file, erased: needs.erased });
    }
    let file_bytes = fs::metadata(&args.file).map_err(CommandError::file(&args.file))?.len();
    let importer = Importer {
        table: &table,
        reseal: reseal.as_ref(),
        file: &args.file,
        bar: progress::byte_bar(Some(file_bytes * Pass::ALL.len() as u64)),
    };
    let mut counts = [ItemCounts::default(); Pass::ALL.len()];
    for (pass, counts) in Pass::ALL.into_iter().zip(&mut counts) {
        *counts = importer.run(pass).await?;
    }
    importer.bar.finish_and_clear();
    // The last pass adds no items: it only lists those of the others.
    let [others, recipients, _] = counts;
    let added = others.added + recipients.added;
    let present = others.present + recipients.present;
    if json {
        return output::json(
            &json!({ "added": added, "present": present, "recipients": recipients.added }),
        );
    }
    output::line(&format!(
        "Imported {} items, {} of them recipients. {} items were already present.",
        format_count(added),
        format_count(recipients.added),
        format_count(present)
    ))
}

struct Importer<'a> {
    table: &'a Table,
    reseal: Option<&'a Reseal>,
    file: &'a Path,
    bar: ProgressBar,
}

/// Items of one pass.
#[derive(Debug, Clone, Copy, Default)]
struct ItemCounts {
    added: u64,
    present: u64,
}

impl Importer<'_> {
    /// Writes the items of one pass.
    async fn run(&self, pass: Pass) -> Result<ItemCounts, CommandError> {
        let items = ExportFile::open(self.file)?
            .filter(|item| item.as_ref().map_or(true, |(item, _)| pass.takes(item)));
        stream::iter(items)
            .map(|item| async move {
                let (item, bytes) = item?;
                let added = import_item(self.table, pass, item, self.reseal)
                    .await
                    .map_err(CommandError::transfer)?;
                self.bar.inc(bytes);
                Ok(added)
            })
            .buffer_unordered(CONCURRENT_WRITES)
            .try_fold(ItemCounts::default(), |counts, added| future::ready(Ok(counts.with(added))))
            .await
    }
}

impl ItemCounts {
    fn with(self, added: bool) -> Self {
        Self { added: self.added + u64::from(added), present: self.present + u64::from(!added) }
    }
}

/// The key of this Carillon's addresses: the one of the export where it has none yet.
async fn address_keys(args: &ImportArgs, aws: &AwsConfig) -> Result<AddressKeys, CommandError> {
    let read = |file: &PathBuf| {
        fs::read_to_string(file).map(SecretString::from).map_err(CommandError::file(file))
    };
    let given = args.address_key_file.as_ref().map(read).transpose()?;
    let keys = match (&args.secrets_prefix, &args.location.data) {
        (Some(prefix), _) => {
            let config = Config::from_env().with("CARILLON_SECRETS_PREFIX", prefix);
            AddressKeys::of(&config, aws, &Clock::system(), &IdSource::random())
        }
        (None, Some(folder)) => {
            let ids = IdSource::random();
            AddressKeys::fixed(&DataFolder::open(folder)?.address_key(given.as_ref(), &ids)?)
        }
        (None, None) => return Err(CommandError::NoSecretsPrefix),
    };
    let keys = keys.map_err(CommandError::transfer)?;
    if let Some(key) = given {
        keys.adopt(&key).await.map_err(CommandError::transfer)?;
    }
    Ok(keys)
}

/// How the connections' secrets are decrypted and encrypted again; `None` without a key.
fn reseal(args: &ImportArgs, aws: &AwsConfig) -> Result<Option<Reseal>, CommandError> {
    let Some(key_file) = &args.secrets_key_file else { return Ok(None) };
    let key = fs::read_to_string(key_file).map_err(CommandError::file(key_file))?;
    let from = Vault::new(&SecretString::from(key)).map_err(CommandError::transfer)?;
    let ids = IdSource::random();
    let to = match (&args.secrets_prefix, &args.location.data) {
        (Some(prefix), _) => {
            let config = Config::from_env().with("CARILLON_SECRETS_PREFIX", prefix);
            Vault::of(&config, aws, &Clock::system())
        }
        (None, Some(folder)) => Vault::new(&DataFolder::open(folder)?.secrets_key(None, &ids)?),
        (None, None) => return Err(CommandError::NoSecretsPrefix),
    };
    Ok(Some(Reseal { from, to: to.map_err(CommandError::transfer)?, ids }))
}
