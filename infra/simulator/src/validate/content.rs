//! Text, media, location, contacts and reactions.

use serde_json::Value;

use super::context::ValidationResult;
use crate::errors::ApiError;

/// The message types. A message has an object named like its type.
pub(super) const TYPES: [&str; 11] = [
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

// In characters.
const BODY_LIMIT: usize = 4096;
const CAPTION_LIMIT: usize = 1024;

pub(super) fn missing_object(kind: &str) -> ApiError {
    ApiError::with_details(100, format!("Parameter '{kind}' is mandatory for type '{kind}'"))
}

/// A required string: not empty, and at most `limit` characters.
pub(super) fn text<'a>(
    object: &'a Value,
    field: &str,
    path: &str,
    limit: usize,
) -> Result<&'a str, ApiError> {
    let text = object[field].as_str().filter(|text| !text.is_empty());
    let text =
        text.ok_or_else(|| ApiError::with_details(131_008, format!("{path} is required")))?;
    check_length(text, path, limit)?;
    Ok(text)
}

/// An optional string of at most `limit` characters.
pub(super) fn optional_text(
    object: &Value,
    field: &str,
    path: &str,
    limit: usize,
) -> ValidationResult {
    match object.get(field) {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(text)) => check_length(text, path, limit),
        Some(_) => Err(ApiError::with_details(131_009, format!("{path} must be a string"))),
    }
}

fn check_length(text: &str, path: &str, limit: usize) -> ValidationResult {
    if text.chars().count() <= limit {
        return Ok(());
    }
    let details = format!("Param {path} must be at most {limit} characters long.");
    Err(ApiError::with_details(100, details))
}

pub(super) fn plain_text(object: &Value) -> ValidationResult {
    text(object, "body", "text['body']", BODY_LIMIT).map(|_| ())
}

pub(super) fn media(object: &Value, kind: &str) -> ValidationResult {
    id_or_link(object, kind)?;
    optional_text(object, "caption", &format!("{kind}['caption']"), CAPTION_LIMIT)
}

/// Media needs exactly one of `id` and `link`.
fn id_or_link(object: &Value, kind: &str) -> ValidationResult {
    match (non_empty(object, "id"), non_empty(object, "link")) {
        (Some(_), Some(_)) => Err(ApiError::with_details(
            131_009,
            format!("{kind} takes either an id or a link, not both"),
        )),
        (None, None) => {
            Err(ApiError::with_details(131_008, format!("{kind} needs an id or a link")))
        }
        (None, Some(link)) if !link.starts_with("http") => {
            Err(ApiError::with_details(131_009, format!("{kind}['link'] is not a valid URL")))
        }
        _ => Ok(()),
    }
}

/// The string, unless it is missing or empty.
pub(super) fn non_empty<'a>(object: &'a Value, field: &str) -> Option<&'a str> {
    object[field].as_str().filter(|text| !text.is_empty())
}

pub(super) fn location(object: &Value) -> ValidationResult {
    degrees(object, "latitude", 90.0)?;
    degrees(object, "longitude", 180.0)
}

fn degrees(object: &Value, field: &str, limit: f64) -> ValidationResult {
    let degrees = match &object[field] {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        _ => {
            return Err(ApiError::with_details(
                131_008,
                format!("location['{field}'] is required"),
            ));
        }
    };
    match degrees {
        Some(degrees) if degrees.abs() <= limit => Ok(()),
        _ => Err(ApiError::with_details(131_009, format!("location['{field}'] is out of range"))),
    }
}

pub(super) fn contacts(list: &Value) -> ValidationResult {
    let contacts = list.as_array().filter(|contacts| !contacts.is_empty());
    let contacts =
        contacts.ok_or_else(|| ApiError::with_details(131_008, "contacts must not be empty"))?;
    contacts.iter().try_for_each(|contact| {
        let path = "contacts['name']['formatted_name']";
        text(&contact["name"], "formatted_name", path, CAPTION_LIMIT).map(|_| ())
    })
}

pub(super) fn reaction(object: &Value) -> ValidationResult {
    text(object, "message_id", "reaction['message_id']", usize::MAX)?;
    optional_text(object, "emoji", "reaction['emoji']", 16)
}
