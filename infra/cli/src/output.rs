//! Output of the commands on the standard output.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

use crate::error::CommandError;

/// Prints a line. A closed pipe is not an error, so that `carillon … | head` works.
pub(crate) fn line(text: &str) -> Result<(), CommandError> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).or_else(ignore_closed_pipe)
}

/// Prints a value as one line of JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<(), CommandError> {
    line(&serde_json::to_string(value).unwrap_or_else(|error| format!("{error:?}")))
}

fn ignore_closed_pipe(error: io::Error) -> Result<(), CommandError> {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Ok(());
    }
    Err(CommandError::Output(error))
}

/// Prints items as a table. `columns` are titles and the paths of their fields, such as
/// `message.template.name`.
pub(crate) fn table(items: &[Value], columns: &[(&str, &str)]) -> Result<(), CommandError> {
    let header = columns.iter().map(|(title, _)| (*title).to_owned()).collect();
    let rows = items.iter().map(|item| columns.iter().map(|(_, path)| cell(item, path)).collect());
    let rows: Vec<Vec<String>> = std::iter::once(header).chain(rows).collect();
    let widths: Vec<usize> = (0..columns.len()).map(|column| width(&rows, column)).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        line(cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

fn width(rows: &[Vec<String>], column: usize) -> usize {
    rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
}

fn cell(item: &Value, path: &str) -> String {
    let field = path.split('.').try_fold(item, |value, name| value.get(name));
    field.map_or_else(String::new, value_text)
}

fn value_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(value_text).collect::<Vec<_>>().join(", "),
        Value::Number(number) => number.as_u64().map_or_else(|| number.to_string(), format_count),
        Value::Bool(_) | Value::Object(_) => value.to_string(),
    }
}

/// Prints an object's fields, one on each line.
pub(crate) fn fields(item: &Value) -> Result<(), CommandError> {
    let Some(fields) = item.as_object() else { return json(item) };
    let width = fields.keys().map(String::len).max().unwrap_or(0);
    for (name, value) in fields {
        line(format!("{name:width$}  {}", value_text(value)).trim_end())?;
    }
    Ok(())
}

/// Formats a number with thousands separators.
pub(crate) fn format_count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn counts_have_thousands_separators() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(format_count(number), text);
        }
    }

    #[test]
    fn a_cell_shows_the_field_at_its_path() {
        let item = json!({"message": {"type": "template", "template": {"name": "spring_offer"}}, "scopes": ["read", "write"]});
        assert_eq!(cell(&item, "message.template.name"), "spring_offer");
        assert_eq!(cell(&item, "scopes"), "read, write");
        assert_eq!(cell(&item, "no.such.field"), "");
    }
}
