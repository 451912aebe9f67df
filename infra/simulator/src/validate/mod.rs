//! Whether a message is one Meta would take, in the order Meta looks.

mod content;
mod interactive;
mod template;

use std::sync::Arc;

use serde_json::Value;

use crate::errors::ApiError;
use crate::people::Addressee;
use crate::templates::{Category, Templates};

const OPAQUE_LIMIT: usize = 512;

type Checked = Result<(), ApiError>;

/// What validation looks things up in.
pub(crate) struct Rules<'a> {
    pub(crate) templates: &'a Templates,
    pub(crate) strict_templates: bool,
    pub(crate) seed: u64,
    pub(crate) rewrite_wa_ids: bool,
    pub(crate) now: u64,
}

/// The path a message came by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Endpoint {
    Messages,
    MarketingMessages,
}

/// A message that may be sent.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) addressee: Addressee,
    pub(crate) opaque: Option<Box<str>>,
    pub(crate) template: Option<Arc<str>>,
    pub(crate) category: Category,
    pub(crate) reaction: bool,
}

/// What a request to the messages path asks for.
#[derive(Debug)]
pub(crate) enum Request {
    Message(Box<Outgoing>),
    ReadReceipt,
}

/// Reads and checks a request.
pub(crate) fn request(
    body: &Value,
    endpoint: Endpoint,
    rules: &Rules,
) -> Result<Request, ApiError> {
    if body["messaging_product"] != "whatsapp" {
        return Err(ApiError::required("messaging_product"));
    }
    if body.get("status").is_some() {
        return read_receipt(body);
    }
    let addressee = Addressee::of(body, rules.seed, rules.rewrite_wa_ids)?;
    let opaque = opaque(body)?;
    let kind = kind(body, endpoint)?;
    let (template, category) = content(body, kind, &addressee, rules)?;
    Ok(Request::Message(Box::new(Outgoing {
        addressee,
        opaque,
        template,
        category: billed(category, endpoint)?,
        reaction: kind == "reaction",
    })))
}

fn read_receipt(body: &Value) -> Result<Request, ApiError> {
    if body["status"] != "read" {
        return Err(ApiError::with(131_009, "status must be 'read'"));
    }
    content::text(body, "message_id", "message_id", usize::MAX)?;
    Ok(Request::ReadReceipt)
}

fn opaque(body: &Value) -> Result<Option<Box<str>>, ApiError> {
    match body.get("biz_opaque_callback_data") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(data)) if data.chars().count() <= OPAQUE_LIMIT => {
            Ok(Some(data.as_str().into()))
        }
        Some(_) => Err(ApiError::with(
            131_009,
            format!(
                "biz_opaque_callback_data must be a string of at most {OPAQUE_LIMIT} characters"
            ),
        )),
    }
}

fn kind(body: &Value, endpoint: Endpoint) -> Result<&str, ApiError> {
    let kind = body.get("type").map_or(Some("text"), Value::as_str);
    let kind = kind.ok_or_else(|| ApiError::with(131_009, "type must be a string"))?;
    if endpoint == Endpoint::MarketingMessages && kind != "template" {
        return Err(ApiError::of(131_055));
    }
    Ok(kind)
}

/// Checks the object named like the type.
fn content(
    body: &Value,
    kind: &str,
    addressee: &Addressee,
    rules: &Rules,
) -> Result<(Option<Arc<str>>, Category), ApiError> {
    let object = &body[kind];
    if content::KINDS.contains(&kind) && object.is_null() {
        return Err(content::mandatory(kind, kind));
    }
    match kind {
        "text" => content::plain_text(object)?,
        "image" | "video" | "audio" | "document" | "sticker" => content::media(object, kind)?,
        "location" => content::location(object)?,
        "contacts" => content::contacts(object)?,
        "reaction" => content::reaction(object)?,
        "interactive" => interactive::check(object)?,
        "template" => return template::check(object, addressee, rules),
        _ => return Err(ApiError::of(131_051)),
    }
    Ok((None, Category::Service))
}

/// The category a message is billed as; the marketing path takes no other.
fn billed(category: Category, endpoint: Endpoint) -> Result<Category, ApiError> {
    match endpoint {
        Endpoint::Messages => Ok(category),
        Endpoint::MarketingMessages if category.is_marketing() => Ok(Category::MarketingLite),
        Endpoint::MarketingMessages => Err(ApiError::of(134_100)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn code(body: &Value, endpoint: Endpoint) -> u32 {
        let templates = Templates::default();
        let rules = Rules {
            templates: &templates,
            strict_templates: false,
            seed: 1,
            rewrite_wa_ids: false,
            now: 0,
        };
        request(body, endpoint, &rules).map_or_else(|error| error.code, |_| 200)
    }

    fn message(fields: Value) -> Value {
        let mut body = json!({ "messaging_product": "whatsapp", "to": "+14155550101" });
        let Value::Object(fields) = fields else { unreachable!() };
        body.as_object_mut().unwrap().extend(fields);
        body
    }

    #[test]
    fn each_kind_is_checked() {
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
            (131_051, json!({ "type": "poem", "poem": {} })),
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
    fn only_marketing_templates_go_by_the_marketing_path() {
        let text = message(json!({ "type": "text", "text": { "body": "x" } }));
        assert_eq!(code(&text, Endpoint::MarketingMessages), 131_055);
        let template = message(json!({
            "type": "template", "template": { "name": "x", "language": { "code": "en" } },
        }));
        assert_eq!(code(&template, Endpoint::MarketingMessages), 200);
    }
}
