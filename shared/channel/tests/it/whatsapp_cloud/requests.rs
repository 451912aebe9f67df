//! What our requests hold, and that every sample request of Meta's can be written as a
//! content.

#![allow(clippy::needless_pass_by_value, reason = "JSON is written where it is used")]

use carillon_channel::Outbound;
use carillon_channel::content::Content;
use carillon_channel::whatsapp_cloud::content::WhatsappContent;
use carillon_channel::whatsapp_cloud::request_body;
use serde_json::{Value, json};

use crate::payloads::files;
use crate::typed;

pub(super) fn outbound(content: Value) -> Outbound {
    let content: Content = serde_json::from_value(typed(content.clone()))
        .unwrap_or_else(|error| panic!("{content}: {error}"));
    let read = WhatsappContent::read(&content).expect("WhatsApp has such a message");
    assert_eq!(read.check(), Ok(()));
    Outbound {
        to: "+573001234567".parse().unwrap(),
        content,
        callback: "cmp_1/+57/1".to_owned(),
        reply_to: None,
    }
}

#[test]
fn a_phone_goes_with_its_plus_and_a_bsuid_in_its_own_field() {
    let mut message = outbound(json!({"text": "Hello"}));
    let request = request_body(&message).unwrap();
    assert_eq!((&request["to"], &request["recipient"]), (&json!("+573001234567"), &Value::Null));
    message.to = "CO.1".parse().unwrap();
    let request = request_body(&message).unwrap();
    assert_eq!((&request["to"], &request["recipient"]), (&Value::Null, &json!("CO.1")));
}

#[test]
fn a_request_has_exactly_what_was_asked_for() {
    let message = Outbound {
        reply_to: Some("wamid.X".to_owned()),
        ..outbound(json!({"media": {"kind": "image", "id": "1", "caption": "New"}}))
    };
    let expected = json!({
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "+573001234567",
        "type": "image",
        "image": {"id": "1", "caption": "New"},
        "context": {"message_id": "wamid.X"},
        "biz_opaque_callback_data": "cmp_1/+57/1",
    });
    assert_eq!(request_body(&message).unwrap(), expected);
}

/// Meta's sample requests, without those that hold no content of ours: places,
/// contacts, reactions, read receipts.
fn samples() -> Vec<(String, Value)> {
    let requests = files("facebook-openapi/send_requests").into_iter();
    requests
        .map(|(name, sample)| (name, serde_json::from_slice(&sample).unwrap()))
        .filter(|(_, sample): &(String, Value)| content_of(sample).is_some())
        // A text parameter whose text is no text; Meta takes it no more.
        .filter(|(name, _)| !name.ends_with("issue_resolution_template"))
        .collect()
}

/// A sample request as a content.
fn content_of(sample: &Value) -> Option<Value> {
    let kind = sample["type"].as_str().unwrap_or("text");
    match kind {
        "text" if sample["text"].is_object() => Some(json!({"text": sample["text"]})),
        "template" | "interactive" => Some(json!({kind: sample[kind]})),
        "image" | "video" | "audio" | "document" | "sticker" => {
            let mut media = sample[kind].clone();
            media["kind"] = json!(kind);
            Some(json!({"media": media}))
        }
        _ => None,
    }
}

#[test]
fn every_sample_request_of_metas_can_be_built() {
    let samples = samples();
    assert!(samples.len() >= 40, "{}", samples.len());
    for (name, sample) in samples {
        let content = content_of(&sample).unwrap();
        let content: Content = serde_json::from_value(typed(content))
            .unwrap_or_else(|error| panic!("{name} can't be read: {error}"));
        let built = request_body(&Outbound {
            to: "+573001234567".parse().unwrap(),
            content,
            callback: String::new(),
            reply_to: sample["context"]["message_id"].as_str().map(str::to_owned),
        })
        .unwrap();
        let kind = sample["type"].as_str().unwrap_or("text");
        let mut expected = sample[kind].clone();
        normalise(&mut expected);
        assert_eq!(built[kind], expected, "{name}");
        assert_eq!(built["context"], sample["context"], "{name}");
    }
}

/// What we write differently with the same meaning.
fn normalise(object: &mut Value) {
    if object.get("language").is_some() {
        object["language"]["policy"] = json!("deterministic");
    }
    for component in object["components"].as_array_mut().into_iter().flatten() {
        if let Some(index) = component["index"].as_u64() {
            component["index"] = json!(index.to_string());
        }
        if let Some(kind) = component["sub_type"].as_str() {
            component["sub_type"] = json!(kind.to_lowercase());
        }
        for parameter in component["parameters"].as_array_mut().into_iter().flatten() {
            // WhatsApp shows the text of a date and ignores its parts.
            if let Some(date) = parameter.get_mut("date_time") {
                *date = json!({"fallback_value": date["fallback_value"]});
            }
        }
        component.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    }
    object.as_object_mut().unwrap().retain(|_, value| !value.is_null());
}
