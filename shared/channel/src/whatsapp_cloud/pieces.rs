//! Reads a body of which a part is no readable JSON: half of a surrogate pair, a number that
//! no type holds, very deep nesting. The parts are read one by one, so that only the one that
//! cannot be read is lost.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

/// How deep a body is taken apart: to the elements of the lists of a change's value, which are
/// the updates.
const LEVELS: u8 = 7;

/// The body. A part that cannot be read is its text, as a text; `None` where the body as a
/// whole is not JSON.
pub(super) fn read(body: &[u8]) -> Option<Value> {
    if let Ok(value) = serde_json::from_slice(body) {
        return Some(value);
    }
    let text = String::from_utf8_lossy(body);
    let raw: &RawValue = serde_json::from_str(&text).ok()?;
    Some(take_apart(raw, LEVELS))
}

fn take_apart(raw: &RawValue, levels: u8) -> Value {
    let text = raw.get();
    if let Ok(value) = serde_json::from_str(text) {
        return value;
    }
    let Some(below) = levels.checked_sub(1) else { return text.into() };
    if let Ok(members) = serde_json::from_str::<BTreeMap<String, &RawValue>>(text) {
        return members.into_iter().map(|(name, part)| (name, take_apart(part, below))).collect();
    }
    match serde_json::from_str::<Vec<&RawValue>>(text) {
        Ok(parts) => parts.into_iter().map(|part| take_apart(part, below)).collect(),
        Err(_) => text.into(),
    }
}
