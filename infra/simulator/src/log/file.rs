//! The log file (JSON Lines), from which a restarted simulator restores its log.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Result, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::message::Message;
use crate::delivery_plan::{DeliveryPlan, Step};
use crate::templates::Category;

#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum LogLine {
    /// A message was accepted. The simulator writes the line before it responds.
    Accepted(AcceptedLine),
    /// The webhook acknowledged a step. `message` is the index in the log.
    Acknowledged { message: u32, step: Step },
    /// The webhook did not acknowledge a step in time.
    Lost { message: u32, step: Step },
    /// The plan of a message changed after its acceptance.
    Replanned { message: u32, plan: DeliveryPlan },
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct AcceptedLine {
    pub(crate) at_ms: u64,
    pub(crate) wamid: String,
    pub(crate) to: String,
    pub(crate) phone_number_id: String,
    pub(crate) biz_opaque_callback_data: Option<String>,
    pub(crate) template: Option<String>,
    #[serde(default)]
    pub(crate) template_language: Option<String>,
    pub(crate) category: Category,
    #[serde(default)]
    pub(crate) by_user_id: bool,
    #[serde(default)]
    pub(crate) in_service_window: bool,
    pub(crate) ordinal: u32,
    pub(crate) response_lost: bool,
    pub(crate) plan: DeliveryPlan,
}

impl AcceptedLine {
    pub(crate) fn new(message: &Message, seed: u64) -> Self {
        Self {
            at_ms: message.accepted_at,
            wamid: message.wamid(seed),
            to: message.to.key.to_string(),
            phone_number_id: message.phone_number_id.to_string(),
            biz_opaque_callback_data: message.callback_data.as_deref().map(str::to_owned),
            template: message.template_name(),
            template_language: message.template.as_ref().map(|name| name.language.to_string()),
            category: message.category,
            by_user_id: message.by_user_id,
            in_service_window: message.in_service_window,
            ordinal: message.ordinal,
            response_lost: message.response_lost,
            plan: message.plan,
        }
    }
}

pub(crate) struct LogFile(File);

impl LogFile {
    /// Opens the file for appending and reads its lines. Drops an incomplete last
    /// line, which a killed process leaves.
    pub(crate) fn open(path: &Path) -> Result<(Self, Vec<LogLine>)> {
        let mut file = OpenOptions::new().create(true).append(true).read(true).open(path)?;
        let mut lines = Vec::new();
        let mut complete_bytes = 0;
        let mut reader = BufReader::new(&file);
        let mut text = String::new();
        while reader.read_line(&mut text)? > 0 && text.ends_with('\n') {
            complete_bytes += text.len() as u64;
            lines.push(serde_json::from_str(&text)?);
            text.clear();
        }
        file.set_len(complete_bytes)?;
        file.flush()?;
        Ok((Self(file), lines))
    }

    pub(crate) fn append(&mut self, lines: &[LogLine]) -> Result<()> {
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
    fn an_incomplete_last_line_is_dropped_and_appending_continues() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let line = |message| LogLine::Acknowledged { message, step: Step::Read };
        let (mut log_file, _) = LogFile::open(&path).unwrap();
        log_file.append(&[line(0), line(1)]).unwrap();
        log_file.0.write_all(b"{\"event\":\"ack").unwrap();

        let (mut log_file, lines) = LogFile::open(&path).unwrap();
        assert_eq!(lines.len(), 2);
        log_file.append(&[line(2)]).unwrap();
        let (_, lines) = LogFile::open(&path).unwrap();
        assert!(matches!(lines[2], LogLine::Acknowledged { message: 2, step: Step::Read }));
    }
}
