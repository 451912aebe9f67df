//! Validates send requests, in Meta's order.

mod content;
mod context;
mod interactive;
mod media_ids;
mod template;

use std::sync::Arc;

use serde_json::Value;

use crate::errors::ApiError;
use crate::recipient::Recipient;
use crate::templates::{Category, TemplateName};

pub(crate) use context::ValidationContext;

/// In characters.
const CALLBACK_DATA_LIMIT: usize = 512;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Endpoint {
    Messages,
    MarketingMessages,
}

/// A valid message.
#[derive(Debug)]
pub(crate) struct OutgoingMessage {
    pub(crate) recipient: Recipient,
    pub(crate) callback_data: Option<Box<str>>,
    pub(crate) template: Option<Arc<TemplateName>>,
    pub(crate) category: Category,
    pub(crate) reaction: bool,
}

/// A valid request to a message endpoint.
#[derive(Debug)]
pub(crate) enum Request {
    Message(Box<OutgoingMessage>),
    ReadReceipt,
}

/// Parses and validates a request.
pub(crate) fn request(
    body: &Value,
    endpoint: Endpoint,
    context: &ValidationContext,
) -> Result<Request, ApiError> {
    if body["messaging_product"] != "whatsapp" {
        return Err(ApiError::missing_parameter("messaging_product"));
    }
    if body.get("status").is_some() {
        return read_receipt(body);
    }
    let recipient = Recipient::parse(body, context.numbering, context.business_number)?;
    let callback_data = callback_data(body)?;
    let kind = message_type(body, endpoint)?;
    let (template, category) = check_content(body, kind, &recipient, context)?;
    media_ids::check(kind, &body[kind], context)?;
    Ok(Request::Message(Box::new(OutgoingMessage {
        recipient,
        callback_data,
        template,
        category: billing_category(category, endpoint)?,
        reaction: kind == "reaction",
    })))
}

fn read_receipt(body: &Value) -> Result<Request, ApiError> {
    if body["status"] != "read" {
        return Err(ApiError::with_details(131_009, "status must be 'read'"));
    }
    content::text(body, "message_id", "message_id", usize::MAX)?;
    Ok(Request::ReadReceipt)
}

fn callback_data(body: &Value) -> Result<Option<Box<str>>, ApiError> {
    match body.get("biz_opaque_callback_data") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(data)) if data.chars().count() <= CALLBACK_DATA_LIMIT => {
            Ok(Some(data.as_str().into()))
        }
        Some(_) => Err(ApiError::with_details(
            131_009,
            format!(
                "biz_opaque_callback_data must be a string of at most {CALLBACK_DATA_LIMIT} characters"
            ),
        )),
    }
}

fn message_type(body: &Value, endpoint: Endpoint) -> Result<&str, ApiError> {
    let kind = body.get("type").map_or(Some("text"), Value::as_str);
    let kind = kind.ok_or_else(|| ApiError::with_details(131_009, "type must be a string"))?;
    if endpoint == Endpoint::MarketingMessages && kind != "template" {
        return Err(ApiError::new(131_055));
    }
    Ok(kind)
}

/// Checks the object named like the type. Returns the template's name and the
/// message's category.
fn check_content(
    body: &Value,
    kind: &str,
    recipient: &Recipient,
    context: &ValidationContext,
) -> Result<(Option<Arc<TemplateName>>, Category), ApiError> {
    let object = &body[kind];
    if content::TYPES.contains(&kind) && object.is_null() {
        return Err(content::missing_object(kind));
    }
    match kind {
        "text" => content::plain_text(object)?,
        "image" | "video" | "audio" | "document" | "sticker" => content::media(object, kind)?,
        "location" => content::location(object)?,
        "contacts" => content::contacts(object)?,
        "reaction" => content::reaction(object)?,
        "interactive" => interactive::check(object)?,
        "template" => return template::check(object, recipient, context),
        _ => return Err(ApiError::new(131_051)),
    }
    Ok((None, Category::Service))
}

/// The category that Meta bills. The marketing endpoint accepts only marketing
/// templates.
fn billing_category(category: Category, endpoint: Endpoint) -> Result<Category, ApiError> {
    match endpoint {
        Endpoint::Messages => Ok(category),
        Endpoint::MarketingMessages if category.is_marketing() => Ok(Category::MarketingLite),
        Endpoint::MarketingMessages => Err(ApiError::new(134_100)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::Config;
    use crate::media::MediaStore;
    use crate::numbering::Numbering;
    use crate::templates::Templates;

    fn code(body: &Value, endpoint: Endpoint) -> u32 {
        let context = ValidationContext {
            templates: &Templates::default(),
            strict_templates: false,
            media: &MediaStore::default(),
            strict_media: false,
            numbering: &Numbering::new(&Config::default()),
            phone_number_id: "1",
            business_number: "15550100001",
            now: 0,
        };
        request(body, endpoint, &context).map_or_else(|error| error.code, |_| 200)
    }

    fn message(fields: Value) -> Value {
        let mut body = json!({ "messaging_product": "whatsapp", "to": "+14155550101" });
        let Value::Object(fields) = fields else { unreachable!() };
        body.as_object_mut().unwrap().extend(fields);
        body
    }

    #[test]
    fn each_message_type_is_validated() {
        let cases = [
            (200, json!({ "text": { "body": "hello" } })),
            (100, json!({ "type": "text" })),
            (131_008, json!({ "type": "text", "text": { "body": "" } })),
            (100, json!({ "type": "text", "text": { "body": "x".repeat(4097) } })),
            (200, json!({ "type": "image", "image": { "id": "12" } })),
            (131_009, json!({ "type": "image", "image": { "id": "12", "link": "https://x" } })),
            (131_008, json!({ "type": "image", "image": {} })),
            (131_009, json!({ "type": "audio", "audio": { "link": "ftp://x" } })),
            (200, json!({ "type": "location", "location": { "latitude": 1.5, "longitude": "2" } })),
            (
                131_009,
                json!({ "type": "location", "location": { "latitude": 91, "longitude": 2 } }),
            ),
            (
                200,
                json!({ "type": "contacts", "contacts": [{ "name": { "formatted_name": "A" } }] }),
            ),
            (131_008, json!({ "type": "contacts", "contacts": [{ "name": {} }] })),
            (200, json!({ "type": "reaction", "reaction": { "message_id": "w", "emoji": "" } })),
            (131_008, json!({ "type": "reaction", "reaction": { "emoji": "x" } })),
            (131_051, json!({ "type": "unknown", "unknown": {} })),
            (
                131_009,
                json!({ "text": { "body": "x" }, "biz_opaque_callback_data": "x".repeat(513) }),
            ),
            (200, json!({ "status": "read", "message_id": "wamid.x" })),
            (131_008, json!({ "status": "read" })),
        ];
        for (expected, fields) in cases {
            assert_eq!(code(&message(fields.clone()), Endpoint::Messages), expected, "{fields}");
        }
        assert_eq!(code(&json!({ "to": "+14155550101" }), Endpoint::Messages), 100);
        assert_eq!(code(&json!({ "messaging_product": "whatsapp" }), Endpoint::Messages), 100);
    }

    #[test]
    fn the_marketing_endpoint_accepts_only_marketing_templates() {
        let text = message(json!({ "type": "text", "text": { "body": "x" } }));
        assert_eq!(code(&text, Endpoint::MarketingMessages), 131_055);
        let template = message(json!({
            "type": "template", "template": { "name": "x", "language": { "code": "en" } },
        }));
        assert_eq!(code(&template, Endpoint::MarketingMessages), 200);
    }
}
