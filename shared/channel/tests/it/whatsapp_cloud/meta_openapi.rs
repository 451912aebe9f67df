//! Every kind of request that we can build is one that Meta's OpenAPI document
//! describes.
//!
//! The document is not part of this repository. It is looked for where
//! `CARILLON_META_OPENAPI` says, or else beside the repository. The feature
//! `meta-openapi` turns these tests on, because their validator is large.

#![allow(clippy::needless_pass_by_value, reason = "JSON is written where it is used")]

use std::sync::LazyLock;

use carillon_channel::Outbound;
use carillon_channel::whatsapp_cloud::request_body;
use jsonschema::Validator;
use serde_json::{Value, json};

use super::requests::outbound;
use crate::payloads::reference;

const FILE: &str = "openapi/business-messaging-api_v23.0.yaml";

fn document() -> Value {
    let text = reference("CARILLON_META_OPENAPI", FILE);
    let text = text.expect("CARILLON_META_OPENAPI names Meta's OpenAPI document");
    serde_norway::from_slice(&text).expect("the OpenAPI document is YAML")
}

/// The schemas of the document, ready for use. Version 23 has some faults and
/// gaps, which are mended here, each with its reason.
static SCHEMAS: LazyLock<Value> = LazyLock::new(|| {
    let mut document = document();
    let mut schemas = document["components"]["schemas"].take();
    mend(&mut schemas);
    extend(&mut schemas);
    schemas
});

/// Faults of the document.
fn mend(schemas: &mut Value) {
    // Two halves of a message that refuse each other's fields: read as one
    // message that has the fields of both and no others.
    for (name, schema) in schemas.as_object_mut().unwrap() {
        if name.ends_with("Message") && schema["allOf"][1]["additionalProperties"] == false {
            schema["allOf"][1].as_object_mut().unwrap().remove("additionalProperties");
            schema["unevaluatedProperties"] = json!(false);
        }
    }
    // A pattern of characters where a range of numbers was meant.
    for name in ["/TemplateComponent/properties", "/ButtonComponent/allOf/1/properties"] {
        let pattern = schemas.pointer_mut(&format!("{name}/index/pattern")).unwrap();
        assert_eq!(pattern, "^[2-6, 11-14]$");
        *pattern = json!("^[0-9]$");
    }
}

/// What Meta's pages describe and the document leaves out.
fn extend(schemas: &mut Value) {
    // Given along with a message and returned in each of its statuses.
    schemas["BaseMessageProperties"]["properties"]["biz_opaque_callback_data"] =
        json!({"type": "string", "maxLength": 512});
    // Since July 2026 a message may go to a BSUID instead of a number.
    let base = &mut schemas["BaseMessageProperties"];
    base["required"].as_array_mut().unwrap().retain(|field| field != "to");
    base["oneOf"] = json!([{"required": ["to"]}, {"required": ["recipient"]}]);
    base["properties"]["recipient"] = json!({"type": "string"});
    let mut allow = |pointer: &str, more: &[&str]| {
        let values = schemas.pointer_mut(pointer).unwrap().as_array_mut().unwrap();
        values.extend(more.iter().map(|value| json!(value)));
    };
    allow("/InteractiveObject/properties/type/enum", &["cta_url", "location_request_message"]);
    allow("/TemplateComponent/properties/type/enum", &["carousel", "limited_time_offer"]);
    for place in ["/TemplateComponent/properties", "/ButtonComponent/allOf/1/properties"] {
        allow(&format!("{place}/sub_type/enum"), &["copy_code", "flow", "mpm"]);
    }
    allow("/ButtonParameterObject/properties/type/enum", &["coupon_code", "action"]);
    allow("/ParameterObject/properties/type/enum", &["location", "product", "limited_time_offer"]);
    let actions = schemas["ActionObject"]["oneOf"].as_array_mut().unwrap();
    actions.push(json!({
        "required": ["name", "parameters"],
        "properties": {
            "name": {"const": "cta_url"},
            "parameters": {"required": ["display_text", "url"]},
        },
    }));
    actions.push(json!({"required": ["name"], "properties": {"name": {"const": "send_location"}}}));
    // A list's body may be four times as long as others.
    schemas["BodyObject"]["properties"]["text"]["maxLength"] = json!(4096);
}

fn validator(name: &str) -> Validator {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$ref": format!("#/components/schemas/{name}"),
        "components": {"schemas": *SCHEMAS},
    });
    jsonschema::draft202012::new(&schema).expect("the document's schemas are valid")
}

fn faults(name: &str, value: &Value) -> Vec<String> {
    validator(name).iter_errors(value).map(|error| format!("{name}: {error}")).collect()
}

