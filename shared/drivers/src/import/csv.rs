//! An incremental parser of CSV files as spreadsheets write them, in bounded memory.

use std::collections::{BTreeMap, BTreeSet};

use super::row::{BOM, BSUID_COLUMN, InvalidLine, MAX_COLUMNS, MAX_LINE, Row, column_name};
use super::{Parsed, Unreadable, row};

/// The maximum number of fields of one record, far above [`MAX_COLUMNS`].
const MAX_FIELDS: usize = 1024;

/// A parser of CSV: first the header line, then the rows.
pub(super) enum CsvRows {
    /// The start of the input, until its first line is complete: the delimiter is detected
    /// from it.
    Start(Vec<u8>),
    /// The delimiter is known.
    Reading(Box<Reader>),
}

impl CsvRows {
    pub(super) fn new() -> Self {
        Self::Start(Vec::new())
    }

    /// Parses the next bytes and appends the rows that end in them to `rows`.
    pub(super) fn feed(&mut self, input: &[u8], rows: &mut Vec<Parsed>) -> Result<(), Unreadable> {
        match self {
            Self::Reading(reader) => reader.feed(input, rows),
            Self::Start(held) => {
                held.extend_from_slice(input);
                if first_line(held).is_some() || held.len() > MAX_LINE {
                    self.begin(rows)
                } else {
                    Ok(())
                }
            }
        }
    }

    /// Ends the input.
    pub(super) fn finish(&mut self, rows: &mut Vec<Parsed>) -> Result<(), Unreadable> {
        if let Self::Start(_) = self {
            self.begin(rows)?;
        }
        match self {
            Self::Reading(reader) => reader.finish(rows),
            Self::Start(_) => Ok(()),
        }
    }

    fn begin(&mut self, rows: &mut Vec<Parsed>) -> Result<(), Unreadable> {
        let Self::Start(held) = self else { return Ok(()) };
        let held = std::mem::take(held);
        if held.starts_with(b"\xFF\xFE") || held.starts_with(b"\xFE\xFF") {
            return Err(Unreadable::Utf16);
        }
        let text = held.strip_prefix(BOM).unwrap_or(&held);
        let mut reader = Box::new(Reader::new(delimiter(first_line(text).unwrap_or(text))));
        let fed = reader.feed(text, rows);
        *self = Self::Reading(reader);
        fed
    }
}

/// The first line that is not empty, if `bytes` has its end.
fn first_line(bytes: &[u8]) -> Option<&[u8]> {
    let is_break = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let bytes = bytes.strip_prefix(BOM).unwrap_or(bytes);
    let start = bytes.iter().position(|byte| !is_break(byte))?;
    let length = bytes[start..].iter().position(is_break)?;
    Some(&bytes[start..start + length])
}

/// The delimiter that occurs most often in the header, outside quotes.
fn delimiter(header: &[u8]) -> u8 {
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    let mut quoted = false;
    for byte in header {
        quoted ^= *byte == b'"';
        for (delimiter, count) in &mut counts {
            *count += usize::from(!quoted && byte == delimiter);
        }
    }
    let mut most = counts[0];
    for candidate in counts {
        if candidate.1 > most.1 {
            most = candidate;
        }
    }
    most.0
}

/// The columns of the header, by index.
struct Header {
    contact: Option<usize>,
    bsuid: Option<usize>,
    /// The other columns; none for the contact, the BSUID and columns without a name.
    names: Vec<Option<String>>,
}

impl Header {
    fn read(fields: &[&[u8]]) -> Result<Self, Unreadable> {
        let names: Vec<String> = fields
            .iter()
            .map(|field| std::str::from_utf8(field).map(column_name))
            .collect::<Result<_, _>>()
            .map_err(|_| Unreadable::HeaderNotUtf8)?;
        let contact = row::contact_column(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let bsuid = names.iter().position(|name| name == BSUID_COLUMN);
        if contact.is_none() && bsuid.is_none() {
            return Err(Unreadable::NoContactColumn { found: names });
        }
        let is_other = |place: usize| contact != Some(place) && bsuid != Some(place);
        let names: Vec<_> = (0..)
            .zip(names)
            .map(|(place, name)| (is_other(place) && !name.is_empty()).then_some(name))
            .collect();
        if let Some(long) = names.iter().flatten().find(|name| row::is_long_name(name)) {
            return Err(Unreadable::LongColumnName(long.chars().take(row::MAX_NAME).collect()));
        }
        let others = names.iter().flatten().collect::<BTreeSet<_>>().len();
        if others > MAX_COLUMNS {
            return Err(Unreadable::TooManyColumns(others));
        }
        Ok(Self { contact, bsuid, names })
    }

    fn row(&self, line: u64, fields: &[&[u8]]) -> Parsed {
        let at = |place: Option<usize>| place.and_then(|place| fields.get(place)).copied();
        let lossy =
            |field: Option<&[u8]>| String::from_utf8_lossy(field.unwrap_or_default()).into_owned();
        let shown = lossy(at(self.contact));
        let mut columns = BTreeMap::new();
        for (place, field) in fields.iter().enumerate() {
            let Ok(value) = std::str::from_utf8(field) else {
                let reason = "is not valid UTF-8: save the file as \"CSV UTF-8\"";
                return Err(InvalidLine::new(line, &lossy(Some(field)), reason));
            };
            match self.names.get(place) {
                Some(Some(name)) => {
                    columns.entry(name.clone()).or_insert_with(|| value.trim().to_owned());
                }
                Some(None) => {}
                None if value.trim().is_empty() => {}
                None => return Err(self.too_many(line, fields.len(), &shown)),
            }
        }
        for name in self.names.iter().skip(fields.len()).flatten() {
            columns.entry(name.clone()).or_default();
        }
        let phone = shown.trim();
        let bsuid = lossy(at(self.bsuid));
        let keys = if phone.is_empty() {
            (bsuid, None)
        } else {
            (phone.to_owned(), Some(bsuid).filter(|bsuid| !bsuid.trim().is_empty()))
        };
        Row::of(line, keys, columns)
    }

    fn too_many(&self, line: u64, fields: usize, shown: &str) -> InvalidLine {
        let columns = self.names.len();
        let reason = format!(
            "has {fields} fields, and the header has {columns}: put quotes around values with a delimiter in them"
        );
        InvalidLine::new(line, shown, reason)
    }
}

/// Splits the input into records and counts lines. Its buffers have a fixed size.
pub(super) struct Reader {
    core: csv_core::Reader,
    header: Option<Header>,
    /// The bytes of the fields of the record; the first `used` are filled.
    fields: Vec<u8>,
    used: usize,
    /// The ends of the fields in `fields`; the first `ended` are filled.
    ends: Vec<usize>,
    ended: usize,
    /// The line of the next byte.
    line: u64,
    /// The line on which the record began.
    began: u64,
    /// Whether a record has begun and has not ended.
    within: bool,
    /// Whether the record is longer than a line may be.
    overlong: bool,
    /// Whether the previous byte is a carriage return.
    after_cr: bool,
}

impl Reader {
    fn new(delimiter: u8) -> Self {
        Self {
            core: csv_core::ReaderBuilder::new().delimiter(delimiter).build(),
            header: None,
            fields: vec![0; MAX_LINE],
            used: 0,
            ends: vec![0; MAX_FIELDS],
            ended: 0,
            line: 1,
            began: 1,
            within: false,
            overlong: false,
            after_cr: false,
        }
    }

