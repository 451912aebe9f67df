use serde_json::Value;

use crate::when;

/// A text without the characters that move a terminal's cursor, change its state or turn the
/// direction of what follows: names come from strangers.
pub(crate) fn printable(text: &str) -> String {
    let hides = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let shown = |c| match c {
        '\n' | '\r' | '\t' => ' ',
        c if hides(c) => '\u{fffd}',
        c => c,
    };
    text.chars().map(shown).collect()
}

/// A value as a person reads it: times in local time, counts with separators.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => when::local(text).unwrap_or_else(|| printable(text)),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        Value::Number(number) => number.as_u64().map_or_else(|| number.to_string(), format_count),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Object(_) => printable(&value.to_string()),
    }
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
    use super::*;

    #[test]
    fn a_name_does_nothing_to_the_terminal() {
        let name = "Ana\u{1b}]52;c;eA==\u{7}\nid  cmp_1\u{202e}";
        assert_eq!(printable(name), "Ana\u{fffd}]52;c;eA==\u{fffd} id  cmp_1\u{fffd}");
    }

    #[test]
    fn counts_have_thousands_separators() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(format_count(number), text);
        }
    }
}
