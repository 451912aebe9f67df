//! From an outbound message to the body of Meta's send request.
//! Source: Meta, `POST /{phone number id}/messages`.

use serde_json::{Map, Value, json};

use crate::channel::Outbound;
use crate::contact::ContactKey;
use crate::message::{Content, Media, MediaSource, TemplateContent, Text};

/// The body of `POST /{phone number id}/messages`.
pub fn request_body(message: &Outbound) -> Value {
    let (kind, object) = content(&message.content);
    let (address, key) = address(&message.to);
    let mut body = json!({
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "type": kind,
        "biz_opaque_callback_data": message.callback,
    });
    body[address] = key.into();
    body[kind] = object;
    if let Some(id) = &message.reply_to {
        body["context"] = json!({ "message_id": id });
    }
    body
}

/// A phone goes with its plus, or Meta may put the business's own country code
/// in front of it. `to` would win over `recipient`, so there is only one.
fn address(to: &ContactKey) -> (&'static str, &str) {
    match to {
        ContactKey::Phone(phone) => ("to", phone.as_str()),
        // Who was erased waits for nothing; WhatsApp would know nobody by that text.
        ContactKey::Bsuid(_) | ContactKey::Erased(_) => ("recipient", to.as_str()),
    }
}

fn content(content: &Content) -> (&'static str, Value) {
    match content {
        Content::Template(content) => ("template", template(content)),
        Content::Text(content) => ("text", text(content)),
        Content::Media(content) => (content.kind.as_str(), media(content)),
        Content::Interactive(content) => ("interactive", json!(content)),
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
