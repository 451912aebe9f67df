//! The media ids of a message.

use serde_json::Value;

use super::content::non_empty;
use super::context::{ValidationContext, ValidationResult};
use crate::errors::ApiError;

/// The objects whose `id` is a media id.
const MEDIA_OBJECTS: [&str; 5] = ["image", "video", "audio", "document", "sticker"];

/// Refuses media ids that the number cannot send: unknown, deleted or expired ones,
/// and those of other numbers.
///
/// Developers report code 100 and this message for all of them; Meta's reference names
/// no code. 131053 follows by webhook, for media that Meta cannot fetch or convert.
pub(super) fn check(kind: &str, object: &Value, context: &ValidationContext) -> ValidationResult {
    if !context.strict_media {
        return Ok(());
    }
    let is_usable = |id: &str| {
        let media = context.media.get(id, context.now);
        media.is_some_and(|media| media.is_uploaded_for(context.phone_number_id))
    };
    match unusable_path(kind, object, &is_usable) {
        Some(path) => {
            Err(ApiError::invalid_id(&path, "whatsapp business account media attachment ID"))
        }
        None => Ok(()),
    }
}

/// Developers quote the id of a media message as `image.id`, and an id inside a
/// template as `template['components'][0]…['id']`.
fn unusable_path(kind: &str, object: &Value, is_usable: &impl Fn(&str) -> bool) -> Option<String> {
    if is_unusable(kind, object, is_usable) {
        return Some(format!("{kind}.id"));
    }
    unusable_path_in(object, is_usable).map(|path| format!("{kind}{path}"))
}

fn unusable_path_in(value: &Value, is_usable: &impl Fn(&str) -> bool) -> Option<String> {
    match value {
        Value::Object(fields) => fields.iter().find_map(|(name, field)| {
            if is_unusable(name, field, is_usable) {
                return Some(format!("['{name}']['id']"));
            }
            unusable_path_in(field, is_usable).map(|path| format!("['{name}']{path}"))
        }),
        Value::Array(items) => items.iter().enumerate().find_map(|(index, item)| {
            unusable_path_in(item, is_usable).map(|path| format!("[{index}]{path}"))
        }),
        _ => None,
    }
}

fn is_unusable(name: &str, object: &Value, is_usable: &impl Fn(&str) -> bool) -> bool {
    let id = non_empty(object, "id").filter(|_| MEDIA_OBJECTS.contains(&name));
    id.is_some_and(|id| !is_usable(id))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path(kind: &str, object: &Value) -> Option<String> {
        unusable_path(kind, object, &|id| id == "known")
    }

    #[test]
    fn the_path_leads_to_the_unusable_id() {
        assert_eq!(path("image", &json!({ "id": "known" })), None);
        assert_eq!(path("image", &json!({ "id": "x" })).as_deref(), Some("image.id"));
        assert_eq!(path("image", &json!({ "link": "https://example.com/a.png" })), None);
        let buttons = json!([{ "type": "reply", "reply": { "id": "x" } }]);
        let interactive = json!({ "header": { "type": "image", "image": { "id": "x" } } });
        assert_eq!(path("interactive", &json!({ "action": { "buttons": buttons } })), None);
        assert_eq!(
            path("interactive", &interactive).as_deref(),
            Some("interactive['header']['image']['id']")
        );
        let parameters = json!([{ "type": "image", "image": { "id": "x" } }]);
        let template = json!({ "components": [{ "type": "header", "parameters": parameters }] });
        assert_eq!(
            path("template", &template).as_deref(),
            Some("template['components'][0]['parameters'][0]['image']['id']")
        );
    }
}
