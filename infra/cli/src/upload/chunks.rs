//! Splits a CSV file into chunks at record boundaries while it is read.

use std::io::BufRead;
use std::mem;

use super::records::{MAX_RECORD_BYTES, Record, RecordError, RecordReader};

const MAX_CHUNK_RECORDS: u64 = 2000;
/// Largest chunk in bytes, header included, unless its only record is larger.
const MAX_CHUNK_BYTES: usize = MAX_RECORD_BYTES;

/// The chunks of a CSV file. Each starts with the file's header and so is a CSV file.
pub(super) struct Chunks<R> {
    records: RecordReader<R>,
    /// A record that did not fit into the last chunk.
    pending: Option<Record>,
    started: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) csv: Vec<u8>,
    /// Bytes of the file that the chunk covers.
    pub(super) bytes: u64,
    header_lines: u64,
    /// Lines of the file before the chunk's first record.
    lines_before: u64,
}

impl Chunk {
    /// The line number in the file of a line of the chunk.
    pub(super) fn line_in_file(&self, line: u64) -> u64 {
        if line <= self.header_lines {
            return line;
        }
        line - self.header_lines + self.lines_before
    }
}

impl<R: BufRead> Chunks<R> {
    pub(super) fn new(source: R) -> Result<Self, RecordError> {
        Ok(Self { records: RecordReader::new(source)?, pending: None, started: false })
    }

    /// Reads the next chunk; `None` at the end. A file without records gives one chunk,
    /// so that the API checks its header.
    pub(super) fn next(&mut self) -> Result<Option<Chunk>, RecordError> {
        let pending_lines = self.pending.as_ref().map_or(0, |record| record.lines);
        let lines_before = self.records.lines() - pending_lines;
        let mut csv = self.records.header().text.clone();
        let (header_bytes, header_lines) = (csv.len(), self.records.header().lines);
        let mut records = 0;
        while records < MAX_CHUNK_RECORDS
            && let Some(record) = self.next_record()?
        {
            if records > 0 && csv.len() + record.text.len() > MAX_CHUNK_BYTES {
                self.pending = Some(record);
                break;
            }
            csv.extend_from_slice(&record.text);
            records += 1;
        }
        let is_first = !mem::replace(&mut self.started, true);
        if records == 0 && !is_first {
            return Ok(None);
        }
        let repeated_bytes = if is_first { 0 } else { header_bytes };
        let bytes = (csv.len() - repeated_bytes) as u64;
        Ok(Some(Chunk { csv, bytes, header_lines, lines_before }))
    }

    fn next_record(&mut self) -> Result<Option<Record>, RecordError> {
        match self.pending.take() {
            Some(record) => Ok(Some(record)),
            None => self.records.next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    fn chunks(csv: &str) -> Vec<Chunk> {
        let mut chunks = Chunks::new(csv.as_bytes()).unwrap();
        std::iter::from_fn(|| chunks.next().unwrap()).collect()
    }

    fn texts(csv: &str) -> Vec<String> {
        chunks(csv).into_iter().map(|chunk| String::from_utf8(chunk.csv).unwrap()).collect()
    }

    #[test]
    fn a_small_file_is_one_unchanged_chunk() {
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
    fn chunks_of_a_large_file_map_lines_to_the_file() {
        let mut csv = "phone,note\n".to_owned();
        for number in 0..4500 {
            // Each record has two lines.
            writeln!(csv, "{number},\"first, \"\"\nsecond\"").unwrap();
        }
        let chunks = chunks(&csv);
        assert_eq!(chunks.len(), 3);
        let bytes: u64 = chunks.iter().map(|chunk| chunk.bytes).sum();
        assert_eq!(bytes, csv.len() as u64);
        assert_eq!(chunks[0].line_in_file(2), 2);
        // The second chunk starts after the header and 2,000 records of two lines.
        assert!(chunks[1].csv.starts_with(b"phone,note\n2000,"));
        assert_eq!(chunks[1].line_in_file(2), 4002);
        assert_eq!(chunks[1].line_in_file(1), 1);
    }

    #[test]
    fn every_kind_of_line_break_ends_one_line() {
        for end in ["\n", "\r\n", "\r"] {
            let rows = format!("1,\"a{end}b\"{end}").repeat(2001);
            let chunks = chunks(&format!("{end}phone,note{end}{rows}"));
            assert_eq!(chunks.len(), 2, "{end:?}");
            assert_eq!(chunks[1].line_in_file(3), 4003, "{end:?}");
        }
    }

    #[test]
    fn a_chunk_does_not_exceed_its_size_limit() {
        let long = "x".repeat(600_000);
        let csv = format!("phone,note\n1,{long}\n2,{long}\n");
        let chunks = chunks(&csv);
        assert_eq!(chunks.len(), 2);
        assert_eq!(chunks[1].line_in_file(2), 3);
    }

    #[test]
    fn a_quotation_mark_inside_a_field_is_text() {
        assert_eq!(texts("phone,tv\n1,5\" wide\n2,x\n").len(), 1);
    }
}
