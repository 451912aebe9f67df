use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::printable::printable;

/// A problem details object of the API (RFC 9457).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Problem {
    pub(super) title: String,
    pub(super) code: String,
    detail: Option<String>,
    remedy: Option<String>,
    request_id: Option<String>,
    errors: Vec<Value>,
    /// The status of the response.
    #[serde(skip)]
    pub(super) status: u16,
    /// The header `Retry-After` of the response.
    #[serde(skip)]
    pub(super) retry_after: Option<Duration>,
    /// The document as the API wrote it.
    #[serde(skip)]
    pub(super) text: String,
}

impl Problem {
    /// Reads a problem; `None` where the text is something else.
    pub(super) fn read(text: &str, status: u16, retry_after: Option<Duration>) -> Option<Self> {
        let problem: Self = serde_json::from_str(text).ok()?;
        let text = text.to_owned();
        (!problem.title.is_empty()).then_some(Self { status, retry_after, text, ..problem })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(self.title.trim_end_matches('.')))?;
        // The detail repeats the list of errors in one sentence.
        let detail = self.detail.as_deref().filter(|_| self.errors.is_empty());
        detail.map_or(Ok(()), |detail| write!(f, ": {}", printable(detail)))?;
        let errors = self.errors.iter().map(|error| printable(&error_text(error)));
        errors.into_iter().try_for_each(|error| write!(f, "\n  - {error}"))?;
        if self.status == 412 {
            write!(f, "\nSomebody has changed it since it was read. Run the command again.")?;
        } else if let Some(remedy) = &self.remedy {
            write!(f, "\n{remedy}")?;
        }
        self.request_id.as_ref().map_or(Ok(()), |id| write!(f, "\nRequest: {id}"))
    }
}

/// One item of `errors`, on one line.
fn error_text(error: &Value) -> String {
    let Some(members) = error.as_object() else {
        return plain_text(error);
    };
    let names = ["pointer", "parameter"].into_iter();
    let subject = names.filter_map(|name| members.get(name)).map(plain_text).next();
    let subject = subject.map(|subject| subject.trim_start_matches('/').replace('/', "."));
    let reason = members.get("detail").map(plain_text);
    match (subject.filter(|subject| !subject.is_empty()), reason) {
        (Some(subject), Some(reason)) => format!("{subject}: {reason}"),
        (None, Some(reason)) => reason,
        _ => error.to_string(),
    }
}

fn plain_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(problem: &str, status: u16) -> String {
        Problem::read(problem, status, None).unwrap().to_string()
    }

    #[test]
    fn a_problem_is_shown_with_its_errors_or_its_detail() {
        let problem = r#"{"title": "Not valid", "detail": "priority must be from 1 to 10.",
            "errors": [{"pointer": "/send_window/from", "code": "out_of_range", "detail": "must be a time"}],
            "remedy": "Correct the members.", "request_id": "req_1"}"#;
        assert_eq!(
            text(problem, 422),
            "Not valid\n  - send_window.from: must be a time\nCorrect the members.\nRequest: req_1"
        );
        let problem = r#"{"title": "Not possible", "detail": "It is over.",
            "remedy": "Make another one."}"#;
        assert_eq!(text(problem, 409), "Not possible: It is over.\nMake another one.");
    }

    #[test]
    fn what_somebody_else_has_changed_is_said_in_plain_words() {
        let problem = r#"{"title": "Changed", "remedy": "Send If-Match with the current tag."}"#;
        assert!(text(problem, 412).ends_with("Run the command again."));
    }

    #[test]
    fn another_document_is_no_problem() {
        assert!(Problem::read("<html>", 502, None).is_none());
        assert!(Problem::read("{}", 502, None).is_none());
    }
}
