//! What the table can store of a JSON document that is kept as it came, such as a template.
//! Source: AWS, "Constraints in Amazon DynamoDB".

use carillon::channel::{FieldCode, FieldProblem};
use serde_json::Value;

/// The magnitudes that a number other than zero may have.
const MAGNITUDES: std::ops::RangeInclusive<f64> = 1e-130..=9.9e125;
/// How deep members may lie. The table stores 32 levels, some of them around the document.
const MAX_DEPTH: usize = 24;

/// What cannot be stored.
pub(crate) fn problems(document: &Value) -> Vec<FieldProblem> {
    let mut found = Vec::new();
    collect(document, "", 0, &mut found);
    found
}

fn collect(value: &Value, path: &str, depth: usize, found: &mut Vec<FieldProblem>) {
    let mut report = |code, reason: &str| found.push(FieldProblem::new(path, code, reason));
    if depth > MAX_DEPTH {
        return report(FieldCode::Invalid, "lies too deep: at most 24 levels");
    }
    match value {
        Value::Number(number) => {
            let size = number.as_f64().map_or(0.0, f64::abs);
            if size != 0.0 && !MAGNITUDES.contains(&size) {
                report(FieldCode::OutOfRange, "must be zero or from 1e-130 to 9.9e125 in size");
            }
        }
        Value::Object(members) => {
            if members.contains_key("") {
                report(FieldCode::Invalid, "must not have a member without a name");
            }
            for (name, member) in members {
                let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                collect(member, &inner, depth + 1, found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(item, &format!("{path}[{index}]"), depth + 1, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}
