use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A problem details object of the API (RFC 9457).
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Problem {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remedy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) errors: Vec<Value>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.title)?;
        // The detail repeats the list of errors in one sentence.
        let detail = self.detail.as_deref().filter(|_| self.errors.is_empty());
        detail.map_or(Ok(()), |detail| write!(f, ": {detail}"))?;
        self.errors.iter().try_for_each(|error| write!(f, "\n  - {}", error_text(error)))?;
        // What is wrong with each member says what would be right.
        let remedy = self.remedy.as_deref().filter(|_| self.errors.is_empty());
        remedy.map_or(Ok(()), |remedy| write!(f, "\n{remedy}"))
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
    match (subject, reason) {
        (Some(subject), Some(reason)) => format!("{subject}: {reason}"),
        _ => members
            .iter()
            .map(|(name, value)| format!("{name}: {}", plain_text(value)))
            .collect::<Vec<_>>()
            .join(", "),
    }
}

fn plain_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_problem_is_shown_with_its_errors_or_its_detail() {
        let problem: Problem = serde_json::from_value(json!({
            "status": 422, "title": "Not valid", "detail": "priority must be from 1 to 10.",
            "errors": [{"pointer": "/priority", "code": "out_of_range",
                "detail": "must be from 1 to 10"}]
        }))
        .unwrap();
        assert_eq!(problem.to_string(), "Not valid\n  - priority: must be from 1 to 10");
        let problem: Problem =
            serde_json::from_value(json!({"title": "Not possible", "detail": "It is over.",
                "remedy": "Make another one."}))
            .unwrap();
        assert_eq!(problem.to_string(), "Not possible: It is over.\nMake another one.");
    }
}
