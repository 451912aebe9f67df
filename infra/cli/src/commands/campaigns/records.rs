//! A CSV file cut into pieces at the ends of records, read as it goes.

use std::io::{self, BufRead};

/// The most records of a piece.
const MOST_RECORDS: u64 = 2000;
/// The most bytes of a piece, and of a record.
const MOST_BYTES: usize = 1024 * 1024;
/// The mark that some programs put before UTF-8.
const BOM: &[u8] = "\u{feff}".as_bytes();

/// Cuts a file into pieces, each with the file's header, so that each is a CSV
/// file of its own.
pub(super) struct Pieces<R> {
    source: R,
    header: Vec<u8>,
    header_lines: u64,
    /// Lines read so far. `\n`, `\r\n` and a lone `\r` end one.
    lines: u64,
    delimiter: u8,
    /// A record that didn't fit into the last piece.
    left_over: Option<Record>,
    /// Whether a piece was given already.
    begun: bool,
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

#[derive(Debug, Default)]
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
            begun: false,
        };
        pieces.read_header()?;
        Ok(pieces)
    }

    fn read_header(&mut self) -> Result<(), CutError> {
        let mut record = Record::default();
        let mut start = 0;
        while self.line(&mut record)? && is_blank(&record.text[start..]) {
            start = record.text.len();
        }
        self.delimiter = delimiter_of(&record.text[start..]);
        self.finish_record(&mut record, start)?;
        self.header_lines = record.lines;
        self.header = record.text;
        if !self.header.ends_with(b"\n") && !self.header.ends_with(b"\r") {
            self.header.push(b'\n');
        }
        Ok(())
    }

    /// The next piece; none at the end. A file without records is one piece, so
    /// that its header is judged.
    pub(super) fn next(&mut self) -> Result<Option<Piece>, CutError> {
        let lines_before = self.lines - self.left_over.as_ref().map_or(0, |record| record.lines);
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
        let is_first = !std::mem::replace(&mut self.begun, true);
        if records == 0 && !is_first {
            return Ok(None);
        }
        let repeated = if is_first { 0 } else { self.header.len() };
        let bytes = (csv.len() - repeated) as u64;
        Ok(Some(Piece { csv, bytes, header_lines: self.header_lines, lines_before }))
    }

    fn take_record(&mut self) -> Result<Option<Record>, CutError> {
        match self.left_over.take() {
            Some(record) => Ok(Some(record)),
            None => self.record(),
        }
    }

    fn record(&mut self) -> Result<Option<Record>, CutError> {
        let mut record = Record::default();
        if !self.line(&mut record)? {
            return Ok(None);
        }
        self.finish_record(&mut record, 0)?;
        Ok(Some(record))
    }

    /// Reads on while a quotation mark is open in what was read from `start` on.
    fn finish_record(&mut self, record: &mut Record, start: usize) -> Result<(), CutError> {
        let mut quotes = Quotes { open: false, at_start: true, delimiter: self.delimiter };
        let skip = if record.text[start..].starts_with(BOM) { BOM.len() } else { 0 };
        let mut seen = start + skip;
        loop {
            quotes.read(&record.text[seen..]);
            seen = record.text.len();
            if !quotes.open || !self.line(record)? {
                return Ok(());
            }
        }
    }

    /// Reads one line with its end; `false` at the end of the file.
    fn line(&mut self, record: &mut Record) -> Result<bool, CutError> {
        let start = record.text.len();
        let mut ended = false;
        while !ended {
            let buffer = self.source.fill_buf()?;
            let end = buffer.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
            let taken = end.map_or(buffer.len(), |end| end + 1);
            ended = end.is_some() || taken == 0;
            record.text.extend_from_slice(&buffer[..taken]);
            self.source.consume(taken);
            if record.text.len() > MOST_BYTES {
                return Err(CutError::Endless { line: self.lines + 1 - record.lines });
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

/// Follows quotation marks: they open only at the start of a field, as RFC 4180
/// has it; elsewhere they are text.
struct Quotes {
    open: bool,
    at_start: bool,
    delimiter: u8,
}

impl Quotes {
    fn read(&mut self, text: &[u8]) {
        for byte in text {
            match *byte {
                // A doubled mark closes and opens again at once.
                b'"' if self.open => {
                    self.open = false;
                    self.at_start = true;
                }
                b'"' if self.at_start => self.open = true,
                byte => self.at_start = !self.open && byte == self.delimiter,
            }
        }
    }
}

/// The delimiter of a header: the one it has most of outside quotation marks;
/// as the API decides it.
fn delimiter_of(header: &[u8]) -> u8 {
    let mut counts = [(b'\t', 0), (b';', 0), (b',', 0)];
    let mut quoted = false;
    for byte in header {
        quoted ^= *byte == b'"';
        for (delimiter, count) in &mut counts {
            *count += u32::from(!quoted && byte == delimiter);
        }
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map_or(b',', |(delimiter, _)| delimiter)
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
        for csv in [
            "phone,name\n1,a\n2,b\n",
            "phone\n",
            "\u{feff}phone;x\r\n1;\"a\r\nb\"\r\n",
            "\n\nphone\n1\n",
        ] {
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
    fn every_kind_of_line_end_counts_once() {
        for end in ["\n", "\r\n", "\r"] {
            let rows = format!("1,\"a{end}b\"{end}").repeat(2001);
            let pieces = pieces(&format!("{end}phone,note{end}{rows}"));
            assert_eq!(pieces.len(), 2, "{end:?}");
            assert_eq!(pieces[1].line_in_file(3), 4003, "{end:?}");
        }
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
