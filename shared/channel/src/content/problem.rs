//! Validation problems, each with the path of its field.

use serde::Serialize;
use utoipa::ToSchema;

use super::placeholder;

/// A field that is not valid.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct FieldProblem {
    /// The path of the field, such as `template.components[0].parameters[1].text`.
    pub field: String,
    /// What sort of problem.
    pub code: FieldCode,
    /// What is wrong, in plain words. It never quotes a message text.
    pub reason: String,
}

/// What is wrong with a field, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FieldCode {
    /// It is missing, or null.
    Required,
    /// There is no field of that name.
    Unknown,
    /// It has another type, such as a text in place of a number.
    WrongType,
    /// It is not one of the listed values.
    NotListed,
    /// It is longer or shorter than allowed, or has more or fewer entries.
    WrongLength,
    /// It is a number or a time outside the range.
    OutOfRange,
    /// It names something that does not exist.
    NotFound,
    /// It can only be read.
    ReadOnly,
    /// Something else is wrong with it.
    Invalid,
}

impl FieldProblem {
    /// A problem of a field.
    pub fn new(field: impl Into<String>, code: FieldCode, reason: impl Into<String>) -> Self {
        Self { field: field.into(), code, reason: reason.into() }
    }

    /// Whether it is about this field or a part of it.
    pub fn is_at_or_under(&self, field: &str) -> bool {
        let rest = self.field.strip_prefix(field);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    }

    /// The same problem, of a field below `parent`.
    #[must_use]
    pub fn under(self, parent: &str) -> Self {
        let field = match self.field.as_str() {
            "" | "." => parent.to_owned(),
            field if field.starts_with('[') => format!("{parent}{field}"),
            field => format!("{parent}.{field}"),
        };
        Self { field, ..self }
    }
}

/// Collects problems while a check walks down a content.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    path: String,
    found: Vec<FieldProblem>,
}

impl Problems {
    /// Checks a field below the current one.
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

    /// Reports the current field.
    pub(crate) fn add(&mut self, reason: impl Into<String>) {
        self.add_as(FieldCode::Invalid, reason);
    }

    fn add_as(&mut self, code: FieldCode, reason: impl Into<String>) {
        self.found.push(FieldProblem::new(self.path.clone(), code, reason));
    }

    /// Reports `field`, which is below the current one.
    pub(crate) fn report(&mut self, field: &str, reason: impl Into<String>) {
        self.at(field, |problems| problems.add(reason));
    }

    fn report_length(&mut self, field: &str, reason: impl Into<String>) {
        self.at(field, |problems| problems.add_as(FieldCode::WrongLength, reason));
    }

    /// Checks a text that must not be empty or longer than `max` characters.
    pub(crate) fn text(&mut self, field: &str, text: &str, max: usize) {
        if text.trim().is_empty() {
            self.report_length(field, "must not be empty");
        }
        self.at_most(field, text, max);
    }

    /// Checks a text that must not be longer than `max` characters.
    pub(crate) fn at_most(&mut self, field: &str, text: &str, max: usize) {
        let length = text.chars().count();
        if length > max {
            self.report_length(
                field,
                format!("is {length} characters long; at most {max} are allowed"),
            );
        }
    }

    /// Checks the length of a list.
    pub(crate) fn count(&mut self, field: &str, count: usize, min: usize, max: usize) {
        if !(min..=max).contains(&count) {
            let range = if min == max { max.to_string() } else { format!("{min} to {max}") };
            self.report_length(field, format!("has {count} entries; {range} are allowed"));
        }
    }

    /// Checks a web address; a placeholder may hide its scheme.
    pub(crate) fn url(&mut self, field: &str, url: &str) {
        let begins = ["https://", "http://"].iter().any(|scheme| url.starts_with(scheme));
        if !begins && !url.starts_with(placeholder::UNKNOWN) {
            self.report(field, "must begin with https:// or http://");
        }
        if url.contains(char::is_whitespace) {
            self.report(field, "must not contain spaces");
        }
    }

    /// Checks the braces of a text with placeholders.
    pub(super) fn braces(&mut self, text: &str) {
        let errors: Vec<_> = placeholder::pieces(text).filter_map(|(_, error)| error).collect();
        if let Some(error) = errors.first() {
            self.report("placeholders", error.to_string());
        }
    }

    /// Adds problems that another check found.
    pub(crate) fn extend(&mut self, problems: Vec<FieldProblem>) {
        self.found.extend(problems);
    }

    /// `Ok` where no problem was found.
    pub(crate) fn into_result(self) -> Result<(), Vec<FieldProblem>> {
        if self.found.is_empty() { Ok(()) } else { Err(self.found) }
    }
}
