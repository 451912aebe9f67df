//! Contents: how they are written, checked by WhatsApp's rules and filled in.

#![allow(clippy::needless_pass_by_value, reason = "JSON is written where it is used")]

use std::collections::BTreeMap;

use carillon_channel::content::{MediaSource, Variable};
use carillon_channel::whatsapp_cloud::WhatsappCloud;
use carillon_channel::whatsapp_cloud::content::WhatsappContent;
use carillon_channel::whatsapp_cloud::request_body;
use carillon_channel::{Content, FieldCode, FieldProblem, Outbound, Provider as _, TemplateRef};
use carillon_foundations::http_client::{Timeouts, http_client};
use proptest::prelude::*;
use serde_json::{Value, json};
use utoipa::{PartialSchema as _, ToSchema as _};

use crate::typed;

fn read(content: &Value) -> Content {
    serde_json::from_value(typed(content.clone()))
        .unwrap_or_else(|error| panic!("{content}: {error}"))
}

fn provider() -> WhatsappCloud {
    WhatsappCloud::new(&http_client(Timeouts::default()).unwrap(), None)
}

/// Checks a content with its placeholders.
fn check(content: &Content) -> Result<(), Vec<FieldProblem>> {
    let provider = provider();
    content.check(|content| provider.validate(content))
}

/// Why a text is no content, or no content of WhatsApp's.
fn refused(content: &Value) -> String {
    match serde_json::from_value::<Content>(typed(content.clone())) {
        Ok(content) => WhatsappContent::read(&content).map(|_| ()).unwrap_err().to_string(),
        Err(error) => error.to_string(),
    }
}

/// A content in the form in which it is sent.
fn sent(content: Content) -> Value {
    let to = "+573001234567".parse().unwrap();
    request_body(&Outbound { to, content, callback: String::new(), reply_to: None }).unwrap()
}

