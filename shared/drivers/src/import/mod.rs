//! Uploads of recipients: CSV or JSON, parsed as a stream in bounded memory. Each line is
//! parsed on its own: an invalid line does not affect the others. Idempotent: a repeated
//! upload adds nothing.

mod csv;
mod intake;
mod json;
mod row;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as StdError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

pub use row::{
    BSUID_COLUMN, CONTACT_COLUMNS, InvalidLine, MAX_COLUMNS, MAX_LINE, MAX_NAME, MAX_VALUE,
    column_name,
};

use self::intake::rows;
use self::row::Row;
use crate::privacy;
use carillon_foundations::address::Address;
use carillon_foundations::country::Country;
use carillon_foundations::ids::{ContactId, IdSource};
use carillon_foundations::time::Clock;
use carillon_nouns::campaign::store::ChangeError;
use carillon_nouns::campaign::{self, Campaign, Import};
use carillon_nouns::contact::{self, Contact, Profile, person};
use carillon_nouns::recipient::{Positions, Recipient, RecipientKey, store};
use carillon_table::{StoreError, Table};

/// The largest upload, in bytes.
pub const MAX_UPLOAD: u64 = 64 * 1024 * 1024;
/// The maximum number of invalid lines in a report. All are counted.
pub const MAX_NAMED: usize = 1000;
/// The number of rows that are written concurrently.
const IN_FLIGHT: usize = 16;
/// How many lines are looked up together: what one `BatchGetItem` reads.
const CHUNK: usize = 100;
/// How many chunks are imported at the same time.
const CHUNKS_IN_FLIGHT: usize = 2;
/// How often an upload is announced again and its summary is stored.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(10);
/// The minimum of that interval in real time, for a clock that runs fast.
const ANNOUNCE_EVERY_REAL: Duration = Duration::from_millis(100);
/// How long an announcement keeps the campaign from being completed.
const ANNOUNCED_FOR: SignedDuration = SignedDuration::from_mins(2);

/// The format of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `text/csv`: a header line, then one recipient per line.
    Csv,
    /// `application/json`: an array of objects.
    JsonArray,
    /// `application/x-ndjson`: one object per line.
    JsonLines,
}

/// The result of an upload. Each line counts once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = UploadReport)]
pub struct Report {
    /// Recipients that were added as pending.
    pub added: u64,
    /// Lines whose contact was in the campaign already.
    pub duplicates: u64,
    /// Recipients that were added as skipped: blacklisted or opted out.
    pub suppressed: u64,
    /// The first 1,000 invalid lines.
    pub invalid: Vec<InvalidLine>,
    /// The number of invalid lines.
    pub invalid_total: u64,
}

/// Why an upload cannot be parsed at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The upload is empty.
    #[error("the upload is empty: expected a header line or a JSON array, and recipients after it")]
    Empty,
    /// No column of the header has phone numbers or BSUIDs.
    #[error(
        "the first line names no column with phone numbers: it has {}; expected one of {}, {BSUID_COLUMN}",
        listed(.found), CONTACT_COLUMNS.join(", ")
    )]
    NoContactColumn {
        /// The columns of the header.
        found: Vec<String>,
    },
    /// The header has bytes that are not UTF-8.
    #[error("the first line is not valid UTF-8: save the file as \"CSV UTF-8\"")]
    HeaderNotUtf8,
    /// The file is UTF-16.
    #[error("the file is UTF-16 (\"Unicode text\"): save it as \"CSV UTF-8\"")]
    Utf16,
    /// The header is too long.
    #[error("the first line is longer than 64 KiB: expected the columns' names")]
    HeaderTooLong,
    /// The header has too many columns.
    #[error("the first line names {0} columns; at most {MAX_COLUMNS} beside the phone are allowed")]
    TooManyColumns(usize),
    /// The header has a column name that is too long.
    #[error("the column {0}… has too long a name: at most {MAX_NAME} characters are allowed")]
    LongColumnName(String),
    /// The header has a quote that is never closed.
    #[error("a quote in the first line is never closed")]
    OpenQuote,
    /// The JSON is not an array.
    #[error(
        "expected a JSON array of objects such as [{{\"phone\": \"+573001234567\", \"name\": \"Ana\"}}]"
    )]
    NotAnArray,
}

