//! What is wrong with a content, collected with the path of each field.

use serde::Serialize;
use utoipa::ToSchema;

use super::placeholder;

/// One thing that WhatsApp would refuse.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct ContentProblem {
    /// Where, such as `template.components[0].parameters[1].text`.
    pub field: String,
    /// What is wrong, in plain words. It never quotes the text.
    pub reason: String,
}

/// Collects problems while a check walks down a content.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    path: String,
    found: Vec<ContentProblem>,
}

impl Problems {
    /// Checks a field below the present one.
    pub(crate) fn at(&mut self, field: &str, check: impl FnOnce(&mut Self)) {
        let outer = self.path.len();
        if outer > 0 {
            self.path.push('.');
        }
        self.path.push_str(field);
        check(self);
        self.path.truncate(outer);
    }

    /// Checks each element of the list in the field `field`.
    pub(crate) fn each<T>(&mut self, field: &str, list: &[T], check: impl Fn(&T, &mut Self)) {
        for (index, element) in list.iter().enumerate() {
            self.at(&format!("{field}[{index}]"), |problems| check(element, problems));
        }
    }

    /// Reports the present field.
    pub(crate) fn add(&mut self, reason: impl Into<String>) {
        self.found.push(ContentProblem { field: self.path.clone(), reason: reason.into() });
    }

    /// Reports `field`, which is below the present one.
    pub(crate) fn report(&mut self, field: &str, reason: impl Into<String>) {
        self.at(field, |problems| problems.add(reason));
    }

    /// A text that must be there and be at most `most` characters.
    pub(crate) fn text(&mut self, field: &str, text: &str, most: usize) {
        if text.trim().is_empty() {
            self.report(field, "must not be empty");
        }
        self.at_most(field, text, most);
    }

    /// A text of at most `most` characters.
    pub(crate) fn at_most(&mut self, field: &str, text: &str, most: usize) {
        let length = text.chars().count();
        if length > most {
            self.report(field, format!("is {length} characters long; at most {most} are allowed"));
        }
    }

    /// A list with from `least` to `most` elements.
    pub(crate) fn count(&mut self, field: &str, count: usize, least: usize, most: usize) {
        if !(least..=most).contains(&count) {
            let range = if least == most { most.to_string() } else { format!("{least} to {most}") };
            self.report(field, format!("has {count} entries; {range} are allowed"));
        }
    }

    /// A web address, as far as it is known.
    pub(crate) fn url(&mut self, field: &str, url: &str) {
        let begins = ["https://", "http://"].iter().any(|scheme| url.starts_with(scheme));
        if !begins && !url.starts_with(placeholder::UNKNOWN) {
            self.report(field, "must begin with https:// or http://");
        }
        if url.contains(char::is_whitespace) {
            self.report(field, "must not contain spaces");
        }
    }

    /// The braces of a text as its author wrote it.
    pub(super) fn braces(&mut self, text: &str) {
        let errors: Vec<_> = placeholder::pieces(text).filter_map(|(_, error)| error).collect();
        if let Some(error) = errors.first() {
            self.report("placeholders", error.to_string());
        }
    }

    /// Everything found, or that nothing was.
    pub(crate) fn into_result(self) -> Result<(), Vec<ContentProblem>> {
        if self.found.is_empty() { Ok(()) } else { Err(self.found) }
    }
}
