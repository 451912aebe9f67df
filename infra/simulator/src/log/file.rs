//! The log as a file of JSON lines, which outlives the process.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Result, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Message;
use crate::fate::{Fate, Step};
use crate::templates::Category;

/// One line.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Line {
    /// A message was accepted; written before the answer.
    Accepted(Accepted),
    /// The webhook receiver took a step of the n-th accepted message.
    Acknowledged { message: u32, step: Step },
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Accepted {
    pub(crate) at_ms: u64,
    pub(crate) wamid: String,
    pub(crate) to: String,
    pub(crate) phone_number_id: String,
    pub(crate) biz_opaque_callback_data: Option<String>,
    pub(crate) template: Option<String>,
    pub(crate) category: Category,
    pub(crate) ordinal: u32,
    pub(crate) answer_lost: bool,
    pub(crate) fate: Fate,
}

/// The line for an accepted message.
pub(crate) fn accepted(message: &Message, seed: u64) -> Line {
    Line::Accepted(Accepted {
        at_ms: message.at,
        wamid: message.wamid(seed),
        to: message.to.to_string(),
        phone_number_id: message.number.to_string(),
        biz_opaque_callback_data: message.opaque.as_deref().map(str::to_owned),
        template: message.template.as_deref().map(str::to_owned),
        category: message.category,
        ordinal: message.ordinal,
        answer_lost: message.answer_lost,
        fate: message.fate,
    })
}

/// The file, open for appending.
pub(crate) struct Journal(File);

impl Journal {
    /// Reads what the file holds and opens it to go on. A last line cut short
    /// by a kill is dropped.
    pub(crate) fn open(path: &Path) -> Result<(Self, Vec<Line>)> {
        let mut file = OpenOptions::new().create(true).append(true).read(true).open(path)?;
        let mut lines = Vec::new();
        let mut whole = 0;
        let mut reader = BufReader::new(&file);
        let mut text = String::new();
        while reader.read_line(&mut text)? > 0 && text.ends_with('\n') {
            whole += text.len() as u64;
            lines.push(serde_json::from_str(&text)?);
            text.clear();
        }
        file.set_len(whole)?;
        file.flush()?;
        Ok((Self(file), lines))
    }

    pub(crate) fn append(&mut self, lines: &[Line]) -> Result<()> {
        let mut bytes = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut bytes, line)?;
            bytes.push(b'\n');
        }
        self.0.write_all(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_cut_short_is_dropped_and_writing_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let line = |message| Line::Acknowledged { message, step: Step::Read };
        let (mut journal, _) = Journal::open(&path).unwrap();
        journal.append(&[line(0), line(1)]).unwrap();
        journal.0.write_all(b"{\"event\":\"ack").unwrap();

        let (mut journal, lines) = Journal::open(&path).unwrap();
        assert_eq!(lines.len(), 2);
        journal.append(&[line(2)]).unwrap();
        let (_, lines) = Journal::open(&path).unwrap();
        assert!(matches!(lines[2], Line::Acknowledged { message: 2, step: Step::Read }));
    }
}