/// The document tells the kinds of components and parameters apart by
/// "discriminators", which JSON Schema does not know: they are followed here.
fn faults_of_request(request: &Value) -> Vec<String> {
    let mut found = faults("Message", request);
    for component in list(&request["template"]["components"]) {
        found.extend(faults_of_component(component));
    }
    found
}

fn faults_of_component(component: &Value) -> Vec<String> {
    let parameters = list(&component["parameters"]).iter();
    match component["type"].as_str().unwrap() {
        "header" => {
            let below = parameters.flat_map(faults_of_parameter);
            faults("HeaderComponent", component).into_iter().chain(below).collect()
        }
        "body" => {
            let below = parameters.flat_map(faults_of_parameter);
            faults("BodyComponent", component).into_iter().chain(below).collect()
        }
        "button" => faults("ButtonComponent", component),
        "carousel" => {
            let cards = list(&component["cards"]).iter();
            cards.flat_map(|card| list(&card["components"])).flat_map(faults_of_component).collect()
        }
        _ => Vec::new(),
    }
}

fn faults_of_parameter(parameter: &Value) -> Vec<String> {
    let name = match parameter["type"].as_str().unwrap() {
        "text" => "TextParameter",
        "currency" => "CurrencyParameter",
        "date_time" => "DateTimeParameter",
        "image" => "ImageParameter",
        "video" => "VideoParameter",
        "document" => "DocumentParameter",
        _ => "ParameterObject",
    };
    faults(name, parameter)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

// The requests.

/// One content of every kind there is.
fn contents() -> Vec<Value> {
    [texts(), media(), choices(), interactive(), templates()].concat()
}

fn texts() -> Vec<Value> {
    vec![
        json!({"text": "Hello"}),
        json!({"text": {"body": "See https://example.com", "preview_url": true}}),
    ]
}

fn media() -> Vec<Value> {
    let kinds = ["image", "video", "audio", "document", "sticker"];
    let mut contents: Vec<Value> = kinds
        .iter()
        .flat_map(|kind| {
            [
                json!({"media": {"kind": kind, "id": "4490709327384033"}}),
                json!({"media": {"kind": kind, "link": "https://example.com/file"}}),
            ]
        })
        .collect();
    contents.push(json!({"media": {
        "kind": "document", "id": "1", "caption": "Your invoice", "filename": "invoice.pdf",
    }}));
    contents
}

fn choices() -> Vec<Value> {
    let options = json!([{"id": "yes", "title": "Yes"}, {"id": "no", "title": "No"}]);
    let described = json!([{"id": "yes", "title": "Yes", "description": "with children"}]);
    vec![
        json!({"choices": {"body": "Coming?", "options": options}}),
        json!({"choices": {"body": "Coming?", "footer": "Reply any time", "options": described}}),
        json!({"choices": {"body": "Coming?", "button": "Answer", "options": options}}),
    ]
}

fn interactive() -> Vec<Value> {
    let buttons = json!({"buttons": [
        {"type": "reply", "reply": {"id": "yes", "title": "Yes"}},
        {"type": "reply", "reply": {"id": "no", "title": "No"}},
    ]});
    let list = json!({"button": "Choose", "sections": [
        {"title": "Morning", "rows": [{"id": "9", "title": "9:00", "description": "Early"}]},
        {"title": "Evening", "rows": [{"id": "18", "title": "18:00"}]},
    ]});
    let link = json!({"name": "cta_url", "parameters": {"display_text": "Open", "url": "https://example.com"}});
    let flow = json!({"name": "flow", "parameters": {
        "flow_message_version": "3", "flow_id": "1", "flow_cta": "Open",
    }});
    let catalogue =
        json!({"name": "catalog_message", "parameters": {"thumbnail_product_retailer_id": "1"}});
    let message = |kind: &str, action: &Value| json!({"interactive": {"type": kind, "body": {"text": "Well?"}, "action": action}});
    let mut contents = vec![
        message("button", &buttons),
        message("list", &list),
        message("cta_url", &link),
        message("flow", &flow),
        message("catalog_message", &catalogue),
        message("product", &json!({"catalog_id": "1", "product_retailer_id": "2"})),
        message("location_request_message", &json!({"name": "send_location"})),
    ];
    for header in [
        json!({"type": "text", "text": "News"}),
        json!({"type": "image", "image": {"id": "1"}}),
        json!({"type": "video", "video": {"link": "https://example.com/v.mp4"}}),
        json!({"type": "document", "document": {"id": "1", "filename": "a.pdf"}}),
    ] {
        let mut content = message("button", &buttons);
        content["interactive"]["header"] = header;
        content["interactive"]["footer"] = json!({"text": "Reply any time"});
        contents.push(content);
    }
    contents
}

fn templates() -> Vec<Value> {
    let template = |components: Value| json!({"template": {"name": "promo_1", "language": "en_US", "components": components}});
    let header = |value: Value| template(json!([{"type": "header", "parameters": [value]}]));
    let button = |kind: &str, value: Value| {
        template(json!([{"type": "button", "sub_type": kind, "index": 0, "parameters": [value]}]))
    };
    let card = |index: u8| {
        json!({"card_index": index, "components": [
            {"type": "header", "parameters": [{"type": "image", "image": {"id": "1"}}]},
            {"type": "body", "parameters": [{"type": "text", "text": "30%"}]},
            {"type": "button", "sub_type": "quick_reply", "index": "0", "parameters": [{"type": "payload", "payload": "more"}]},
            {"type": "button", "sub_type": "url", "index": "1", "parameters": [{"type": "text", "text": "aloe"}]},
        ]})
    };
    vec![
        json!({"template": {"name": "hello_world", "language": "en_US"}}),
        json!({"template": {"name": "hello_world", "language": {"code": "en_US", "policy": "deterministic"}}}),
        header(json!({"type": "text", "text": "Ana"})),
        header(json!({"type": "image", "image": {"link": "https://example.com/i.png"}})),
        header(json!({"type": "video", "video": {"id": "1"}})),
        header(json!({"type": "document", "document": {"id": "1", "filename": "a.pdf"}})),
        header(
            json!({"type": "location", "location": {"latitude": 4.7, "longitude": "-74.1", "name": "Shop", "address": "Street 1"}}),
        ),
        header(
            json!({"type": "product", "product": {"product_retailer_id": "1", "catalog_id": "2"}}),
        ),
        template(json!([{"type": "body", "parameters": [
            {"type": "text", "text": "Ana"},
            {"type": "currency", "currency": {"fallback_value": "$1", "code": "USD", "amount_1000": 1000}},
            {"type": "date_time", "date_time": {"fallback_value": "Monday"}},
        ]}])),
        template(json!([{"type": "body", "parameters": [
            {"type": "text", "parameter_name": "first_name", "text": "Ana"},
            {"type": "text", "parameter_name": "order_id", "text": "7"},
        ]}])),
        button("quick_reply", json!({"type": "payload", "payload": "stop"})),
        button("url", json!({"type": "text", "text": "summer"})),
        button("copy_code", json!({"type": "coupon_code", "coupon_code": "SAVE10"})),
        button(
            "flow",
            json!({"type": "action", "action": {"flow_token": "t", "flow_action_data": {"a": 1}}}),
        ),
        button(
            "catalog",
            json!({"type": "action", "action": {"thumbnail_product_retailer_id": "1"}}),
        ),
        button(
            "mpm",
            json!({"type": "action", "action": {"thumbnail_product_retailer_id": "1", "sections": [
                {"title": "Best", "product_items": [{"product_retailer_id": "1"}]},
            ]}}),
        ),
        template(json!([{"type": "limited_time_offer", "parameters": [
            {"type": "limited_time_offer", "limited_time_offer": {"expiration_time_ms": 1_792_000_000_000_i64}},
        ]}])),
        template(json!([
            {"type": "body", "parameters": [{"type": "text", "text": "Ana"}]},
            {"type": "carousel", "cards": [card(0), card(1)]},
        ])),
    ]
}

// The tests.

#[test]
fn every_kind_of_request_is_described_by_metas_document() {
    for content in contents() {
        let mut message = outbound(content.clone());
        let reply = Outbound { reply_to: Some("wamid.X".to_owned()), ..message.clone() };
        let answers = request_body(&reply).unwrap();
        message.to = "CO.13491208655302741918".parse().unwrap();
        for request in [answers, request_body(&message).unwrap()] {
            assert_eq!(faults_of_request(&request), [""; 0], "{request}");
        }
    }
}

#[test]
fn the_mended_document_still_refuses_what_is_wrong() {
    let good = request_body(&outbound(json!({"text": "Hello"}))).unwrap();
    for (field, value) in [
        ("text", json!({"body": 7})),
        ("text", json!({"txt": "Hello"})),
        ("type", json!("words")),
        ("recipient", json!("CO.1")),
        ("extra", json!(1)),
        ("biz_opaque_callback_data", json!("x".repeat(513))),
    ] {
        let mut bad = good.clone();
        bad[field] = value;
        assert_ne!(faults_of_request(&bad), [""; 0], "{bad}");
    }
    let template = json!({"template": {"name": "a", "language": "en", "components": [
        {"type": "header", "parameters": [{"type": "image", "image": {"id": "1"}}]},
    ]}});
    let mut bad = request_body(&outbound(template)).unwrap();
    bad["template"]["components"][0]["parameters"][0]["image"] = json!({});
    assert_ne!(faults_of_request(&bad), [""; 0]);
}
