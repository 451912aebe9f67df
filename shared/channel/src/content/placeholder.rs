//! Placeholders in a text: `{first_name}`, or `{first_name|friend}` with a default for
//! contacts without a value. `{{` and `}}` stand for one brace.

use std::collections::BTreeMap;

/// The maximum length of a placeholder's name, in characters.
const MAX_NAME: usize = 64;

/// The character in place of each placeholder when a content is validated before it is
/// rendered.
pub(crate) const UNKNOWN: char = '\u{FFFC}';

/// A placeholder of a content.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Variable {
    /// The column with its value.
    pub name: String,
    /// Whether it has a default.
    pub has_default: bool,
}

/// A contact has no value for a placeholder without a default.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the contact has no value for {{{name}}}, and the message gives no default ({{{name}|…}})")]
pub struct MissingVariable {
    /// The column that is missing or blank.
    pub name: String,
}

/// Why a brace is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PlaceholderError {
    #[error("a `{{` is not closed; write `{{{{` for a brace")]
    Unclosed,
    #[error("a `}}` has no `{{`; write `}}}}` for a brace")]
    Unopened,
    #[error(
        "a placeholder needs a name of letters, digits, `_`, `-`, `.` and single spaces, at most 64 characters"
    )]
    BadName,
}

/// A piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    Literal(&'a str),
    Placeholder { name: &'a str, default: Option<&'a str> },
}

/// Splits a text into pieces. An invalid placeholder gives a literal and an error:
/// rendering uses the literal, validation reports the error.
pub(crate) fn pieces(text: &str) -> Pieces<'_> {
    Pieces { rest: text }
}

pub(crate) struct Pieces<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = (Piece<'a>, Option<PlaceholderError>);

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.rest.find(['{', '}']).unwrap_or(self.rest.len());
        if start > 0 {
            return Some((Piece::Literal(self.take(start)), None));
        }
        match self.rest.as_bytes() {
            [] => None,
            [b'{', b'{', ..] | [b'}', b'}', ..] => Some((Piece::Literal(&self.take(2)[1..]), None)),
            [b'{', ..] => Some(self.placeholder()),
            _ => Some((Piece::Literal(self.take(1)), Some(PlaceholderError::Unopened))),
        }
    }
}

impl<'a> Pieces<'a> {
    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    fn placeholder(&mut self) -> (Piece<'a>, Option<PlaceholderError>) {
        let inside = &self.rest[1..];
        let Some(end) = inside.find(['{', '}']).filter(|&end| inside[end..].starts_with('}'))
        else {
            return (Piece::Literal(self.take(1)), Some(PlaceholderError::Unclosed));
        };
        let whole = self.take(end + 2);
        let (name, default) = split_default(&inside[..end]);
        if is_name(name) {
            (Piece::Placeholder { name, default }, None)
        } else {
            (Piece::Literal(whole), Some(PlaceholderError::BadName))
        }
    }
}

fn split_default(inside: &str) -> (&str, Option<&str>) {
    match inside.split_once('|') {
        Some((name, default)) => (name.trim(), Some(default.trim())),
        None => (inside.trim(), None),
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ');
    let starts_well = name.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    starts_well
        && name.chars().all(allowed)
        && !name.contains("  ")
        && name.chars().count() <= MAX_NAME
}

/// Renders a text. A blank value counts as missing.
pub(crate) fn fill(
    text: &str,
    columns: &BTreeMap<String, String>,
) -> Result<String, MissingVariable> {
    let mut filled = String::with_capacity(text.len());
    for (piece, _) in pieces(text) {
        match piece {
            Piece::Literal(literal) => filled.push_str(literal),
            Piece::Placeholder { name, default } => filled.push_str(value(name, default, columns)?),
        }
    }
    Ok(filled)
}

fn value<'a>(
    name: &str,
    default: Option<&'a str>,
    columns: &'a BTreeMap<String, String>,
) -> Result<&'a str, MissingVariable> {
    let column = columns.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
    column.or(default).ok_or_else(|| MissingVariable { name: name.to_owned() })
}

/// The text with one [`UNKNOWN`] character for every placeholder.
pub(crate) fn shortest(text: &str) -> String {
    let mut short = String::with_capacity(text.len());
    for (piece, _) in pieces(text) {
        match piece {
            Piece::Literal(literal) => short.push_str(literal),
            Piece::Placeholder { .. } => short.push(UNKNOWN),
        }
    }
    short
}

/// The text with the default of one placeholder, and one [`UNKNOWN`] character for every other.
pub(crate) fn with_default(text: &str, column: &str) -> String {
    let mut filled = String::with_capacity(text.len());
    for (piece, _) in pieces(text) {
        match piece {
            Piece::Literal(literal) => filled.push_str(literal),
            Piece::Placeholder { name, default: Some(default) } if name == column => {
                filled.push_str(default);
            }
            Piece::Placeholder { .. } => filled.push(UNKNOWN),
        }
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> BTreeMap<String, String> {
        [("first_name", "Ana"), ("Número de pedido", "A-7"), ("blank", "  ")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    #[test]
    fn columns_and_defaults_are_filled_in() {
        for (text, expected) in [
            ("Hi {first_name}!", "Hi Ana!"),
            ("Hi { first_name | friend }!", "Hi Ana!"),
            ("Hi {nick|friend}!", "Hi friend!"),
            ("Hi {nick|}!", "Hi !"),
            ("Hi {blank|friend}!", "Hi friend!"),
            ("{Número de pedido}", "A-7"),
            ("{{first_name}} costs {{}}", "{first_name} costs {}"),
            ("{first_name}{first_name}", "AnaAna"),
            ("no placeholders", "no placeholders"),
            ("", ""),
        ] {
            assert_eq!(fill(text, &columns()).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_missing_or_blank_column_is_named() {
        for (text, name) in [("Hi {nick}", "nick"), ("Hi {blank}", "blank")] {
            assert_eq!(fill(text, &columns()), Err(MissingVariable { name: name.to_owned() }));
        }
    }

    #[test]
    fn malformed_braces_are_reported_and_kept() {
        for (text, error) in [
            ("a { b", PlaceholderError::Unclosed),
            ("a {b {first_name}", PlaceholderError::Unclosed),
            ("a } b", PlaceholderError::Unopened),
            ("a {} b", PlaceholderError::BadName),
            ("a {-x} b", PlaceholderError::BadName),
            ("{\"json\": 1}", PlaceholderError::BadName),
        ] {
            let found: Vec<_> = pieces(text).filter_map(|(_, error)| error).collect();
            assert_eq!(found, [error], "{text}");
        }
        assert_eq!(fill("a {-b} {} c {", &columns()).as_deref(), Ok("a {-b} {} c {"));
    }
}
