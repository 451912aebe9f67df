//! Incremental parsers of JSON: an array of objects, or one object per line. Each element
//! is parsed on its own: an invalid one does not affect the others.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::row::{
    BOM, BSUID_COLUMN, CONTACT_COLUMNS, InvalidLine, MAX_LINE, Row, column_name, contact_column,
};
use super::{Parsed, Unreadable};

/// The bytes of one element, up to [`MAX_LINE`].
#[derive(Default)]
struct Element {
    bytes: Vec<u8>,
    overlong: bool,
}

impl Element {
    fn push(&mut self, byte: u8) {
        if self.bytes.len() < MAX_LINE {
            self.bytes.push(byte);
        } else {
            self.overlong = true;
        }
    }

    /// Parses the element and clears it; none for white space only.
    fn take(&mut self, line: u64) -> Option<Parsed> {
        let bytes = std::mem::take(&mut self.bytes);
        if std::mem::take(&mut self.overlong) {
            return Some(Err(InvalidLine::new(line, "", "is longer than 64 KiB")));
        }
        let bytes = bytes.trim_ascii();
        (!bytes.is_empty()).then(|| parse(line, bytes))
    }
}

/// A parser of one object per line.
#[derive(Default)]
pub(super) struct LineRows {
    element: Element,
    line: u64,
}

impl LineRows {
    pub(super) fn feed(&mut self, input: &[u8], rows: &mut Vec<Parsed>) {
        for byte in input {
            if *byte == b'\n' {
                self.end_line(rows);
            } else {
                self.element.push(*byte);
            }
        }
    }

    pub(super) fn finish(&mut self, rows: &mut Vec<Parsed>) {
        self.end_line(rows);
    }

    fn end_line(&mut self, rows: &mut Vec<Parsed>) {
        self.line += 1;
        rows.extend(self.element.take(self.line));
    }
}

/// The position of the parser: before, within or after the array.
#[derive(Default, PartialEq, Eq)]
enum Position {
    #[default]
    Before,
    Within,
    After,
}

/// A parser of an array of objects.
#[derive(Default)]
pub(super) struct ArrayRows {
    position: Position,
    element: Element,
    number: u64,
    depth: u32,
    in_string: bool,
    escaped: bool,
    trailing: bool,
}

impl ArrayRows {
    pub(super) fn feed(&mut self, input: &[u8], rows: &mut Vec<Parsed>) -> Result<(), Unreadable> {
        for byte in input {
            match self.position {
                Position::Before => self.open(*byte)?,
                Position::Within => self.push_byte(*byte, rows),
                Position::After => self.trailing |= !byte.is_ascii_whitespace(),
            }
        }
        Ok(())
    }

    pub(super) fn finish(&mut self, rows: &mut Vec<Parsed>) -> Result<(), Unreadable> {
        match self.position {
            Position::Before => return Err(Unreadable::Empty),
            Position::Within => {
                let reason = "the JSON breaks off here: the array is not closed";
                rows.push(Err(InvalidLine::new(self.number + 1, "", reason)));
            }
            Position::After if self.trailing => {
                let reason = "there is something after the end of the array, which was not read";
                rows.push(Err(InvalidLine::new(self.number + 1, "", reason)));
            }
            Position::After => {}
        }
        Ok(())
    }

    fn open(&mut self, byte: u8) -> Result<(), Unreadable> {
        match byte {
            b'[' => self.position = Position::Within,
            byte if byte.is_ascii_whitespace() || BOM.contains(&byte) => {}
            _ => return Err(Unreadable::NotAnArray),
        }
        Ok(())
    }

    fn push_byte(&mut self, byte: u8, rows: &mut Vec<Parsed>) {
        if self.depth == 0 && !self.in_string && matches!(byte, b',' | b']') {
            self.end_element(rows);
            if byte == b']' {
                self.position = Position::After;
            }
            return;
        }
        self.follow(byte);
        self.element.push(byte);
    }

    /// Tracks strings, and the depth of brackets outside of them.
    fn follow(&mut self, byte: u8) {
        if self.in_string {
            self.in_string = byte != b'"' || self.escaped;
            self.escaped = byte == b'\\' && !self.escaped;
            return;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }

    fn end_element(&mut self, rows: &mut Vec<Parsed>) {
        if let Some(row) = self.element.take(self.number + 1) {
            self.number += 1;
            rows.push(row);
        }
    }
}

fn parse(line: u64, bytes: &[u8]) -> Parsed {
    let bytes = bytes.strip_prefix(BOM).unwrap_or(bytes);
    let invalid = |reason: &str| InvalidLine::new(line, &String::from_utf8_lossy(bytes), reason);
    let value: Value = serde_json::from_slice(bytes).map_err(|_| invalid("is not valid JSON"))?;
    match value {
        Value::Object(object) => row(line, object),
        _ => Err(invalid(
            "is not an object such as {\"phone\": \"+573001234567\", \"name\": \"Ana\"}",
        )),
    }
}

fn row(line: u64, object: Map<String, Value>) -> Parsed {
    let mut fields: Vec<(String, String)> = Vec::with_capacity(object.len());
    for (name, value) in object {
        let text = text(&value).ok_or_else(|| {
            let reason =
                format!("{name} is a list or an object: give a text, a number, true or false");
            InvalidLine::new(line, &name, reason)
        })?;
        fields.push((column_name(&name), text));
    }
    let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
    let place = contact_column(&names);
    let phone = place.map(|place| fields.remove(place).1).filter(|phone| !phone.is_empty());
    let mut columns: BTreeMap<String, String> = fields.into_iter().collect();
    let bsuid = columns.remove(BSUID_COLUMN).filter(|bsuid| !bsuid.is_empty());
    columns.remove("");
    let keys = match (phone, bsuid) {
        (Some(phone), bsuid) => Some((phone, bsuid)),
        (None, bsuid) => bsuid.map(|bsuid| (bsuid, None)),
    };
    let keys = keys.ok_or_else(|| {
        let names = CONTACT_COLUMNS.join(", ");
        let reason = format!("says not to whom: expected one of {names}, {BSUID_COLUMN}");
        InvalidLine::new(line, "", reason)
    })?;
    Row::of(line, keys, columns)
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::Bool(yes) => Some(yes.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Array(_) | Value::Object(_) => None,
    }
}
