//! From an outbound message to the body of Meta's send request.
//! Source: Meta, `POST /{phone number id}/messages`.

use serde_json::{Map, Value, json};

use super::content::{TemplateContent, WhatsappContent};
use crate::Outbound;
use crate::content::FieldProblem;
use crate::content::{Media, MediaSource, Text};
use carillon_foundations::address::Address;

/// The body of `POST /{phone number id}/messages`.
///
/// # Errors
/// Where the content is not one that WhatsApp can send.
pub fn request_body(message: &Outbound) -> Result<Value, FieldProblem> {
    let (kind, object) = content(&WhatsappContent::read(&message.content)?);
    let (field, address) = address(&message.to);
    let mut body = json!({
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "type": kind,
        "biz_opaque_callback_data": message.callback,
    });
    body[field] = address.into();
    body[kind] = object;
    if let Some(id) = &message.reply_to {
        body["context"] = json!({ "message_id": id });
    }
    Ok(body)
}

/// A phone number has its plus: without it Meta may prepend the business's own country
/// code. `to` takes precedence over `recipient`, so the request has only one of them.
fn address(to: &Address) -> (&'static str, &str) {
    match to {
        Address::Phone(phone) => ("to", phone.as_str()),
        // An erased recipient is never pending; WhatsApp would reject the pseudonym.
        Address::Bsuid(_) => ("recipient", to.as_str()),
    }
}

fn content(content: &WhatsappContent) -> (&'static str, Value) {
    match content {
        WhatsappContent::Template(content) => ("template", template(content)),
        WhatsappContent::Text(content) => ("text", text(content)),
        WhatsappContent::Media(content) => (content.kind.as_str(), media(content)),
        WhatsappContent::Interactive(content) => ("interactive", json!(content)),
    }
}

fn text(text: &Text) -> Value {
    json!({ "body": text.body, "preview_url": text.preview_url })
}

fn template(template: &TemplateContent) -> Value {
    let mut object = json!({
        "name": template.name,
        // The only policy there is; Meta's schema still asks for it.
        "language": { "code": template.language, "policy": "deterministic" },
    });
    if !template.components.is_empty() {
        object["components"] = json!(template.components);
    }
    object
}

fn media(media: &Media) -> Value {
    let (field, place) = match &media.source {
        MediaSource::Id(id) => ("id", id),
        MediaSource::Link(link) => ("link", link),
    };
    let mut object = Map::from_iter([(field.to_owned(), json!(place))]);
    if let Some(caption) = &media.caption {
        object.insert("caption".to_owned(), json!(caption));
    }
    if let Some(filename) = &media.filename {
        object.insert("filename".to_owned(), json!(filename));
    }
    Value::Object(object)
}
