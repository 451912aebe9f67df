//! Reads an exported file.

use std::fs::File;
use std::io::{BufRead, BufReader, Lines};
use std::path::Path;

use carillon::table::Item;
use carillon::transfer::{AddressNeeds, Line};

use crate::error::CommandError;

/// An item and the length of its line in bytes.
pub(super) type ReadItem = (Item, u64);

/// The items of an exported file.
pub(super) struct ExportFile<'a> {
    path: &'a Path,
    lines: Lines<BufReader<File>>,
    line: u64,
    /// Number of items by the end mark, once it was read.
    declared_items: Option<u64>,
}

/// Reads the whole file and checks that it is complete, so that nothing of a damaged
/// file is imported. Returns what its addresses need.
pub(super) fn verify(path: &Path) -> Result<AddressNeeds, CommandError> {
    let mut file = ExportFile::open(path)?;
    let mut items = 0;
    let mut needs = AddressNeeds::default();
    for item in file.by_ref() {
        needs.count(&item?.0);
        items += 1;
    }
    match file.declared_items {
        Some(declared) if declared == items => Ok(needs),
        Some(declared) => {
            Err(file
                .error(format!("the end mark declares {declared} items, but there are {items}")))
        }
        None => Err(file.error("the end mark is missing: the file is truncated".to_owned())),
    }
}

impl<'a> ExportFile<'a> {
    pub(super) fn open(path: &'a Path) -> Result<Self, CommandError> {
        let file = File::open(path).map_err(CommandError::file(path))?;
        Ok(Self { path, lines: BufReader::new(file).lines(), line: 0, declared_items: None })
    }

    fn error(&self, reason: String) -> CommandError {
        CommandError::ExportFile { path: self.path.to_owned(), line: self.line, reason }
    }

    /// Parses a line. The end mark gives no item.
    fn parse(&mut self, text: &str) -> Result<Option<ReadItem>, CommandError> {
        if self.declared_items.is_some() {
            return Err(self.error("the line follows the end mark".to_owned()));
        }
        match Line::read(text) {
            Ok(Line::Item(item)) => Ok(Some((item, text.len() as u64 + 1))),
            Ok(Line::End(items)) => {
                self.declared_items = Some(items);
                Ok(None)
            }
            Err(problem) => Err(self.error(problem.to_string())),
        }
    }
}

impl Iterator for ExportFile<'_> {
    type Item = Result<ReadItem, CommandError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let line = self.lines.next()?;
            self.line += 1;
            let item =
                line.map_err(CommandError::file(self.path)).and_then(|text| self.parse(&text));
            if let Some(item) = item.transpose() {
                return Some(item);
            }
        }
    }
}
