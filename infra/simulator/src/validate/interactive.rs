//! Interactive messages: reply buttons, lists, call-to-action URLs and others.

use serde_json::Value;

use super::content::{optional_text, text};
use super::context::ValidationResult;
use crate::errors::ApiError;

// In characters.
const BODY_LIMIT: usize = 1024;
const LIST_BODY_LIMIT: usize = 4096;
const SHORT_LIMIT: usize = 60;
const BUTTON_LIMIT: usize = 20;
const ROW_TITLE_LIMIT: usize = 24;

/// The types whose `action` is not validated, except that of `cta_url`.
const OTHER_TYPES: [&str; 13] = [
    "flow",
    "location_request_message",
    "address_message",
    "product",
    "product_list",
    "catalog_message",
    "carousel",
    "voice_call",
    "call_permission_request",
    "request_contact_info",
    "order_details",
    "order_status",
    "cta_url",
];

pub(super) fn check(object: &Value) -> ValidationResult {
    let kind = text(object, "type", "interactive['type']", SHORT_LIMIT)?;
    match kind {
        "button" => buttons(object)?,
        "list" => list(object)?,
        other if OTHER_TYPES.contains(&other) => {}
        _ => return Err(ApiError::with_details(131_009, "interactive['type'] is not supported")),
    }
    if kind == "cta_url" {
        cta_url(object)?;
    }
    optional_text(&object["footer"], "text", "interactive['footer']['text']", SHORT_LIMIT)?;
    optional_text(&object["header"], "text", "interactive['header']['text']", SHORT_LIMIT)
}

fn body(object: &Value, limit: usize) -> ValidationResult {
    text(&object["body"], "text", "interactive['body']['text']", limit).map(|_| ())
}

fn buttons(object: &Value) -> ValidationResult {
    body(object, BODY_LIMIT)?;
    let buttons = items(&object["action"]["buttons"], 3, "buttons")?;
    for button in buttons {
        if button["type"] != "reply" {
            return Err(ApiError::with_details(131_009, "Buttons must be of type 'reply'"));
        }
        text(&button["reply"], "id", "button['reply']['id']", 256)?;
        title(&button["reply"], "TemplateButton", BUTTON_LIMIT)?;
    }
    check_unique_ids(buttons.iter().map(|button| &button["reply"]["id"]), "button")
}

fn list(object: &Value) -> ValidationResult {
    body(object, LIST_BODY_LIMIT)?;
    text(&object["action"], "button", "interactive['action']['button']", BUTTON_LIMIT)?;
    let sections = items(&object["action"]["sections"], 10, "sections")?;
    let mut rows = Vec::new();
    for section in sections {
        if sections.len() > 1 {
            title(section, "Section", ROW_TITLE_LIMIT)?;
        }
        rows.extend(items(&section["rows"], 10, "rows")?);
    }
    if rows.len() > 10 {
        return Err(ApiError::with_details(
            131_009,
            "Total row count exceeds the maximum allowed count: 10",
        ));
    }
    rows.iter().try_for_each(|each| row(each))?;
    check_unique_ids(rows.iter().map(|row| &row["id"]), "row")
}

fn row(row: &Value) -> ValidationResult {
    text(row, "id", "row['id']", 200)?;
    title(row, "Row", ROW_TITLE_LIMIT)?;
    optional_text(row, "description", "row['description']", 72)
}

fn cta_url(object: &Value) -> ValidationResult {
    body(object, BODY_LIMIT)?;
    let parameters = &object["action"]["parameters"];
    text(parameters, "display_text", "action['parameters']['display_text']", BUTTON_LIMIT)?;
    text(parameters, "url", "action['parameters']['url']", 2000).map(|_| ())
}

/// An array of 1 to `max` items.
fn items<'a>(list: &'a Value, max: usize, what: &str) -> Result<&'a [Value], ApiError> {
    match list.as_array().map(Vec::as_slice) {
        None | Some([]) => Err(ApiError::with_details(131_008, format!("action needs {what}"))),
        Some(items) if items.len() <= max => Ok(items),
        Some(_) => {
            Err(ApiError::with_details(131_009, format!("action takes at most {max} {what}")))
        }
    }
}

fn title(object: &Value, what: &str, limit: usize) -> ValidationResult {
    let length = object["title"].as_str().unwrap_or_default().chars().count();
    if (1..=limit).contains(&length) {
        return Ok(());
    }
    let details = format!("{what} title length invalid. Min length: 1, Max length: {limit}");
    Err(ApiError::with_details(131_009, details))
}

fn check_unique_ids<'a>(ids: impl Iterator<Item = &'a Value>, what: &str) -> ValidationResult {
    let mut ids: Vec<_> = ids.filter_map(Value::as_str).collect();
    let before = ids.len();
    ids.sort_unstable();
    ids.dedup();
    if ids.len() == before {
        return Ok(());
    }
    Err(ApiError::with_details(131_009, format!("Duplicate {what} id")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn code(object: &Value) -> u32 {
        check(object).map_or_else(|error| error.code, |()| 200)
    }

    fn with_buttons(buttons: &Value) -> Value {
        json!({ "type": "button", "body": { "text": "?" }, "action": { "buttons": buttons } })
    }

    fn with_rows(count: usize, title: &str) -> Value {
        let rows: Vec<_> =
            (0..count).map(|id| json!({ "id": id.to_string(), "title": title })).collect();
        json!({
            "type": "list", "body": { "text": "?" },
            "action": { "button": "Pick", "sections": [{ "rows": rows }] },
        })
    }

    #[test]
    fn buttons_need_short_titles_and_unique_ids() {
        let button = |id: &str, title: &str| json!({ "type": "reply", "reply": { "id": id, "title": title } });
        assert_eq!(code(&with_buttons(&json!([button("a", "Yes"), button("b", "No")]))), 200);
        assert_eq!(code(&with_buttons(&json!([button("a", "Yes"), button("a", "No")]))), 131_009);
        assert_eq!(code(&with_buttons(&json!([button("a", &"x".repeat(21))]))), 131_009);
        assert_eq!(code(&with_buttons(&json!([]))), 131_008);
    }

    #[test]
    fn lists_have_at_most_ten_rows() {
        assert_eq!(code(&with_rows(10, "row")), 200);
        assert_eq!(code(&with_rows(11, "row")), 131_009);
        assert_eq!(code(&with_rows(1, &"x".repeat(25))), 131_009);
    }

    #[test]
    fn unknown_types_are_refused() {
        assert_eq!(code(&json!({ "type": "flow", "action": {} })), 200);
        assert_eq!(code(&json!({ "type": "cta_url", "body": { "text": "?" } })), 131_008);
        assert_eq!(code(&json!({ "type": "unknown" })), 131_009);
    }
}
