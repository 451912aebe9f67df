//! Paths of fields, such as `template.components[0].parameters[1].text`.

use serde_json::Value;

/// The value at a path; none where the value has no such field.
pub(super) fn at_path<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split(['.', '[']).try_fold(value, |value, step| match step.strip_suffix(']') {
        Some(index) => value.get(index.parse::<usize>().ok()?),
        None => value.get(step),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_leads_through_members_and_lists() {
        let value = json!({"a": [{"b": "x"}, {"b": "y"}]});
        assert_eq!(at_path(&value, "a[1].b"), Some(&json!("y")));
        for missing in ["a[2].b", "a.b", "b", "a[x]", ""] {
            assert_eq!(at_path(&value, missing), None, "{missing}");
        }
    }
}