    fn feed(&mut self, mut input: &[u8], rows: &mut Vec<Parsed>) -> Result<(), Unreadable> {
        loop {
            if !self.within {
                input = self.skip_breaks(input);
            }
            if input.is_empty() {
                return Ok(());
            }
            if !self.within {
                self.began = self.line;
                self.within = true;
            }
            let (fields, ends) = (&mut self.fields[self.used..], &mut self.ends[self.ended..]);
            let (result, read, wrote, ended) = self.core.read_record(input, fields, ends);
            self.count_lines(&input[..read]);
            input = &input[read..];
            self.used += wrote;
            self.ended += ended;
            match result {
                csv_core::ReadRecordResult::InputEmpty => {}
                csv_core::ReadRecordResult::OutputFull
                | csv_core::ReadRecordResult::OutputEndsFull => self.overflow(),
                csv_core::ReadRecordResult::Record => self.end_record(rows)?,
                csv_core::ReadRecordResult::End => return Ok(()),
            }
        }
    }

    /// Ends the last record, as a line break does outside quotes.
    fn finish(&mut self, rows: &mut Vec<Parsed>) -> Result<(), Unreadable> {
        if self.within {
            self.feed(b"\n", rows)?;
        }
        if self.within && self.header.is_some() {
            let reason = "a quote is opened here and never closed: nothing after it was read";
            rows.push(Err(InvalidLine::new(self.began, "\"", reason)));
        }
        if self.header.is_none() {
            let empty = if self.within { Unreadable::OpenQuote } else { Unreadable::Empty };
            return Err(empty);
        }
        Ok(())
    }

    fn skip_breaks<'a>(&mut self, input: &'a [u8]) -> &'a [u8] {
        let is_break = |byte: &u8| matches!(byte, b'\r' | b'\n');
        let breaks = input.iter().take_while(|byte| is_break(byte)).count();
        self.count_lines(&input[..breaks]);
        &input[breaks..]
    }

    /// Counts `\n`, `\r\n` and a single `\r` as one line break each.
    fn count_lines(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let second_half = *byte == b'\n' && self.after_cr;
            self.line += u64::from(matches!(byte, b'\r' | b'\n') && !second_half);
            self.after_cr = *byte == b'\r';
        }
    }

    /// The record is longer than a line may be: the rest of it is skipped.
    fn overflow(&mut self) {
        self.overlong = true;
        self.used = 0;
        self.ended = 0;
    }

    fn end_record(&mut self, rows: &mut Vec<Parsed>) -> Result<(), Unreadable> {
        let overlong = std::mem::take(&mut self.overlong);
        let fields = if overlong { Vec::new() } else { self.cut() };
        let blank = fields.iter().all(|field| field.trim_ascii().is_empty());
        match &self.header {
            None if overlong => return Err(Unreadable::HeaderTooLong),
            None if blank => {}
            None => self.header = Some(Header::read(&fields)?),
            Some(_) if overlong => rows.push(Err(too_long(self.began))),
            Some(_) if blank => {}
            Some(header) => rows.push(header.row(self.began, &fields)),
        }
        self.within = false;
        self.used = 0;
        self.ended = 0;
        Ok(())
    }

    fn cut(&self) -> Vec<&[u8]> {
        let mut start = 0;
        let ends = self.ends[..self.ended].iter();
        ends.map(|end| &self.fields[std::mem::replace(&mut start, *end)..*end]).collect()
    }
}

fn too_long(line: u64) -> InvalidLine {
    let reason = "is longer than 64 KiB, or has more than 1,024 fields: a quote may not be closed";
    InvalidLine::new(line, "", reason)
}
