//! One line of an upload: its contact and its columns.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use utoipa::ToSchema;

use carillon_foundations::address::{Address, Bsuid};
use carillon_foundations::country::Country;
use carillon_foundations::phone::Phone;

/// The maximum number of columns besides the contact's.
pub const MAX_COLUMNS: usize = 64;
/// The maximum length of a column name, in characters: the same as of a placeholder.
pub const MAX_NAME: usize = 64;
/// The maximum length of a value, in characters.
pub const MAX_VALUE: usize = 1024;
/// The maximum length of a line, in bytes.
pub const MAX_LINE: usize = 64 * 1024;
/// The byte order mark of UTF-8.
pub(super) const BOM: &[u8] = b"\xEF\xBB\xBF";
/// The maximum length of an invalid value in the report, in characters.
const SHOWN: usize = 64;

/// The names of the contact column. The first of them that the upload has is used.
pub const CONTACT_COLUMNS: [&str; 12] = [
    "phone",
    "phone_number",
    "mobile",
    "whatsapp",
    "msisdn",
    "celular",
    "telefono",
    "teléfono",
    "telefone",
    "number",
    "to",
    "contact",
];
/// The column with a business-scoped user id, for rows without a phone number.
pub const BSUID_COLUMN: &str = "bsuid";

/// A line as it was written. The contact is not parsed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) line: u64,
    pub(super) contact: String,
    /// The business-scoped user id beside a phone number.
    pub(super) bsuid: Option<String>,
    pub(super) columns: BTreeMap<String, String>,
}

/// A line that was not imported.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct InvalidLine {
    /// The line number, from 1, with the header; in a JSON array, the number of the
    /// element, from 1.
    pub line: u64,
    /// The invalid value, at most its first 64 characters.
    pub value: String,
    /// What is wrong with it, and what is expected.
    pub reason: String,
}

impl std::fmt::Debug for InvalidLine {
    /// Omits the value: it may be a phone number.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

impl InvalidLine {
    pub(super) fn new(line: u64, value: &str, reason: impl Into<String>) -> Self {
        Self { line, value: value.chars().take(SHOWN).collect(), reason: reason.into() }
    }
}

impl Row {
    /// The row of a line, if no value is too long.
    pub(super) fn of(
        line: u64,
        (contact, bsuid): (String, Option<String>),
        columns: BTreeMap<String, String>,
    ) -> Result<Self, InvalidLine> {
        if let Some((name, value)) = columns.iter().find(|(_, value)| is_long(value)) {
            let length = value.chars().count();
            let reason = format!("{name} has {length} characters; at most {MAX_VALUE} are allowed");
            return Err(InvalidLine::new(line, value, reason));
        }
        Ok(Self { line, contact, bsuid, columns })
    }

    /// Adds the row's columns to the columns of the whole upload, whose number is limited:
    /// the summary of an upload has an entry for each column.
    pub(super) fn counted_in(self, known: &mut BTreeSet<String>) -> Result<Self, InvalidLine> {
        let new: Vec<_> = self.columns.keys().filter(|name| !known.contains(*name)).collect();
        if let Some(long) = new.iter().find(|name| is_long_name(name)) {
            let reason = format!("a column's name may have {MAX_NAME} characters");
            return Err(InvalidLine::new(self.line, long, reason));
        }
        if known.len() + new.len() > MAX_COLUMNS {
            let reason = format!("the upload has more than {MAX_COLUMNS} different columns");
            return Err(InvalidLine::new(self.line, &self.contact, reason));
        }
        known.extend(new.into_iter().cloned());
        Ok(self)
    }

    /// Parses the addresses of the line: one person's.
    pub(super) fn addresses(&self, country: Option<Country>) -> Result<Vec<Address>, InvalidLine> {
        let texts = [Some(&self.contact), self.bsuid.as_ref()].into_iter().flatten();
        texts.map(|text| self.address(text.trim(), country)).collect()
    }

    fn address(&self, text: &str, country: Option<Country>) -> Result<Address, InvalidLine> {
        if let Ok(bsuid) = Bsuid::parse(text) {
            return Ok(Address::Bsuid(bsuid));
        }
        Phone::parse(text, country).map(Address::Phone).map_err(|error| {
            let reason =
                if is_scientific(text) { SCIENTIFIC.to_owned() } else { error.to_string() };
            InvalidLine::new(self.line, text, reason)
        })
    }
}

/// Normalises a column name: trimmed, lower case, `_` for white space.
pub fn column_name(header: &str) -> String {
    header.split_whitespace().collect::<Vec<_>>().join("_").to_lowercase()
}

/// The index of the contact column.
pub(super) fn contact_column(names: &[&str]) -> Option<usize> {
    CONTACT_COLUMNS.iter().find_map(|known| names.iter().position(|name| name == known))
}

const SCIENTIFIC: &str = "a spreadsheet has shortened the number (5.73E+11): format the column as text and export it again";

fn is_scientific(text: &str) -> bool {
    let shortened = text.to_ascii_uppercase().contains("E+");
    shortened && text.replace(',', ".").parse::<f64>().is_ok()
}

pub(super) fn is_long_name(name: &str) -> bool {
    name.chars().count() > MAX_NAME
}

fn is_long(value: &str) -> bool {
    value.len() > MAX_VALUE && value.chars().count() > MAX_VALUE
}
