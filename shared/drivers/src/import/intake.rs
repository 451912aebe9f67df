//! Parses a body into rows, in pieces of bounded size: at most one piece is in memory.

use std::collections::BTreeSet;
use std::error::Error as StdError;

use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt};

use super::csv::CsvRows;
use super::json::{ArrayRows, LineRows};
use super::{Format, MAX_UPLOAD, Parsed, Unreadable, UploadError};

/// The maximum size of a piece, in bytes.
const PIECE: usize = 64 * 1024;

/// Parses a body. The stream ends after the first error.
pub(super) fn rows<S, E>(format: Format, body: S) -> impl Stream<Item = Result<Parsed, UploadError>>
where
    S: Stream<Item = Result<Bytes, E>>,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    let mut intake = Intake::new(format);
    body.flat_map(|chunk| stream::iter(pieces(chunk)))
        .chain(stream::iter([Input::End]))
        .flat_map(move |input| stream::iter(intake.take(input)))
}

/// An input of the parser.
enum Input {
    Bytes(Bytes),
    Broken(Box<dyn StdError + Send + Sync>),
    End,
}

fn pieces<E>(chunk: Result<Bytes, E>) -> Vec<Input>
where
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    match chunk {
        Ok(bytes) => {
            let cut = |start| bytes.slice(start..bytes.len().min(start + PIECE));
            (0..bytes.len()).step_by(PIECE).map(cut).map(Input::Bytes).collect()
        }
        Err(error) => vec![Input::Broken(error.into())],
    }
}

/// The state of the parser of a body.
struct Intake {
    parser: Parser,
    /// The bytes so far.
    taken: u64,
    /// The columns so far.
    columns: BTreeSet<String>,
    failed: bool,
}

impl Intake {
    fn new(format: Format) -> Self {
        let parser = match format {
            Format::Csv => Parser::Csv(CsvRows::new()),
            Format::JsonArray => Parser::Array(ArrayRows::default()),
            Format::JsonLines => Parser::Lines(LineRows::default()),
        };
        Self { parser, taken: 0, columns: BTreeSet::new(), failed: false }
    }

    /// The rows that end in the input.
    fn take(&mut self, input: Input) -> Vec<Result<Parsed, UploadError>> {
        if self.failed {
            return Vec::new();
        }
        let mut found = Vec::new();
        let outcome = self.parse(input, &mut found);
        let columns = &mut self.columns;
        let counted = found.into_iter().map(|row| row.and_then(|row| row.counted_in(columns)));
        let mut rows: Vec<_> = counted.map(Ok).collect();
        if let Err(error) = outcome {
            self.failed = true;
            rows.push(Err(error));
        }
        rows
    }

    fn parse(&mut self, input: Input, rows: &mut Vec<Parsed>) -> Result<(), UploadError> {
        match input {
            Input::Broken(error) => return Err(UploadError::BrokenOff(error)),
            Input::End => self.parser.finish(rows)?,
            Input::Bytes(bytes) => {
                self.taken += bytes.len() as u64;
                if self.taken > MAX_UPLOAD {
                    return Err(UploadError::TooLarge);
                }
                self.parser.feed(&bytes, rows)?;
            }
        }
        Ok(())
    }
}

enum Parser {
    Csv(CsvRows),
    Array(ArrayRows),
    Lines(LineRows),
}

impl Parser {
    fn feed(&mut self, bytes: &[u8], rows: &mut Vec<Parsed>) -> Result<(), Unreadable> {
        match self {
            Self::Csv(csv) => csv.feed(bytes, rows),
            Self::Array(array) => array.feed(bytes, rows),
            Self::Lines(lines) => {
                lines.feed(bytes, rows);
                Ok(())
            }
        }
    }

    fn finish(&mut self, rows: &mut Vec<Parsed>) -> Result<(), Unreadable> {
        match self {
            Self::Csv(csv) => csv.finish(rows),
            Self::Array(array) => array.finish(rows),
            Self::Lines(lines) => {
                lines.finish(rows);
                Ok(())
            }
        }
    }
}
