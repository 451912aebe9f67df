use serde_json::json;

use super::*;
use crate::templates::Templates;

fn templates() -> Templates {
    let mut templates = Templates::default();
    for template in [
        json!({ "name": "plain", "components": [
            { "type": "BODY", "text": "{{1}} {{2}} {{3}}" },
        ]}),
        json!({ "name": "picture", "components": [
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
        json!({ "name": "resting", "status": "PAUSED" }),
    ] {
        templates.put(Template::read(template, 1).unwrap());
    }
    templates
}

fn send(name: &str, components: &Value, to: &Value) -> Result<Category, ApiError> {
    let templates = templates();
    let rules = Rules {
        templates: &templates,
        strict_templates: true,
        seed: 1,
        rewrite_wa_ids: false,
        now: 0,
    };
    let object = json!({ "name": name, "language": { "code": "en_US" }, "components": components });
    let addressee = Addressee::of(to, 1, false).unwrap();
    check(&object, &addressee, &rules).map(|(_, category)| category)
}

fn refusal(name: &str, components: &Value) -> ApiError {
    send(name, components, &json!({ "to": "+14155550101" })).unwrap_err()
}

fn words(count: usize) -> Value {
    json!({ "type": "body", "parameters": vec![json!({ "type": "text", "text": "x" }); count] })
}

fn picture() -> Value {
    json!({ "type": "header", "parameters": [{ "type": "image", "image": { "id": "1" } }] })
}

fn link(index: &Value) -> Value {
    let parameters = json!([{ "type": "text", "text": "x" }]);
    json!({ "type": "button", "sub_type": "url", "index": index, "parameters": parameters })
}

#[test]
fn errors_carry_the_details_that_were_captured() {
    let cases = [
        ("nope", json!([]), 132_001, "template name (nope) does not exist in en_US"),
        (
            "plain",
            json!([words(1)]),
            132_000,
            "body: number of localizable_params (1) does not match the expected number of params (3)",
        ),
        (
            "plain",
            json!([{ "type": "body", "parameters": [{ "type": "text" }] }]),
            100,
            "Parameter 'text' is mandatory for component parameter type 'text'",
        ),
        (
            "picture",
            json!([]),
            132_012,
            "header: Format mismatch, expected IMAGE, received UNKNOWN",
        ),
        (
            "picture",
            json!([{ "type": "header", "parameters": [{ "type": "text", "text": "x" }] }]),
            132_012,
            "header: Format mismatch, expected IMAGE, received TEXT",
        ),
        (
            "picture",
            json!([{ "type": "header", "parameters": [{ "type": "image", "image": {} }] }]),
            132_018,
            "Either one of media ID or link must be present",
        ),
        (
            "picture",
            json!([picture()]),
            131_008,
            "buttons: Button at index 1 of type Url requires a parameter",
        ),
        (
            "picture",
            json!([picture(), { "type": "button", "sub_type": "quick_reply", "index": 1 }]),
            132_018,
            "buttons: Button at index 1 must be of type Url",
        ),
        ("named", json!([words(1)]), 100, "Parameter name is missing or empty"),
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
            refusal(name, &components),
            ApiError::with(code, details),
            "{name} {components}"
        );
    }
}

#[test]
fn what_fits_passes() {
    let to = json!({ "to": "+14155550101" });
    assert!(send("plain", &json!([words(3)]), &to).is_ok());
    for index in [json!("1"), json!(1)] {
        assert!(send("picture", &json!([picture(), link(&index)]), &to).is_ok());
    }
    let code = json!([words(1), link(&json!(0))]);
    assert_eq!(send("code", &code, &to), Ok(Category::Authentication));
}

#[test]
fn a_code_needs_a_phone_and_a_paused_template_rests() {
    let code = json!([words(1), link(&json!(0))]);
    let to_user = json!({ "recipient": "US.1" });
    assert_eq!(send("code", &code, &to_user).unwrap_err().code, 131_062);
    assert_eq!(refusal("resting", &json!([])).code, 132_015);
}
