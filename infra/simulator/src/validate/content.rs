//! Text, media, location, contacts and reactions.

use serde_json::Value;

use super::Checked;
use crate::errors::ApiError;

/// The types whose object must be there.
pub(super) const KINDS: [&str; 11] = [
    "text",
    "image",
    "video",
    "audio",
    "document",
    "sticker",
    "location",
    "contacts",
    "reaction",
    "interactive",
    "template",
];

const BODY_LIMIT: usize = 4096;
const CAPTION_LIMIT: usize = 1024;

pub(super) fn mandatory(field: &str, kind: &str) -> ApiError {
    ApiError::with(100, format!("Parameter '{field}' is mandatory for type '{kind}'"))
}

/// A string that must be there, not empty and not longer than the limit.
pub(super) fn text<'a>(
    object: &'a Value,
    field: &str,
    path: &str,
    limit: usize,
) -> Result<&'a str, ApiError> {
    let text = object[field].as_str().filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| ApiError::with(131_008, format!("{path} is required")))?;
    within(text, path, limit)?;
    Ok(text)
}

/// A string that may be missing.
pub(super) fn optional_text(object: &Value, field: &str, path: &str, limit: usize) -> Checked {
    match object.get(field) {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(text)) => within(text, path, limit),
        Some(_) => Err(ApiError::with(131_009, format!("{path} must be a string"))),
    }
}

fn within(text: &str, path: &str, limit: usize) -> Checked {
    if text.chars().count() <= limit {
        return Ok(());
    }
    let details = format!("Param {path} must be at most {limit} characters long.");
    Err(ApiError::with(100, details))
}

pub(super) fn plain_text(object: &Value) -> Checked {
    text(object, "body", "text['body']", BODY_LIMIT).map(|_| ())
}

pub(super) fn media(object: &Value, kind: &str) -> Checked {
    one_source(object, kind)?;
    optional_text(object, "caption", &format!("{kind}['caption']"), CAPTION_LIMIT)
}

/// Exactly one of `id` and `link`.
fn one_source(object: &Value, kind: &str) -> Checked {
    match (present(object, "id"), present(object, "link")) {
        (Some(_), Some(_)) => {
            Err(ApiError::with(131_009, format!("{kind} takes either an id or a link, not both")))
        }
        (None, None) => Err(ApiError::with(131_008, format!("{kind} needs an id or a link"))),
        (None, Some(link)) if !link.starts_with("http") => {
            Err(ApiError::with(131_009, format!("{kind}['link'] is not a valid URL")))
        }
        _ => Ok(()),
    }
}

pub(super) fn present<'a>(object: &'a Value, field: &str) -> Option<&'a str> {
    object[field].as_str().filter(|text| !text.is_empty())
}

pub(super) fn location(object: &Value) -> Checked {
    degrees(object, "latitude", 90.0)?;
    degrees(object, "longitude", 180.0)
}

fn degrees(object: &Value, field: &str, limit: f64) -> Checked {
    let degrees = match &object[field] {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        _ => return Err(ApiError::with(131_008, format!("location['{field}'] is required"))),
    };
    match degrees {
        Some(degrees) if degrees.abs() <= limit => Ok(()),
        _ => Err(ApiError::with(131_009, format!("location['{field}'] is out of range"))),
    }
}

pub(super) fn contacts(list: &Value) -> Checked {
    let contacts = list.as_array().filter(|contacts| !contacts.is_empty());
    let contacts = contacts.ok_or_else(|| ApiError::with(131_008, "contacts must not be empty"))?;
    contacts.iter().try_for_each(|contact| {
        let path = "contacts['name']['formatted_name']";
        text(&contact["name"], "formatted_name", path, CAPTION_LIMIT).map(|_| ())
    })
}

pub(super) fn reaction(object: &Value) -> Checked {
    text(object, "message_id", "reaction['message_id']", usize::MAX)?;
    optional_text(object, "emoji", "reaction['emoji']", 16)
}
