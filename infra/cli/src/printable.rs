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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_does_nothing_to_the_terminal() {
        let name = "Ana\u{1b}]52;c;eA==\u{7}\nid  cmp_1\u{202e}";
        assert_eq!(printable(name), "Ana\u{fffd}]52;c;eA==\u{fffd} id  cmp_1\u{fffd}");
    }
}
