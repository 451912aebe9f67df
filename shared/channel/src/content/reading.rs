//! Reads JSON as a type, and collects what does not fit.

use std::fmt::Write as _;

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;

use super::problem::{FieldCode, FieldProblem};

/// How many problems are collected at most.
const MAX_PROBLEMS: usize = 50;
/// Below this, a floating-point number names one integer: 2^53.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// Reads a value as a type. Members that do not fit are reported all at once, except that of
/// several that are missing in one object only the first is found.
pub fn read_json<T: DeserializeOwned>(value: &Value) -> Result<T, Vec<FieldProblem>> {
    let mut found = Vec::new();
    let mut rest = value.clone();
    write_whole_numbers(&mut rest);
    loop {
        let error = match serde_path_to_error::deserialize::<_, T>(rest.clone()) {
            Ok(read) if found.is_empty() => return Ok(read),
            Ok(_) => return Err(found),
            Err(error) => error,
        };
        let path: Vec<Segment> = error.path().iter().cloned().collect();
        let (path, problem) = problem(path, &error.inner().to_string());
        let is_new = !found.iter().any(|one: &FieldProblem| one.is_at_or_under(&problem.field));
        if is_new {
            found.push(problem);
        }
        // Without what does not fit, the next problem comes to light.
        if !is_new || found.len() == MAX_PROBLEMS || !remove(&mut rest, &path) {
            return Err(found);
        }
    }
}

/// Writes `3.0` as `3`: both are the same number in JSON, and integers to JSON Schema.
fn write_whole_numbers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let whole = number.as_f64().filter(|_| number.is_f64());
            let whole = whole.filter(|one| one.fract() == 0.0 && one.abs() < MAX_EXACT);
            if let Some(whole) = whole.and_then(|one| format!("{one:.0}").parse::<i64>().ok()) {
                *number = whole.into();
            }
        }
        Value::Array(values) => values.iter_mut().for_each(write_whole_numbers),
        Value::Object(members) => members.values_mut().for_each(write_whole_numbers),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// The problem that an error of serde stands for, and the path of what has to go.
fn problem(mut path: Vec<Segment>, text: &str) -> (Vec<Segment>, FieldProblem) {
    let named = text.split('`').nth(1).unwrap_or_default();
    let is_unknown = text.starts_with("unknown field");
    if is_unknown || text.starts_with("missing field") {
        let is_named = |segment: &Segment| match segment {
            Segment::Map { key } => key == named,
            Segment::Unknown => true,
            Segment::Seq { .. } | Segment::Enum { .. } => false,
        };
        if path.last().is_some_and(is_named) {
            path.pop();
        }
        let whole = path.clone();
        path.push(Segment::Map { key: named.to_owned() });
        let field = dotted(&path);
        return if is_unknown {
            let reason = format!("is not a member here: {}", expected(text));
            (path, FieldProblem::new(field, FieldCode::Unknown, reason))
        } else {
            (whole, FieldProblem::new(field, FieldCode::Required, "is missing"))
        };
    }
    let (code, reason) = if text.contains("unknown variant") {
        (FieldCode::NotListed, format!("is not one of the allowed values: {}", expected(text)))
    } else if text.starts_with("invalid type: null") {
        (FieldCode::Required, "must not be null".to_owned())
    } else if text.starts_with("invalid type") || text.starts_with("invalid length") {
        (FieldCode::WrongType, format!("has the wrong type: {}", expected(text)))
    } else if text.starts_with("invalid value") {
        (FieldCode::OutOfRange, format!("has a value that is not allowed: {}", expected(text)))
    } else {
        (FieldCode::Invalid, text.to_owned())
    };
    let field = dotted(&path);
    (path, FieldProblem::new(field, code, reason))
}

/// What serde expected. What it found instead may be a secret or a text.
fn expected(text: &str) -> &str {
    text.rfind("expected ").map_or("see the description of the API", |at| &text[at..])
}

fn dotted(path: &[Segment]) -> String {
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => {
                // Writing to a string cannot fail.
                let _ = write!(text, "[{index}]");
            }
            Segment::Map { key } | Segment::Enum { variant: key } => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(key);
            }
            Segment::Unknown => {}
        }
    }
    text
}

/// Removes what is at a path: of an element of a list the whole list, so that the others keep
/// their places. `false` where there is nothing.
fn remove(value: &mut Value, path: &[Segment]) -> bool {
    let in_list = path.iter().position(|segment| matches!(segment, Segment::Seq { .. }));
    let path = in_list.map_or(path, |end| &path[..end]);
    let keys = path.iter().filter_map(|segment| match segment {
        Segment::Map { key } => Some(key.as_str()),
        Segment::Enum { .. } | Segment::Seq { .. } | Segment::Unknown => None,
    });
    let keys: Vec<&str> = keys.collect();
    let Some((last, parents)) = keys.split_last() else { return false };
    let mut parent = value;
    for key in parents {
        let Some(child) = parent.get_mut(*key) else { return false };
        parent = child;
    }
    parent.as_object_mut().and_then(|members| members.remove(*last)).is_some()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only parsed")]
    struct Outer {
        name: String,
        limit: u8,
        color: Option<Color>,
        inner: Option<Inner>,
        many: Option<Vec<u8>>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only parsed")]
    struct Inner {
        text: String,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Color {
        Red,
    }

    fn codes(value: &Value) -> Vec<(String, FieldCode)> {
        let found = read_json::<Outer>(value).unwrap_err();
        found.into_iter().map(|problem| (problem.field, problem.code)).collect()
    }

    #[test]
    fn a_whole_number_may_have_a_decimal_point() {
        let outer: Outer = read_json(&json!({"name": "a", "limit": 3.0, "many": [1e1]})).unwrap();
        assert_eq!((outer.limit, outer.many), (3, Some(vec![10])));
        for wrong in [json!(3.5), json!(1e300), json!(-1.0)] {
            assert!(read_json::<Outer>(&json!({"name": "a", "limit": wrong})).is_err());
        }
    }

    #[test]
    fn everything_that_does_not_fit_is_reported() {
        let value = json!({
            "name": 7, "limit": 300, "color": "blue", "inner": {"texts": "x"},
            "many": [1, "two", 3], "more": true, "nonsense": 1,
        });
        let mut found = codes(&value);
        found.sort();
        let expected = [
            ("color", FieldCode::NotListed),
            ("inner.text", FieldCode::Required),
            ("inner.texts", FieldCode::Unknown),
            ("limit", FieldCode::OutOfRange),
            ("many[1]", FieldCode::WrongType),
            ("more", FieldCode::Unknown),
            ("name", FieldCode::WrongType),
            ("nonsense", FieldCode::Unknown),
        ];
        let expected = expected.map(|(field, code)| (field.to_owned(), code));
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_missing_or_null_is_required() {
        assert_eq!(codes(&json!({"limit": 1})), [("name".to_owned(), FieldCode::Required)]);
        let null = json!({"name": null, "limit": 1});
        assert_eq!(codes(&null), [("name".to_owned(), FieldCode::Required)]);
        assert_eq!(codes(&json!([])), [(String::new(), FieldCode::WrongType)]);
        assert!(read_json::<Outer>(&json!({"name": "x", "limit": 1})).is_ok());
    }
}