/// Why an upload stopped early. Recipients that it had added stay in the campaign.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The upload cannot be parsed.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The upload is larger than [`MAX_UPLOAD`].
    #[error("the upload is larger than 64 MiB")]
    TooLarge,
    /// The connection broke before the end of the body.
    #[error("the upload broke off")]
    BrokenOff(#[source] Box<dyn StdError + Send + Sync>),
    /// The campaign's status allows no uploads, or the campaign does not exist.
    #[error(transparent)]
    Campaign(#[from] ChangeError),
    /// The table failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The outcome of an upload.
#[derive(Debug)]
pub struct Finished {
    /// The report, complete or up to the error.
    pub report: Report,
    /// Why the upload stopped early, if it did.
    pub outcome: Result<(), UploadError>,
}

/// An upload to a campaign.
#[derive(Debug)]
pub struct Upload<'a> {
    /// The table.
    pub table: &'a Table,
    /// The clock.
    pub clock: &'a Clock,
    /// The ids of new contacts.
    pub ids: &'a IdSource,
    /// The campaign.
    pub campaign: &'a Campaign,
    /// The country of phone numbers in national form.
    pub country: Option<Country>,
    /// Its format.
    pub format: Format,
    /// How far the campaign's walk was when the upload was announced last.
    pub passed: Passed,
}

/// How far the walk of a campaign was when its upload was announced last.
#[derive(Debug, Default)]
pub struct Passed(Mutex<Positions>);

impl Passed {
    fn lock(&self) -> MutexGuard<'_, Positions> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Parsed = Result<Row, InvalidLine>;

/// A line whose contact is known.
struct Addition {
    person: Vec<Address>,
    row: Row,
    contact: Contact,
    /// Whether no earlier line of its chunk is about the same person.
    is_first: bool,
}

/// The result of one line.
enum Settled {
    Added { line: u64, columns: BTreeMap<String, String>, country: Country },
    Duplicate,
    Suppressed,
    Invalid(InvalidLine),
}

impl Upload<'_> {
    /// Imports the body. Added recipients are counted in `import`, the summary, which is
    /// stored every ten seconds and at the end.
    pub async fn run<S, E>(&self, body: S, mut import: Import) -> Finished
    where
        S: Stream<Item = Result<Bytes, E>>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let mut report = Report::default();
        let mut outcome = self.announce(&import).await;
        if outcome.is_ok() {
            outcome = self.import_rows(body, &mut report, &mut import).await;
            self.end(&import).await;
        }
        let stored = self.store_summary(&report, &import).await;
        Finished { report, outcome: outcome.and(stored) }
    }

    async fn import_rows<S, E>(
        &self,
        body: S,
        report: &mut Report,
        import: &mut Import,
    ) -> Result<(), UploadError>
    where
        S: Stream<Item = Result<Bytes, E>>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let stopped = AtomicBool::new(false);
        let rows = rows(self.format, body)
            .take_while(|_| std::future::ready(!stopped.load(Ordering::Relaxed)))
            .ready_chunks(CHUNK)
            .map(|rows| self.settle(rows))
            .buffer_unordered(CHUNKS_IN_FLIGHT)
            .flat_map(stream::iter);
        let mut rows = std::pin::pin!(rows);
        let every = self.clock.real(ANNOUNCE_EVERY).max(ANNOUNCE_EVERY_REAL);
        let mut beat = tokio::time::interval(every);
        beat.tick().await;
        let mut outcome = Ok(());
        loop {
            let step = tokio::select! {
                settled = rows.next() => match settled {
                    Some(settled) => settled.map(|settled| report.count(settled, import)),
                    None => return outcome,
                },
                _ = beat.tick() => self.keep_announced(report, import).await,
            };
            if let Err(error) = step {
                // Rows whose write is in progress are still settled and counted.
                stopped.store(true, Ordering::Relaxed);
                outcome = outcome.and(Err(error));
            }
        }
    }

    async fn keep_announced(&self, report: &Report, import: &Import) -> Result<(), UploadError> {
        self.announce(import).await?;
        self.store_summary(report, import).await
    }

    async fn announce(&self, import: &Import) -> Result<(), UploadError> {
        let (id, now) = (self.campaign.id, self.clock.now());
        let until = now + ANNOUNCED_FOR;
        let announced =
            campaign::store::announce_upload_of(self.table, id, import.id, now, until).await?;
        *self.passed.lock() = announced.walk.passed;
        Ok(())
    }

    /// Ends the announcement. Where this fails, it ends by itself.
    async fn end(&self, import: &Import) {
        let (id, now) = (self.campaign.id, self.clock.now());
        if let Err(error) = campaign::store::end_upload(self.table, id, import.id, now).await {
            let error = &error as &dyn StdError;
            tracing::warn!(campaign = %id, error, "the end of an upload was not recorded");
        }
    }

    /// Whether the walk had passed that recipient when the upload was announced last.
    fn is_passed(&self, key: &RecipientKey) -> bool {
        self.passed.lock().are_after(key)
    }

    async fn store_summary(&self, report: &Report, import: &Import) -> Result<(), UploadError> {
        if report.added + report.suppressed > 0 {
            campaign::store::add_import(self.table, self.campaign.id, import).await?;
        }
        Ok(())
    }

    async fn settle(
        &self,
        rows: Vec<Result<Parsed, UploadError>>,
    ) -> Vec<Result<Settled, UploadError>> {
        let mut settled = Vec::with_capacity(rows.len());
        let mut lines = Vec::with_capacity(rows.len());
        for row in rows {
            let read = |row: Row| Ok((row.addresses(self.country)?, row));
            match row.map(|parsed| parsed.and_then(read)) {
                Ok(Ok(line)) => lines.push(line),
                Ok(Err(invalid)) => settled.push(Ok(Settled::Invalid(invalid))),
                Err(error) => settled.push(Err(error)),
            }
        }
        match self.add_all(lines).await {
            Ok(added) => settled.extend(added.into_iter().map(|one| Ok(one?))),
            Err(error) => settled.push(Err(error.into())),
        }
        settled
    }

    /// Adds up to [`CHUNK`] lines. Their contacts are looked up together, and created where
    /// they do not exist.
    async fn add_all(
        &self,
        lines: Vec<(Vec<Address>, Row)>,
    ) -> Result<Vec<Result<Settled, StoreError>>, StoreError> {
        let now = self.clock.now();
        let begun = contact::store::erasures_begun(self.table).await?;
        let (persons, rows): (Vec<_>, Vec<_>) = lines.into_iter().unzip();
        let ids = person::resolve_many(self.table, self.ids, &persons, now).await?;
        let wanted: BTreeSet<ContactId> = ids.iter().flatten().copied().collect();
        let wanted: Vec<ContactId> = wanted.into_iter().collect();
        let contacts = contact::store::many(self.table, &wanted).await?;
        let mut seen = BTreeSet::new();
        let mut additions = Vec::with_capacity(rows.len());
        for ((person, row), id) in persons.into_iter().zip(rows).zip(ids) {
            let Some(id) = id else { continue };
            let unknown = || Contact { id, profile: Profile::default() };
            let contact = contacts.get(&id).cloned().unwrap_or_else(unknown);
            let is_first = seen.insert(contact.id);
            additions.push(Addition { person, row, contact, is_first });
        }
        let adding: Vec<_> =
            additions.into_iter().map(|addition| self.add(addition, now)).collect();
        let added = stream::iter(adding).buffered(IN_FLIGHT).collect().await;
        if contact::store::erasures_begun(self.table).await? != begun {
            self.erase_again(&wanted).await?;
        }
        Ok(added)
    }

    /// Removes the columns of those who were erased since their contact was read: the erasure
    /// may have passed this campaign before they were written.
    async fn erase_again(&self, contacts: &[ContactId]) -> Result<(), StoreError> {
        for (id, contact) in contact::store::many(self.table, contacts).await? {
            if contact.profile.erased_at.is_some() {
                for id in BTreeSet::from([id, contact.id]) {
                    let key = self.campaign.recipients().key(id);
                    privacy::erase_recipient(self.table, &key, self.clock.now()).await?;
                }
            }
        }
        Ok(())
    }

    async fn add(&self, addition: Addition, now: Timestamp) -> Result<Settled, StoreError> {
        let Addition { person, row, contact, is_first } = addition;
        let is_erased = contact.profile.erased_at.is_some();
        if !is_first || self.has_one_of(&contact.profile.merged).await? {
            return Ok(Settled::Duplicate);
        }
        let suppression = contact.profile.suppression();
        // The columns of an erased person are not stored again.
        let kept = !is_erased || suppression.is_none();
        let columns = if kept { row.columns.clone() } else { BTreeMap::new() };
        let recipient = Recipient::pending(contact.id, columns, now);
        let recipient = match suppression {
            Some(reason) => recipient.skipped(reason.into()),
            None => recipient,
        };
        let key = self.campaign.recipients().key(contact.id);
        let country = person.first().map_or(Country::UNKNOWN, Address::country);
        Ok(
            match (
                store::add(self.table, &key, &recipient, self.is_passed(&key)).await?,
                suppression,
            ) {
                (false, _) => Settled::Duplicate,
                (true, Some(_)) => Settled::Suppressed,
                (true, None) => Settled::Added { line: row.line, columns: row.columns, country },
            },
        )
    }

    /// Whether one of these contacts, which were merged into a person's, is in the campaign.
    async fn has_one_of(&self, contacts: &BTreeSet<ContactId>) -> Result<bool, StoreError> {
        for contact in contacts {
            let key = self.campaign.recipients().key(*contact);
            if store::get(self.table, &key).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Report {
    fn count(&mut self, settled: Settled, import: &mut Import) {
        match settled {
            Settled::Added { line, columns, country } => {
                self.added += 1;
                import.count(line, &columns, country);
            }
            Settled::Duplicate => self.duplicates += 1,
            Settled::Suppressed => self.suppressed += 1,
            Settled::Invalid(line) => self.count_invalid(line),
        }
    }

    /// Lines settle out of order. The report keeps the lowest line numbers, in order.
    fn count_invalid(&mut self, line: InvalidLine) {
        self.invalid_total += 1;
        let place = self.invalid.partition_point(|known| known.line <= line.line);
        if place < MAX_NAMED {
            self.invalid.insert(place, line);
            self.invalid.truncate(MAX_NAMED);
        }
    }
}

fn listed(names: &[String]) -> String {
    let shortened = names.iter().take(20).map(|name| name.chars().take(64).collect());
    let named: Vec<String> = shortened.collect();
    if named.is_empty() { "none".to_owned() } else { named.join(", ") }
}
