//! Reads the header and the records of a CSV file without parsing their fields.

use std::io::{self, BufRead};

use super::quotes::{QuoteTracker, delimiter_of};

/// Longest record, in bytes.
pub(super) const MAX_RECORD_BYTES: usize = 1024 * 1024;
/// The byte order mark that some programs write at the start of a UTF-8 file.
const BOM: &[u8] = "\u{feff}".as_bytes();

/// One record, which may span several lines, with its line breaks.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) text: Vec<u8>,
    pub(super) lines: u64,
}

/// Why a CSV file cannot be split into records.
#[derive(Debug, thiserror::Error)]
pub(super) enum RecordError {
    #[error(transparent)]
    Read(#[from] io::Error),
    #[error("line {line}: the record is too long")]
    TooLong { line: u64 },
}

/// Reads a CSV file record by record.
pub(super) struct RecordReader<R> {
    source: R,
    header: Record,
    delimiter: u8,
    /// Lines read so far. `\n`, `\r\n` and a lone `\r` each end a line.
    lines: u64,
}

impl<R: BufRead> RecordReader<R> {
    /// Reads the header, including empty lines before it.
    pub(super) fn new(source: R) -> Result<Self, RecordError> {
        let mut reader = Self { source, header: Record::default(), delimiter: b',', lines: 0 };
        let mut header = Record::default();
        let mut start = 0;
        while reader.read_line(&mut header)? && is_blank(&header.text[start..]) {
            start = header.text.len();
        }
        reader.delimiter = delimiter_of(&header.text[start..]);
        reader.complete(&mut header, start)?;
        if !header.text.ends_with(b"\n") && !header.text.ends_with(b"\r") {
            header.text.push(b'\n');
        }
        reader.header = header;
        Ok(reader)
    }

    /// The header, including empty lines before it. It ends with a line break.
    pub(super) fn header(&self) -> &Record {
        &self.header
    }

    /// Lines read so far, the header's included.
    pub(super) fn lines(&self) -> u64 {
        self.lines
    }

    /// Reads the next record; `None` at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<Record>, RecordError> {
        let mut record = Record::default();
        if !self.read_line(&mut record)? {
            return Ok(None);
        }
        self.complete(&mut record, 0)?;
        Ok(Some(record))
    }

    /// Appends lines to `record` while a quotation mark after `start` is open.
    fn complete(&mut self, record: &mut Record, start: usize) -> Result<(), RecordError> {
        let mut quotes = QuoteTracker::new(self.delimiter);
        let bom = if record.text[start..].starts_with(BOM) { BOM.len() } else { 0 };
        let mut read = start + bom;
        loop {
            quotes.read(&record.text[read..]);
            read = record.text.len();
            if !quotes.is_open() || !self.read_line(record)? {
                return Ok(());
            }
        }
    }

    /// Appends one line with its line break to `record`. Returns `false` at the end of
    /// the file.
    fn read_line(&mut self, record: &mut Record) -> Result<bool, RecordError> {
        let start = record.text.len();
        let mut ended = false;
        while !ended {
            let buffer = self.source.fill_buf()?;
            let end = buffer.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
            let taken = end.map_or(buffer.len(), |end| end + 1);
            ended = end.is_some() || taken == 0;
            record.text.extend_from_slice(&buffer[..taken]);
            self.source.consume(taken);
            if record.text.len() > MAX_RECORD_BYTES {
                return Err(RecordError::TooLong { line: self.lines + 1 - record.lines });
            }
        }
        if record.text.len() == start {
            return Ok(false);
        }
        if record.text.ends_with(b"\r") && self.source.fill_buf()?.first() == Some(&b'\n') {
            record.text.push(b'\n');
            self.source.consume(1);
        }
        record.lines += 1;
        self.lines += 1;
        Ok(true)
    }
}

fn is_blank(line: &[u8]) -> bool {
    line.strip_prefix(BOM).unwrap_or(line).trim_ascii().is_empty()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_unclosed_quotation_mark_is_reported_with_its_line() {
        let csv = format!("phone\n1\n\"{}", "2\n".repeat(MAX_RECORD_BYTES));
        let mut reader = RecordReader::new(csv.as_bytes()).unwrap();
        assert!(reader.next().unwrap().is_some());
        assert!(matches!(reader.next(), Err(RecordError::TooLong { line: 3 })));
    }

    proptest! {
        #[test]
        fn no_record_is_lost_or_split(
            fields in prop::collection::vec("[a-z,;\"\n\r ]{0,6}", 0..40)
        ) {
            let mut csv = "phone,note\n".to_owned();
            for field in &fields {
                writeln!(csv, "1,\"{}\"", field.replace('"', "\"\"")).unwrap();
            }
            let mut reader = RecordReader::new(csv.as_bytes()).unwrap();
            let mut found = 0;
            while let Some(record) = reader.next().unwrap() {
                prop_assert!(record.text.starts_with(b"1,\"") && record.text.ends_with(b"\"\n"));
                found += 1;
            }
            prop_assert_eq!(found, fields.len());
        }
    }
}
