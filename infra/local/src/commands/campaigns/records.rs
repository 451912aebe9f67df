//! A CSV file cut into pieces at the ends of records, read as it goes.

use std::io::{self, BufRead, Read};

/// The most records of a piece.
const MOST_RECORDS: u64 = 2000;
/// The most bytes of a piece, its header included.
const MOST_BYTES: usize = 1024 * 1024;

/// Cuts a file into pieces, each with the file's header, so that each is a CSV
/// file of its own.
pub(super) struct Pieces<R> {
    source: R,
    header: Vec<u8>,
    header_lines: u64,
    /// Lines read so far.
    lines: u64,
    /// The delimiter that the header uses.
    delimiter: u8,
    /// A record that didn't fit into the last piece.
    left_over: Option<Record>,
}

/// Some records with the header before them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) csv: Vec<u8>,
    /// How many bytes of the file it is.
    pub(super) bytes: u64,
    header_lines: u64,
    /// The lines of the file before its first record.
    lines_before: u64,
}

#[derive(Debug)]
struct Record {
    text: Vec<u8>,
    lines: u64,
}

/// Why a file can't be cut.
#[derive(Debug, thiserror::Error)]
pub(super) enum CutError {
    /// It can't be read.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// A record has no end.
    #[error("line {line}: the record is too long")]
    Endless { line: u64 },
}

impl Piece {
    /// The line of the file that a line of the piece is.
    pub(super) fn line_in_file(&self, line: u64) -> u64 {
        if line <= self.header_lines {
            return line;
        }
        line - self.header_lines + self.lines_before
    }
}

impl<R: BufRead> Pieces<R> {
    /// Reads the header, empty lines before it included.
    pub(super) fn new(source: R) -> Result<Self, CutError> {
        let mut pieces = Self {
            source,
            header: Vec::new(),
            header_lines: 0,
            lines: 0,
            delimiter: b',',
            left_over: None,
        };
        while let Some(record) = pieces.record()? {
            pieces.header.extend_from_slice(&record.text);
            if !record.is_blank() {
                break;
            }
        }
        pieces.header_lines = pieces.lines;
        pieces.delimiter = delimiter_of(&pieces.header);
        if !pieces.header.ends_with(b"\n") {
            pieces.header.push(b'\n');
        }
        Ok(pieces)
    }

    /// The next piece; none at the end. A file without records is one piece, so
    /// that its header is judged.
    pub(super) fn next(&mut self) -> Result<Option<Piece>, CutError> {
        let lines_before = self.lines - self.left_over.as_ref().map_or(0, |record| record.lines);
        let at_start = lines_before == self.header_lines;
        let mut csv = self.header.clone();
        let mut records = 0;
        while records < MOST_RECORDS
            && let Some(record) = self.take_record()?
        {
            if records > 0 && csv.len() + record.text.len() > MOST_BYTES {
                self.left_over = Some(record);
                break;
            }
            csv.extend_from_slice(&record.text);
            records += 1;
        }
        if records == 0 && !at_start {
            return Ok(None);
        }
        if records == 0 {
            // Said once: the next call finds lines after the header.
            self.lines += 1;
        }
        let header = if at_start { 0 } else { self.header.len() };
        let bytes = (csv.len() - header) as u64;
        Ok(Some(Piece { csv, bytes, header_lines: self.header_lines, lines_before }))
    }

    fn take_record(&mut self) -> Result<Option<Record>, CutError> {
        match self.left_over.take() {
            Some(record) => Ok(Some(record)),
            None => self.record(),
        }
    }

    /// Reads lines up to one that ends a record.
    fn record(&mut self) -> Result<Option<Record>, CutError> {
        let mut record = Record { text: Vec::new(), lines: 0 };
        let mut quotes = Quotes::default();
        loop {
            let room = (MOST_BYTES + 1 - record.text.len()) as u64;
            let start = record.text.len();
            let read = self.source.by_ref().take(room).read_until(b'\n', &mut record.text)?;
            if record.text.len() > MOST_BYTES {
                return Err(CutError::Endless { line: self.lines + 1 - record.lines });
            }
            if read == 0 {
                return Ok((!record.text.is_empty()).then_some(record));
            }
            record.lines += 1;
            self.lines += 1;
            quotes.read(&record.text[start..], self.delimiter);
            if !quotes.open {
                return Ok(Some(record));
            }
        }
    }
}

impl Record {
    fn is_blank(&self) -> bool {
        let text = self.text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&self.text);
        text.trim_ascii().is_empty()
    }
}

