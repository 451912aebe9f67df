//! Output of the commands on the standard output.

mod table;
mod text;

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

pub(crate) use table::{Column, table};
pub(crate) use text::{format_count, text};

use crate::error::CommandError;

/// The members of an object that are printed first.
const FIRST: [&str; 3] = ["id", "name", "status"];

/// Prints a line. Where nobody reads on, as in `carillon … | head`, the command ends.
pub(crate) fn line(text: &str) -> Result<(), CommandError> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(CommandError::of_output)
}

/// Prints a value as one line of JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<(), CommandError> {
    line(&serde_json::to_string(value).unwrap_or_else(|error| format!("{error:?}")))
}

/// Prints the members of an object that have a value, one on each line. A member of an object
/// inside it is named by its path, such as `provider.type`.
pub(crate) fn fields(item: &Value) -> Result<(), CommandError> {
    let mut found = Vec::new();
    collect("", item, &mut found);
    // What it is comes first.
    found.sort_by_key(|(name, _)| {
        FIRST.iter().position(|first| first == name).unwrap_or(FIRST.len())
    });
    let width = found.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, value) in found {
        line(format!("{name:width$}  {value}").trim_end())?;
    }
    Ok(())
}

fn collect(path: &str, value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let dot = if path.is_empty() { "" } else { "." };
                collect(&format!("{path}{dot}{name}"), value, found);
            }
        }
        Value::Null => {}
        Value::Array(items) if items.is_empty() => {}
        value => found.push((path.to_owned(), text(value))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_named_by_their_path() {
        let mut found = Vec::new();
        let item = json!({"id": "con_1", "note": null, "blocked_countries": [], "provider": {"type": "whatsapp_cloud"}});
        collect("", &item, &mut found);
        let pairs = [("id", "con_1"), ("provider.type", "whatsapp_cloud")];
        assert_eq!(found, pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
