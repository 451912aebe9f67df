use console::Style;
use serde_json::Value;

use super::{line, text};
use crate::error::CommandError;

/// A column: its title, and the path of its field, such as `provider.type`.
pub(crate) type Column = (&'static str, &'static str);

/// The column whose words have a colour.
const STATUS: &str = "STATUS";

/// Prints items as a table.
pub(crate) fn table(items: &[Value], columns: &[Column]) -> Result<(), CommandError> {
    let header = columns.iter().map(|(title, _)| (*title).to_owned()).collect();
    let rows = items.iter().map(|item| columns.iter().map(|(_, path)| cell(item, path)).collect());
    let rows: Vec<Vec<String>> = std::iter::once(header).chain(rows).collect();
    let widths: Vec<usize> = (0..columns.len()).map(|column| width(&rows, column)).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths).zip(columns).map(|((cell, width), (title, _))| {
            let padded = format!("{cell:width$}");
            if *title == STATUS { style(cell).apply_to(padded).to_string() } else { padded }
        });
        line(cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

/// The colour of a status, on a terminal only, and not where `NO_COLOR` is set.
fn style(status: &str) -> Style {
    match status {
        "halted" | "failed" => Style::new().red(),
        "active" | "running" => Style::new().green(),
        "paused" | "unconfirmed" => Style::new().yellow(),
        _ => Style::new(),
    }
}

fn width(rows: &[Vec<String>], column: usize) -> usize {
    rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
}

fn cell(item: &Value, path: &str) -> String {
    let field = path.split('.').try_fold(item, |value, name| value.get(name));
    field.map_or_else(String::new, |value| text(value).replace(['\n', '\r'], " "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cell_shows_the_field_at_its_path() {
        let item = json!({"message": {"template": {"name": "spring_offer"}}, "limit": 1000,
            "scopes": ["read", "send"], "text": "two\nlines", "simulated": true});
        for (path, expected) in [
            ("message.template.name", "spring_offer"),
            ("scopes", "read, send"),
            ("limit", "1,000"),
            ("text", "two lines"),
            ("simulated", "yes"),
            ("no.such.field", ""),
        ] {
            assert_eq!(cell(&item, path), expected);
        }
    }
}
