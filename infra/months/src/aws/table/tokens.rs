use std::collections::BTreeSet;

use super::reason::Reason;

/// The tokens of an expression: words, with the points of paths in them, and signs.
#[derive(Debug)]
pub(super) struct Tokens<'a> {
    left: &'a str,
}

impl<'a> Tokens<'a> {
    pub(super) fn of(expression: &'a str) -> Self {
        Self { left: expression.trim_start() }
    }

    /// The next token, which stays.
    pub(super) fn peek(&self) -> Option<&'a str> {
        let first = self.left.chars().next()?;
        let length = if is_word(first) {
            self.left.find(|c| !is_word(c)).unwrap_or(self.left.len())
        } else if ["<>", "<=", ">="].iter().any(|sign| self.left.starts_with(sign)) {
            2
        } else {
            first.len_utf8()
        };
        Some(&self.left[..length])
    }

    /// Takes the next token.
    pub(super) fn take(&mut self) -> Result<&'a str, Reason> {
        let token = self.peek().ok_or_else(|| Reason::unknown("an expression that ends early"))?;
        self.left = self.left[token.len()..].trim_start();
        Ok(token)
    }

    /// Takes the next token if it is this one.
    pub(super) fn take_if(&mut self, wanted: &str) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.left = self.left[wanted.len()..].trim_start();
        }
        found
    }

    pub(super) fn expect(&mut self, wanted: &str) -> Result<(), Reason> {
        if self.take_if(wanted) {
            Ok(())
        } else {
            Err(Reason::unknown(format_args!("{} without {wanted}", self.left)))
        }
    }

    pub(super) fn end(&self) -> Result<(), Reason> {
        if self.left.is_empty() { Ok(()) } else { Err(Reason::unknown(self.left)) }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '#' | ':' | '.')
}

/// The placeholders of names and values in an expression.
pub(super) fn placeholders_in(expression: &str) -> BTreeSet<&str> {
    let mut tokens = Tokens::of(expression);
    let mut found = BTreeSet::new();
    while let Ok(token) = tokens.take() {
        found.extend(token.split('.').filter(|part| part.starts_with(['#', ':'])));
    }
    found
}
