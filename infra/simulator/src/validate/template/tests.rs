use serde_json::json;

use super::*;
use crate::config::Config;
use crate::media::MediaStore;
use crate::numbering::Numbering;
use crate::templates::Templates;

fn templates() -> Templates {
    let mut templates = Templates::default();
    for template in [
        json!({ "name": "plain", "components": [
            { "type": "BODY", "text": "{{1}} {{2}} {{3}}" },
        ]}),
        json!({ "name": "image", "components": [
            { "type": "HEADER", "format": "IMAGE" },
            { "type": "BODY", "text": "Hello" },
            { "type": "BUTTONS", "buttons": [
                { "type": "QUICK_REPLY", "text": "Stop" },
                { "type": "URL", "text": "Open", "url": "https://example.com/{{1}}" },
            ]},
        ]}),
        json!({ "name": "named", "parameter_format": "NAMED", "components": [
            { "type": "BODY", "text": "Order {{order_id}}" },
        ]}),
        json!({ "name": "code", "category": "AUTHENTICATION", "components": [
            { "type": "BODY" }, { "type": "BUTTONS", "buttons": [{ "type": "OTP" }] },
        ]}),
        json!({ "name": "paused", "status": "PAUSED" }),
    ] {
        templates.insert(Template::parse(template, 1).unwrap());
    }
    templates
}

fn send(name: &str, components: &Value, to: &Value) -> Result<Category, ApiError> {
    let templates = templates();
    let numbering = Numbering::new(&Config::default());
    let business_number = "15550100001";
    let context = ValidationContext {
        templates: &templates,
        strict_templates: true,
        media: &MediaStore::default(),
        strict_media: false,
        numbering: &numbering,
        phone_number_id: "1",
        business_number,
        now: 0,
    };
    let object = json!({ "name": name, "language": { "code": "en_US" }, "components": components });
    let recipient = Recipient::parse(to, &numbering, business_number).unwrap();
    check(&object, &recipient, &context).map(|(_, category)| category)
}

fn refused(name: &str, components: &Value) -> ApiError {
    send(name, components, &json!({ "to": "+14155550101" })).unwrap_err()
}

fn body(count: usize) -> Value {
    json!({ "type": "body", "parameters": vec![json!({ "type": "text", "text": "x" }); count] })
}

fn image_header() -> Value {
    json!({ "type": "header", "parameters": [{ "type": "image", "image": { "id": "1" } }] })
}

fn url_button(index: &Value) -> Value {
    let parameters = json!([{ "type": "text", "text": "x" }]);
    json!({ "type": "button", "sub_type": "url", "index": index, "parameters": parameters })
}

#[test]
fn errors_carry_metas_details() {
    let cases = [
        ("nope", json!([]), 132_001, "template name (nope) does not exist in en_US"),
        (
            "plain",
            json!([body(1)]),
            132_000,
            "body: number of localizable_params (1) does not match the expected number of params (3)",
        ),
        (
            "plain",
            json!([{ "type": "body", "parameters": [{ "type": "text" }] }]),
            100,
            "Parameter 'text' is mandatory for component parameter type 'text'",
        ),
        ("image", json!([]), 132_012, "header: Format mismatch, expected IMAGE, received UNKNOWN"),
        (
            "image",
            json!([{ "type": "header", "parameters": [{ "type": "text", "text": "x" }] }]),
            132_012,
            "header: Format mismatch, expected IMAGE, received TEXT",
        ),
        (
            "image",
            json!([{ "type": "header", "parameters": [{ "type": "image", "image": {} }] }]),
            132_018,
            "Either one of media ID or link must be present",
        ),
        (
            "image",
            json!([image_header()]),
            131_008,
            "buttons: TemplateButton at index 1 of type Url requires a parameter",
        ),
        (
            "image",
            json!([image_header(), { "type": "button", "sub_type": "quick_reply", "index": 1 }]),
            132_018,
            "buttons: TemplateButton at index 1 must be of type Url",
        ),
        ("named", json!([body(1)]), 100, "Parameter name is missing or empty"),
        (
            "named",
            json!([{ "type": "body", "parameters": [
                { "type": "text", "text": "x", "parameter_name": "other" },
            ]}]),
            100,
            "Parameter name is missing for the parameter '{{order_id}}'",
        ),
    ];
    for (name, components, code, details) in cases {
        assert_eq!(
            refused(name, &components),
            ApiError::with_details(code, details),
            "{name} {components}"
        );
    }
}

#[test]
fn matching_parameters_are_accepted() {
    let to = json!({ "to": "+14155550101" });
    assert!(send("plain", &json!([body(3)]), &to).is_ok());
    for index in [json!("1"), json!(1)] {
        assert!(send("image", &json!([image_header(), url_button(&index)]), &to).is_ok());
    }
    let code = json!([body(1), url_button(&json!(0))]);
    assert_eq!(send("code", &code, &to), Ok(Category::Authentication));
}

#[test]
fn an_authentication_template_needs_a_phone_number_and_a_paused_template_is_refused() {
    let code = json!([body(1), url_button(&json!(0))]);
    let to_user = json!({ "recipient": "US.1" });
    assert_eq!(send("code", &code, &to_user).unwrap_err().code, 131_062);
    assert_eq!(refused("paused", &json!([])).code, 132_015);
}
