//! Bodies of requests, made of a JSON file and flags.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::error::CommandError;
use crate::json_file;

/// The body of a request: what a file contains, then what flags set.
#[derive(Debug, Default)]
pub(crate) struct Body(Map<String, Value>);

impl Body {
    /// The object in a file, `-` for the standard input; empty without a file.
    pub(crate) fn of_file(file: Option<&Path>) -> Result<Self, CommandError> {
        let Some(file) = file else { return Ok(Self::default()) };
        Ok(Self(json_file::read_or_stdin(file)?))
    }

    /// Sets the member at a path such as `provider.whatsapp_cloud.waba_id`, if there is a value.
    pub(crate) fn set(&mut self, path: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            put(&mut self.0, path, value.into());
        }
    }

    /// Sets a list, if it has entries.
    pub(crate) fn set_list<T: Into<Value>>(&mut self, path: &str, values: Vec<T>) {
        let values: Vec<Value> = values.into_iter().map(Into::into).collect();
        self.set(path, Some(values).filter(|values| !values.is_empty()));
    }

    /// Sets members to null, which clears them in a merge patch.
    pub(crate) fn clear(&mut self, paths: &[String]) {
        for path in paths {
            put(&mut self.0, path, Value::Null);
        }
    }

    /// Whether a member is set.
    pub(crate) fn has(&self, path: &str) -> bool {
        let mut names = path.split('.');
        let first = names.next().and_then(|name| self.0.get(name));
        names.fold(first, |value, name| value?.get(name)).is_some()
    }

    pub(crate) fn into_value(self) -> Value {
        Value::Object(self.0)
    }

    /// The body of a change, which changes something.
    pub(crate) fn into_changes(self) -> Result<Value, CommandError> {
        if self.0.is_empty() {
            let hint = "nothing to change: give a flag or a JSON file (see --help)";
            return Err(CommandError::Usage(hint.to_owned()));
        }
        Ok(self.into_value())
    }
}

/// Sets the member at a path. What is on the path and is not an object is replaced.
fn put(object: &mut Map<String, Value>, path: &str, value: Value) {
    let Some((name, rest)) = path.split_once('.') else {
        object.insert(path.to_owned(), value);
        return;
    };
    let inner = object.entry(name).or_insert_with(|| json!({}));
    if !inner.is_object() {
        *inner = json!({});
    }
    if let Value::Object(inner) = inner {
        put(inner, rest, value);
    }
}

/// An argument `NAME=VALUE`. For clap.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = pair.ok_or_else(|| "expected NAME=VALUE".to_owned())?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn flags_override_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("body.json");
        fs::write(&path, r#"{"name": "Old", "provider": {"type": "x", "x": 1}}"#).unwrap();
        let mut body = Body::of_file(Some(&path)).unwrap();
        body.set("name", Some("New"));
        body.set("tag", None::<String>);
        body.set("provider.x.id", Some("7"));
        body.set_list("countries", vec!["CO"]);
        body.set_list("scopes", Vec::<String>::new());
        body.clear(&["end".to_owned()]);
        assert!(body.has("provider.x.id") && !body.has("provider.y") && !body.has("tag"));
        let expected = json!({"name": "New", "provider": {"type": "x", "x": {"id": "7"}},
            "countries": ["CO"], "end": null});
        assert_eq!(body.into_value(), expected);
    }

    #[test]
    fn a_change_without_members_is_refused() {
        assert_eq!(Body::default().into_changes().unwrap_err().exit_code(), 2);
    }
}
