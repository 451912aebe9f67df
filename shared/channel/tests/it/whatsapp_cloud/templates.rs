//! Template definitions: read, checked, previewed, and matched with sends.

#![allow(clippy::needless_pass_by_value, reason = "JSON is written where it is used")]

use carillon_channel::whatsapp_cloud::WhatsappCloud;
use carillon_channel::whatsapp_cloud::content::{Component, TemplateContent};
use carillon_channel::whatsapp_cloud::template::{HeaderSlot, ParameterFormat, TemplateDefinition};
use carillon_channel::{Content, PreviewRequest, Provider as _};
use carillon_foundations::http_client::{Timeouts, http_client};
use serde_json::{Value, json};

use crate::payloads::files;

fn samples() -> Vec<(String, Value)> {
    let samples = files("pywa/template_create").into_iter();
    samples.map(|(name, body)| (name, serde_json::from_slice(&body).unwrap())).collect()
}

fn sample(name: &str) -> TemplateDefinition {
    let found = samples().into_iter().find(|(file, _)| file.ends_with(name));
    serde_json::from_value(found.unwrap_or_else(|| panic!("no {name}")).1).unwrap()
}

fn definition(body: &str, more: Value) -> TemplateDefinition {
    let mut definition = json!({
        "name": "order", "language": "es", "category": "UTILITY",
        "components": [{"type": "BODY", "text": body}],
    });
    for (field, value) in more.as_object().unwrap() {
        definition[field] = value.clone();
    }
    serde_json::from_value(definition).unwrap()
}

fn send(definition: &TemplateDefinition, components: Value) -> TemplateContent {
    serde_json::from_value(json!({
        "name": definition.name, "language": definition.language, "components": components,
    }))
    .unwrap()
}