/// Follows quotation marks: they open only at the start of a field, as RFC 4180
/// has it; elsewhere they are text.
struct Quotes {
    open: bool,
    at_start: bool,
    first: bool,
}

impl Default for Quotes {
    fn default() -> Self {
        Self { open: false, at_start: true, first: true }
    }
}

impl Quotes {
    fn read(&mut self, text: &[u8], delimiter: u8) {
        let bom = "\u{feff}".as_bytes();
        let text = if self.first { text.strip_prefix(bom).unwrap_or(text) } else { text };
        self.first = false;
        for byte in text {
            match *byte {
                // A doubled mark closes and opens again at once.
                b'"' if self.open => {
                    self.open = false;
                    self.at_start = true;
                }
                b'"' if self.at_start => self.open = true,
                byte => self.at_start = !self.open && (byte == delimiter || byte == b'\n'),
            }
        }
    }
}

/// The delimiter of a header: the one it has most of.
fn delimiter_of(header: &[u8]) -> u8 {
    let count = |wanted: u8| header.iter().filter(|byte| **byte == wanted).count();
    [b'\t', b';', b','].into_iter().max_by_key(|delimiter| count(*delimiter)).unwrap_or(b',')
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use proptest::prelude::*;

    use super::*;

    fn pieces(csv: &str) -> Vec<Piece> {
        let mut pieces = Pieces::new(csv.as_bytes()).unwrap();
        std::iter::from_fn(|| pieces.next().unwrap()).collect()
    }

    fn texts(csv: &str) -> Vec<String> {
        pieces(csv).into_iter().map(|piece| String::from_utf8(piece.csv).unwrap()).collect()
    }

    #[test]
    fn a_small_file_is_one_piece_as_it_is() {
        for csv in
            ["phone,name\n1,a\n2,b\n", "phone\n", "\u{feff}phone;x\r\n1;\"a\r\nb\"\r\n", "\n\nphone\n1\n"]
        {
            assert_eq!(texts(csv), [csv]);
        }
        assert_eq!(texts("phone"), ["phone\n"]);
    }

    #[test]
    fn a_large_file_is_cut_and_lines_are_the_files_own() {
        let mut csv = "phone,note\n".to_owned();
        for number in 0..4500 {
            // Every record is two lines.
            writeln!(csv, "{number},\"first, \"\"\nsecond\"").unwrap();
        }
        let pieces = pieces(&csv);
        assert_eq!(pieces.len(), 3);
        let bytes: u64 = pieces.iter().map(|piece| piece.bytes).sum();
        assert_eq!(bytes, csv.len() as u64);
        assert_eq!(pieces[0].line_in_file(2), 2);
        // The second piece begins after the header and 2,000 records of two lines.
        assert!(pieces[1].csv.starts_with(b"phone,note\n2000,"));
        assert_eq!(pieces[1].line_in_file(2), 4002);
        assert_eq!(pieces[1].line_in_file(1), 1);
    }

    #[test]
    fn a_piece_keeps_to_its_size() {
        let long = "x".repeat(600_000);
        let csv = format!("phone,note\n1,{long}\n2,{long}\n");
        let pieces = pieces(&csv);
        assert_eq!(pieces.len(), 2);
        assert_eq!(pieces[1].line_in_file(2), 3);
    }

    #[test]
    fn a_mark_inside_a_field_is_text_and_an_open_one_is_told() {
        assert_eq!(texts("phone,tv\n1,5\" wide\n2,x\n").len(), 1);
        let csv = format!("phone\n1\n\"{}", "2\n".repeat(MOST_BYTES));
        let mut pieces = Pieces::new(csv.as_bytes()).unwrap();
        assert!(matches!(pieces.next(), Err(CutError::Endless { line: 3 })));
    }

    proptest! {
        /// However a file is cut, a CSV reader finds the same records in it.
        #[test]
        fn no_record_is_lost_or_torn(
            fields in prop::collection::vec("[a-z,;\"\n\r ]{0,6}", 0..40)
        ) {
            let mut csv = "phone,note\n".to_owned();
            for field in &fields {
                writeln!(csv, "1,\"{}\"", field.replace('"', "\"\"")).unwrap();
            }
            let mut pieces = Pieces::new(csv.as_bytes()).unwrap();
            let mut found = 0;
            while let Some(record) = pieces.record().unwrap() {
                prop_assert!(record.text.starts_with(b"1,\"") && record.text.ends_with(b"\"\n"));
                found += 1;
            }
            prop_assert_eq!(found, fields.len());
        }
    }
}