fn columns(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Where the problems of a content are.
fn problems(content: &Value) -> Vec<String> {
    let found = check(&read(content)).err().unwrap_or_default();
    found.into_iter().map(|problem| problem.field).collect()
}

fn template(components: Value) -> Value {
    json!({"template": {"name": "promo", "language": "es", "components": components}})
}

/// A content with a placeholder in every place that may have one.
fn everything() -> Vec<Value> {
    vec![
        json!({"text": {"body": "Hi {a}", "preview_url": false}}),
        json!({"media": {"kind": "document", "link": "https://x.org/{a}", "caption": "{b}", "filename": "{c}"}}),
        json!({"media": {"kind": "image", "id": "{a}"}}),
        json!({"choices": {
            "body": "{a}", "footer": "{b}", "button": "{c}",
            "options": [{"id": "{d}", "title": "{e}", "description": "{f}"}],
        }}),
        json!({"interactive": {
            "type": "button", "header": {"type": "text", "text": "{a}"}, "body": {"text": "{b}"},
            "footer": {"text": "{c}"},
            "action": {"buttons": [{"type": "reply", "reply": {"id": "{d}", "title": "{e}"}}]},
        }}),
        json!({"interactive": {
            "type": "list", "body": {"text": "{a}"},
            "action": {"button": "{b}", "sections": [
                {"title": "{c}", "rows": [{"id": "{d}", "title": "{e}", "description": "{f}"}]},
            ]},
        }}),
        json!({"interactive": {
            "type": "cta_url", "header": {"type": "image", "image": {"link": "{a}"}}, "body": {"text": "{b}"},
            "action": {"name": "cta_url", "parameters": {"display_text": "{c}", "url": "https://x.org/{d}"}},
        }}),
        json!({"interactive": {
            "type": "flow", "body": {"text": "{a}"}, "action": {"name": "flow", "parameters": {
                "flow_token": "{b}", "flow_action_payload": {"data": {"list": ["{c}", 7, true, null]}},
            }},
        }}),
        template(json!([
            {"type": "header", "parameters": [{"type": "document", "document": {"link": "{a}", "filename": "{b}"}}]},
            {"type": "body", "parameters": [
                {"type": "text", "text": "{c}"},
                {"type": "currency", "currency": {"fallback_value": "{d}", "code": "USD", "amount_1000": 1}},
                {"type": "date_time", "date_time": {"fallback_value": "{e}"}},
            ]},
            {"type": "button", "sub_type": "url", "index": "0", "parameters": [{"type": "text", "text": "{f}"}]},
            {"type": "button", "sub_type": "quick_reply", "index": "1", "parameters": [{"type": "payload", "payload": "{g}"}]},
            {"type": "button", "sub_type": "copy_code", "index": "2", "parameters": [{"type": "coupon_code", "coupon_code": "{h}"}]},
            {"type": "button", "sub_type": "flow", "index": "3", "parameters": [{"type": "action", "action": {"flow_token": "{i}"}}]},
        ])),
        template(json!([{"type": "header", "parameters": [{"type": "location", "location": {
            "latitude": "{a}", "longitude": "{b}", "name": "{c}", "address": "{d}",
        }}]}])),
        template(json!([{"type": "carousel", "cards": [
            {"card_index": 0, "components": [{"type": "body", "parameters": [{"type": "text", "text": "{a}"}]}]},
            {"card_index": 1, "components": [{"type": "body", "parameters": [{"type": "text", "text": "{b}"}]}]},
        ]}])),
    ]
}

#[test]
fn a_content_reads_back_as_it_was_written() {
    for content in everything() {
        assert_eq!(serde_json::to_value(read(&content)).unwrap(), typed(content));
    }
}

#[test]
fn a_bare_text_is_a_text() {
    assert_eq!(
        serde_json::to_value(read(&json!({"text": "Hello"}))).unwrap(),
        json!({"type": "text", "text": {"body": "Hello", "preview_url": false}}),
    );
}

#[test]
fn placeholders_are_found_and_filled_in_everywhere() {
    let names = "abcdefghi";
    let values: BTreeMap<_, _> =
        names.chars().map(|c| (c.to_string(), c.to_string().repeat(3))).collect();
    for content in everything() {
        let read = read(&content);
        let written = content.to_string();
        let expected: Vec<_> =
            names.chars().filter(|c| written.contains(&format!("{{{c}}}"))).collect();
        let found: Vec<_> = read.variables().into_iter().map(|variable| variable.name).collect();
        assert_eq!(found, expected.iter().map(char::to_string).collect::<Vec<_>>(), "{content}");
        let rendered = serde_json::to_string(&read.render(&values).unwrap()).unwrap();
        assert!(expected.iter().all(|c| rendered.contains(&c.to_string().repeat(3))), "{rendered}");
        assert!(read.render(&BTreeMap::new()).is_err());
        assert_eq!(check(&read), Ok(()), "{content}");
    }
}

#[test]
fn variables_tell_whether_they_have_a_default() {
    let content = read(&json!({"text": "Hi {name|friend}, {order}"}));
    let variable = |name: &str, has_default| Variable { name: name.to_owned(), has_default };
    assert_eq!(
        content.variables().into_iter().collect::<Vec<_>>(),
        [variable("name", true), variable("order", false)],
    );
    let error = content.render(&columns(&[("name", "Ana")])).unwrap_err();
    assert_eq!(error.name, "order");
}

#[test]
fn rendering_does_not_fill_in_what_a_value_says() {
    let content = read(&json!({"text": "Hi {name} {{name}}"}));
    let rendered = content.render(&columns(&[("name", "{name} {x}")])).unwrap();
    assert_eq!(serde_json::to_value(&rendered).unwrap()["text"]["body"], "Hi {name} {x} {name}");
    assert_eq!(provider().validate(&rendered), Ok(()));
}

#[test]
fn values_in_templates_lose_what_meta_refuses_there() {
    let content = read(&template(json!([
        {"type": "body", "parameters": [{"type": "text", "text": "{address}"}]},
    ])));
    let rendered =
        content.render(&columns(&[("address", "Street 1\r\n\tBogotá      CO")])).unwrap();
    assert_eq!(
        sent(rendered)["template"]["components"][0]["parameters"][0]["text"],
        "Street 1 Bogotá CO",
    );
    let text = read(&json!({"text": "a\n{b}"})).render(&columns(&[("b", "c\nd")])).unwrap();
    assert_eq!(sent(text)["text"]["body"], "a\nc\nd");
}

#[test]
fn what_is_no_content_is_refused_with_a_reason() {
    for (content, reason) in [
        (json!({}), "type: is missing"),
        (
            json!({"text": "a", "media": {"kind": "image", "id": "1"}}),
            "is not a member of a message",
        ),
        (json!({"txt": "a"}), "is no kind of message of WhatsApp"),
        (json!({"text": {"body": "a", "bold": true}}), "text.bold: is not a member here"),
        (json!({"text": 7}), "a text, or an object with `body`"),
        (json!({"media": {"kind": "image"}}), "exactly one of `id` and `link`"),
        (json!({"media": {"kind": "image", "id": "1", "link": "https://x.org"}}), "exactly one"),
        (
            json!({"media": {"kind": "gif", "id": "1"}}),
            "media.kind: is not one of the allowed values",
        ),
        (json!({"choices": {"body": "a"}}), "choices.options: is missing"),
        (
            json!({"choices": {"body": "a", "options": [{"id": "1", "label": "b"}]}}),
            "choices.options[0].label: is not a member here",
        ),
        (json!({"interactive": {"body": {"text": "a"}}}), "needs a `type`"),
        (json!({"interactive": {"type": "button", "body": {"text": "a"}}}), "action: is missing"),
        (template(json!([{"type": "foot"}])), "template.components[0].type: is not one of"),
        (template(json!([{"type": "body", "parameters": [{"type": "text"}]}])), "text"),
        (
            template(
                json!([{"type": "button", "sub_type": "url", "index": "x", "parameters": []}]),
            ),
            "a button's index",
        ),
    ] {
        let error = refused(&content);
        assert!(error.contains(reason), "{content}: {error}");
    }
}

#[test]
fn lengths_and_counts_are_checked() {
    let long = |length: usize| "x".repeat(length);
    let button = |title: &str| json!({"type": "reply", "reply": {"id": title, "title": title}});
    let buttons = |buttons: Vec<Value>| json!({"interactive": {"type": "button", "body": {"text": "a"}, "action": {"buttons": buttons}}});
    let rows = |count: usize| -> Vec<Value> {
        (0..count).map(|row| json!({"id": row.to_string(), "title": "a"})).collect()
    };
    let list = |sections: Value| json!({"interactive": {"type": "list", "body": {"text": "a"}, "action": {"button": "b", "sections": sections}}});
    for (content, fields) in [
        (json!({"text": long(4096)}), vec![]),
        (json!({"text": "é".repeat(4096)}), vec![]),
        (json!({"text": long(4097)}), vec!["text.body"]),
        (json!({"text": " "}), vec!["text.body"]),
        (json!({"text": format!("{}{{name}}", long(4095))}), vec![]),
        (json!({"text": "a } b"}), vec!["placeholders"]),
        (
            json!({"media": {"kind": "image", "id": "1", "caption": long(1025)}}),
            vec!["media.caption"],
        ),
        (json!({"media": {"kind": "audio", "id": "1", "caption": "a"}}), vec!["media.caption"]),
        (json!({"media": {"kind": "image", "id": "1", "filename": "a"}}), vec!["media.filename"]),
        (json!({"media": {"kind": "image", "link": "ftp://x"}}), vec!["media.link"]),
        (buttons(vec![]), vec!["interactive.action.buttons"]),
        (buttons(vec![button("a"), button("b"), button("c")]), vec![]),
        (
            buttons(vec![button("a"), button("b"), button("c"), button("d")]),
            vec!["interactive.action.buttons"],
        ),
        (buttons(vec![button(&long(21))]), vec!["interactive.action.buttons[0].reply.title"]),
        (
            buttons(vec![button("a"), button("a")]),
            vec!["interactive.action.buttons", "interactive.action.buttons"],
        ),
        (list(json!([{"rows": rows(10)}])), vec![]),
        (
            list(json!([{"rows": rows(11)}])),
            vec!["interactive.action.sections[0].rows", "interactive.action.sections"],
        ),
        (
            list(
                json!([{"rows": [{"id": "1", "title": "a"}]}, {"title": "b", "rows": [{"id": "2", "title": "a"}]}]),
            ),
            vec!["interactive.action.sections"],
        ),
        (
            json!({"interactive": {"type": "flow", "body": {"text": long(1025)}}}),
            vec!["interactive.action", "interactive.body.text"],
        ),
    ] {
        assert_eq!(problems(&content), fields, "{content}");
    }
}

#[test]
fn templates_are_checked() {
    let text = json!({"type": "text", "text": "a"});
    let named = |name: &str| json!({"type": "text", "parameter_name": name, "text": "a"});
    let body = |parameters: Value| json!({"type": "body", "parameters": parameters});
    let button = |kind: &str, index: u8, value: Value| json!({"type": "button", "sub_type": kind, "index": index, "parameters": [value]});
    let cards = |count: u8| {
        let cards: Vec<_> = (0..count)
            .map(|index| json!({"card_index": index, "components": [body(json!([text]))]}))
            .collect();
        template(json!([{"type": "carousel", "cards": cards}]))
    };
    let uneven = template(json!([{"type": "carousel", "cards": [
        {"card_index": 0, "components": [button("quick_reply", 0, json!({"type": "payload", "payload": "a"}))]},
        {"card_index": 1, "components": []},
    ]}]));
    let name =
        |name: &str, language: &str| json!({"template": {"name": name, "language": language}});
    for (content, fields) in [
        (name("Promo", "es"), vec!["template.name"]),
        (name("promo", "spanish"), vec!["template.language"]),
        (name("promo", "pt_BR"), vec![]),
        (
            template(json!([body(json!([text, named("b")]))])),
            vec!["template.components[0].parameters"],
        ),
        (
            template(json!([body(json!([named("b"), named("b")]))])),
            vec!["template.components[0].parameters"],
        ),
        (template(json!([body(json!([text])), body(json!([text]))])), vec!["template.components"]),
        (
            template(json!([{"type": "header", "parameters": []}])),
            vec!["template.components[0].parameters"],
        ),
        (
            template(
                json!([{"type": "header", "parameters": [{"type": "payload", "payload": "a"}]}]),
            ),
            vec!["template.components[0].parameters[0]"],
        ),
        (
            template(json!([body(json!([{"type": "payload", "payload": "a"}]))])),
            vec!["template.components[0].parameters[0]"],
        ),
        (
            template(json!([button("url", 0, json!({"type": "payload", "payload": "a"}))])),
            vec!["template.components[0].parameters[0]"],
        ),
        (template(json!([button("url", 10, text.clone())])), vec!["template.components[0].index"]),
        (
            template(json!([button("url", 1, text.clone()), button("url", 1, text.clone())])),
            vec!["template.components"],
        ),
        (
            template(json!([button("url", 1, json!({"type": "text", "text": ""}))])),
            vec!["template.components[0].parameters[0].text"],
        ),
        (cards(1), vec!["template.components[0].cards"]),
        (cards(2), vec![]),
        (cards(10), vec![]),
        (cards(11), vec!["template.components[0].cards"]),
        (uneven, vec!["template.components[0].cards"]),
    ] {
        assert_eq!(problems(&content), fields, "{content}");
    }
}

/// Whoever wrote `choices` does not know the interactive message that is made of it.
#[test]
fn problems_of_choices_are_at_the_path_of_the_choices() {
    let choices = |options: Value| json!({"choices": {"body": "a", "options": options}});
    let rows = |count: usize| -> Vec<Value> {
        (0..count).map(|row| json!({"id": row.to_string(), "title": "a"})).collect()
    };
    for (content, fields) in [
        (choices(json!([])), ["choices.options"]),
        (choices(json!(rows(11))), ["choices.options"]),
        (choices(json!([{"id": "1", "title": "x".repeat(25)}])), ["choices.options[0].title"]),
    ] {
        assert_eq!(problems(&content), fields, "{content}");
    }
}

#[test]
fn a_problem_says_where_and_what() {
    let problem = check(&read(&json!({"text": ""}))).unwrap_err().remove(0);
    let expected = FieldProblem::new("text.body", FieldCode::WrongLength, "must not be empty");
    assert_eq!(problem, expected);
}

/// Free-form contents need an open service window; templates need none.
#[test]
fn only_templates_name_a_template() {
    let provider = provider();
    for content in everything() {
        let template = content.get("template").map(|template| TemplateRef {
            name: template["name"].as_str().unwrap().to_owned(),
            language: template["language"].as_str().unwrap().to_owned(),
        });
        assert_eq!(provider.template_of(&read(&content)), template, "{content}");
    }
}

#[test]
fn no_debug_form_tells_a_text() {
    for content in everything() {
        let shown = format!("{:?}", read(&content));
        assert!(!shown.contains('{') && shown.starts_with("Content::"), "{shown}");
    }
}

#[test]
fn media_sources_are_told_apart() {
    let Content::Media(media) = read(&json!({"media": {"kind": "image", "link": "https://x.org"}}))
    else {
        panic!()
    };
    assert!(matches!(media.source, MediaSource::Link(link) if link == "https://x.org"));
}

#[test]
fn the_openapi_schemas_name_all_parts() {
    let provided = provider().schemas();
    let mut neutral = Vec::new();
    Content::schemas(&mut neutral);
    let names: Vec<_> =
        neutral.iter().chain(&provided.schemas).map(|(name, _)| name.as_str()).collect();
    for part in ["TemplateContent", "Component", "Parameter", "Card", "Text", "Interactive", "Row"]
    {
        assert!(names.contains(&part), "{part} is not in {names:?}");
    }
    for (kind, schema) in &provided.contents {
        assert!(names.contains(schema), "{kind}");
    }
    let content = serde_json::to_value(Content::schema()).unwrap();
    assert_eq!(content["oneOf"].as_array().map(Vec::len), Some(3), "{content}");
}

proptest! {
    #[test]
    fn rendering_never_panics(text in "[ab{}| ]{0,24}", a in "\\PC{0,8}", b in ".{0,8}") {
        let content = read(&json!({"text": text}));
        let _ = check(&content);
        let _ = content.variables();
        let rendered = content.render(&columns(&[("a", &a), ("b", &b)]));
        let names = content.variables().into_iter().map(|variable| variable.name);
        if names.into_iter().all(|name| name == "a") && !a.trim().is_empty() {
            prop_assert!(rendered.is_ok());
        }
    }

    #[test]
    fn a_text_without_braces_stays_as_it_is(text in "[^{}]{0,40}") {
        let content = read(&json!({"text": text}));
        prop_assert!(content.render(&BTreeMap::new()).unwrap() == content);
    }

    #[test]
    fn an_escaped_text_renders_to_itself(text in ".{0,40}") {
        let escaped = text.replace('{', "{{").replace('}', "}}");
        let rendered = read(&json!({"text": escaped})).render(&BTreeMap::new()).unwrap();
        let expected = read(&json!({"text": text}));
        prop_assert!(rendered == expected);
    }
}