fn misfits(definition: &TemplateDefinition, components: Value) -> Vec<String> {
    let problems = definition.fits(&send(definition, components)).err().unwrap_or_default();
    problems.into_iter().map(|problem| problem.field).collect()
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

#[test]
fn every_sample_reads_back_as_it_was_and_is_valid() {
    let samples = samples();
    assert!(samples.len() >= 13);
    for (name, mut sample) in samples {
        let definition: TemplateDefinition = serde_json::from_value(sample.clone()).unwrap();
        assert_eq!(definition.validate(), Ok(()), "{name}");
        sample["parameter_format"] = json!("POSITIONAL");
        assert_eq!(serde_json::to_value(&definition).unwrap(), sample, "{name}");
    }
}

#[test]
fn slots_tell_what_a_send_must_bring() {
    let cart = sample("abandoned_cart").slots();
    assert_eq!(cart.header, HeaderSlot::Text(vec!["1".to_owned()]));
    assert_eq!(cart.body, ["1"]);
    let carousel = sample("media_cards_v1").slots();
    assert_eq!((carousel.body.len(), carousel.cards.len()), (3, 3));
    assert_eq!(carousel.cards[0].buttons.len(), 2);
    let code = sample("copy_code_button").slots();
    assert_eq!((code.body.len(), code.buttons.len()), (1, 1));
    assert!(sample("caribbean_pkg_2023").slots().deadline);
}

#[test]
fn a_preview_shows_what_the_contact_will_see() {
    let promotion = sample("seasonal_promotion");
    let values: Vec<Component> = serde_json::from_value(json!([
        {"type": "header", "parameters": [text("Summer Sale")]},
        {"type": "body", "parameters": [text("August"), text("25OFF")]},
    ]))
    .unwrap();
    let preview = promotion.preview(&values);
    assert_eq!(preview.header.as_deref(), Some("Our Summer Sale is on!"));
    assert_eq!(
        preview.body,
        "Shop now through August and use code 25OFF to get {{3}} off of all merchandise."
    );
    assert!(preview.footer.is_some());
    assert_eq!(preview.buttons, ["Unsubscribe from Promos", "Unsubscribe from All"]);
    assert_eq!(sample("media_cards_v1").preview(&[]).cards.len(), 3);
}

#[test]
fn named_variables_are_filled_by_name() {
    let definition = definition(
        "Hi {{first_name}}, order {{ order }} is here.",
        json!({"parameter_format": "NAMED"}),
    );
    assert_eq!(definition.parameter_format, ParameterFormat::Named);
    let content = send(
        &definition,
        json!([{"type": "body", "parameters": [
            {"type": "text", "parameter_name": "order", "text": "7"},
            {"type": "text", "parameter_name": "first_name", "text": "Ana"},
        ]}]),
    );
    assert_eq!(definition.fits(&content), Ok(()));
    assert_eq!(definition.preview(&content.components).body, "Hi Ana, order 7 is here.");
    let wrong = json!([{"type": "body", "parameters": [
        {"type": "text", "parameter_name": "name", "text": "Ana"},
        {"type": "text", "parameter_name": "order", "text": "7"},
    ]}]);
    assert_eq!(misfits(&definition, wrong), ["template.components.body"]);
}

#[test]
fn a_send_fits_its_template_or_says_where_not() {
    let body = |values: &[&str]| {
        let values: Vec<_> = values.iter().map(|value| text(value)).collect();
        json!({"type": "body", "parameters": values})
    };
    let offer = sample("caribbean_pkg_2023");
    let image = json!({"type": "header", "parameters": [{"type": "image", "image": {"id": "1"}}]});
    let end = json!({"type": "limited_time_offer", "parameters": [
        {"type": "limited_time_offer", "limited_time_offer": {"expiration_time_ms": 1}},
    ]});
    let code = json!({"type": "button", "sub_type": "copy_code", "index": 0, "parameters": [
        {"type": "coupon_code", "coupon_code": "A"},
    ]});
    let url = json!({"type": "button", "sub_type": "url", "index": "1", "parameters": [text("a")]});
    let all = json!([image, end, body(&["Ana", "A"]), code, url]);
    assert_eq!(misfits(&offer, all), [""; 0]);
    assert_eq!(
        misfits(&offer, json!([body(&["Ana"])])),
        [
            "template.components.header",
            "template.components.body",
            "template.components.buttons[0]",
            "template.components.buttons[1]",
            "template.components.limited_time_offer",
        ],
    );
    let order = definition("Order {{1}} is here.", json!({}));
    assert_eq!(misfits(&order, json!([body(&["7"])])), [""; 0]);
    assert_eq!(misfits(&order, json!([body(&["7"]), image])), ["template.components.header"]);
    assert_eq!(misfits(&order, json!([body(&["7"]), url])), ["template.components.buttons[1]"]);
    let other =
        TemplateContent { name: "another".to_owned(), ..send(&order, json!([body(&["7"])])) };
    assert_eq!(order.fits(&other).unwrap_err()[0].field, "template.name");
}

#[test]
fn cards_must_fit_too() {
    let carousel = sample("media_cards_v1");
    let card = |index: u8| {
        json!({"card_index": index, "components": [
            {"type": "header", "parameters": [{"type": "image", "image": {"id": "1"}}]},
            {"type": "button", "sub_type": "url", "index": "1", "parameters": [text("aloe")]},
        ]})
    };
    let body = json!({"type": "body", "parameters": [text("a"), text("b"), text("c")]});
    let cards = |cards: Vec<Value>| json!([body, {"type": "carousel", "cards": cards}]);
    assert_eq!(misfits(&carousel, cards(vec![card(0), card(1), card(2)])), [""; 0]);
    assert_eq!(misfits(&carousel, cards(vec![card(0), card(1)])), ["template.components.carousel"]);
    let bare = json!({"card_index": 1, "components": []});
    assert_eq!(
        misfits(&carousel, cards(vec![card(0), bare, card(2)])),
        [
            "template.components.carousel.cards[1].header",
            "template.components.carousel.cards[1].buttons[1]",
        ],
    );
}

#[test]
fn new_templates_are_checked() {
    let example = |values: &[&str]| json!({"body_text": [values]});
    let body = |text: &str, example: Value| json!({"components": [{"type": "BODY", "text": text, "example": example}]});
    let with =
        |component: Value| json!({"components": [{"type": "BODY", "text": "Hello"}, component]});
    let button = |kind: &str, text: &str| json!({"type": kind, "text": text, "url": "https://x.org", "phone_number": "1"});
    let buttons = |buttons: Vec<Value>| with(json!({"type": "BUTTONS", "buttons": buttons}));
    for (more, fields) in [
        (body("Order {{1}} is here.", example(&["7"])), vec![]),
        (body("Order {{1}} is here.", example(&[])), vec!["components[0].example"]),
        (body("Order {{2}} is here.", example(&["7"])), vec!["components[0].text"]),
        (body("{{1}} is here.", example(&["7"])), vec!["components[0].text"]),
        (body("Here is {{1}}", example(&["7"])), vec!["components[0].text"]),
        (body("It is {{1}}{{2}} here", example(&["7", "8"])), vec!["components[0].text"]),
        (body(&"x".repeat(1025), json!({})), vec!["components[0].text"]),
        (json!({"components": []}), vec!["components"]),
        (json!({"name": "Order"}), vec!["name"]),
        (with(json!({"type": "FOOTER", "text": "{{1}}"})), vec!["components[1].text"]),
        (
            with(json!({"type": "HEADER", "format": "TEXT", "text": "x".repeat(61)})),
            vec!["components[1].text"],
        ),
        (buttons(vec![button("URL", "a"), button("URL", "b")]), vec![]),
        (
            buttons(vec![button("URL", "a"), button("URL", "b"), button("URL", "c")]),
            vec!["components[1].buttons"],
        ),
        (
            buttons(vec![button("QUICK_REPLY", &"x".repeat(26))]),
            vec!["components[1].buttons[0].text"],
        ),
        (
            buttons(vec![button("PHONE_NUMBER", "a"), button("PHONE_NUMBER", "b")]),
            vec!["components[1].buttons"],
        ),
    ] {
        let problems = definition("Hello", more.clone()).validate().err().unwrap_or_default();
        let found: Vec<_> = problems.into_iter().map(|problem| problem.field).collect();
        assert_eq!(found, fields, "{more}");
    }
}

#[test]
fn what_is_new_in_a_template_is_kept() {
    let new = json!({"type": "HOLOGRAM", "colour": "blue"});
    let button = json!({"type": "TELEPORT", "text": "Go", "where": "there"});
    let definition = definition(
        "Hello",
        json!({"components": [{"type": "BODY", "text": "Hello"}, new, {"type": "BUTTONS", "buttons": [button]}]}),
    );
    let written = serde_json::to_value(&definition).unwrap();
    assert_eq!(written["components"][1], new);
    assert_eq!(written["components"][2]["buttons"][0]["where"], "there");
}

fn provider() -> WhatsappCloud {
    WhatsappCloud::new(&http_client(Timeouts::default()).unwrap(), None)
}

#[test]
fn the_port_takes_and_refuses_the_same_definitions() {
    let provider = provider();
    let templates = provider.templates().unwrap();
    for (name, sample) in samples() {
        let summary = templates.validate(&sample).unwrap_or_else(|why| panic!("{name}: {why:?}"));
        assert_eq!(json!(summary.template.name), sample["name"], "{name}");
        assert_eq!(json!(summary.template.language), sample["language"], "{name}");
        assert_eq!(json!(summary.category.to_uppercase()), sample["category"], "{name}");
    }
    let body = json!([{"type": "BODY", "text": "Hello"}]);
    for (definition, field) in [
        (
            json!({"name": "a", "language": "es", "category": "SPELL", "components": body}),
            "category",
        ),
        (json!({"name": "A", "language": "es", "category": "UTILITY", "components": body}), "name"),
        (json!({"name": "a", "category": "UTILITY", "components": body}), "language"),
    ] {
        let problems = templates.validate(&definition).unwrap_err();
        assert_eq!(problems[0].field, field, "{problems:?}");
    }
}

#[test]
fn the_port_fits_and_previews_through_neutral_contents() {
    let provider = provider();
    let templates = provider.templates().unwrap();
    let definition = json!({
        "name": "order", "language": "es", "category": "UTILITY",
        "components": [{"type": "BODY", "text": "Hi {{1}}."}],
    });
    let content = |components: Value| -> Content {
        let template = json!({"name": "order", "language": "es", "components": components});
        serde_json::from_value(json!({ "type": "template", "template": template })).unwrap()
    };
    let body = json!([{"type": "body", "parameters": [text("{name}")]}]);
    assert_eq!(templates.fits(&definition, &content(body.clone())), Ok(()));
    let problems = templates.fits(&definition, &content(json!([]))).unwrap_err();
    assert_eq!(problems[0].field, "template.components.body");

    let variables = [("name".to_owned(), "Ana".to_owned()), ("1".to_owned(), "Eva".to_owned())];
    let components = body.as_array().unwrap().clone();
    for (components, shown) in [(components, "Hi Ana."), (Vec::new(), "Hi Eva.")] {
        let request = PreviewRequest { components, variables: variables.clone().into() };
        assert_eq!(templates.preview(&definition, &request).unwrap().body, shown);
    }
    let missing = PreviewRequest {
        components: body.as_array().unwrap().clone(),
        ..PreviewRequest::default()
    };
    let problems = templates.preview(&definition, &missing).unwrap_err();
    assert_eq!(problems[0].field, "variables");
}
