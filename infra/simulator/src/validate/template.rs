//! Template messages, checked against the template when it is known. The order
//! is Meta's: parameter objects, header format, counts, names, buttons.

use std::sync::Arc;

use serde_json::Value;

use super::content::{present, text};
use super::{Checked, Rules};
use crate::errors::ApiError;
use crate::people::Addressee;
use crate::templates::{Button, Category, Shape, Template};

const NAME_LIMIT: usize = 512;

pub(super) fn check(
    object: &Value,
    addressee: &Addressee,
    rules: &Rules,
) -> Result<(Option<Arc<str>>, Category), ApiError> {
    let name = text(object, "name", "template['name']", NAME_LIMIT)?;
    let language = text(&object["language"], "code", "template['language']['code']", NAME_LIMIT)?;
    let components = &object["components"];
    let Some(template) = rules.templates.get(name, language) else {
        return unknown(name, language, components, rules);
    };
    sendable(template, rules.now)?;
    if addressee.is_user_id() && template.category == Category::Authentication {
        return Err(ApiError::of(131_062));
    }
    objects(components)?;
    fits(components, &template.shape)?;
    Ok((Some(Arc::clone(&template.name)), template.category))
}

fn unknown(
    name: &str,
    language: &str,
    components: &Value,
    rules: &Rules,
) -> Result<(Option<Arc<str>>, Category), ApiError> {
    if rules.strict_templates {
        return Err(missing(name, language));
    }
    objects(components)?;
    Ok((Some(name.into()), Category::Marketing))
}

fn missing(name: &str, language: &str) -> ApiError {
    ApiError::with(132_001, format!("template name ({name}) does not exist in {language}"))
}

fn sendable(template: &Template, now: u64) -> Checked {
    match template.status(now) {
        "PAUSED" => Err(ApiError::of(132_015)),
        "DISABLED" => Err(ApiError::of(132_016)),
        "APPROVED" => Ok(()),
        _ => Err(missing(&template.name, &template.language)),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn is(component: &Value, kind: &str) -> bool {
    component["type"].as_str().is_some_and(|word| word.eq_ignore_ascii_case(kind))
}

fn parameters<'a>(components: &'a Value, kind: &str) -> &'a [Value] {
    let component = list(components).iter().find(|component| is(component, kind));
    component.map_or(&[], |component| list(&component["parameters"]))
}

/// Every parameter has the object its type names.
fn objects(components: &Value) -> Checked {
    for component in list(components) {
        list(&component["parameters"]).iter().try_for_each(parameter)?;
        list(&component["cards"]).iter().try_for_each(|card| objects(&card["components"]))?;
    }
    Ok(())
}

fn parameter(parameter: &Value) -> Checked {
    let kind = parameter["type"].as_str().unwrap_or_default();
    match kind {
        "" => Err(ApiError::with(131_008, "Parameter 'type' is missing")),
        "image" | "video" | "document" => media(&parameter[kind]),
        "payload" | "coupon_code" | "text" if present(parameter, kind).is_none() => {
            Err(mandatory(kind))
        }
        "currency" | "date_time" | "location" | "action" | "limited_time_offer"
            if !parameter[kind].is_object() =>
        {
            Err(mandatory(kind))
        }
        _ => Ok(()),
    }
}

fn mandatory(kind: &str) -> ApiError {
    let details = format!("Parameter '{kind}' is mandatory for component parameter type '{kind}'");
    ApiError::with(100, details)
}

fn media(object: &Value) -> Checked {
    match (present(object, "id"), present(object, "link")) {
        (Some(_), None) | (None, Some(_)) => Ok(()),
        _ => Err(ApiError::of(132_018)),
    }
}

fn fits(components: &Value, shape: &Shape) -> Checked {
    header_format(components, shape)?;
    count(components, "header", &shape.header_variables, !has_media_header(shape))?;
    count(components, "body", &shape.body_variables, true)?;
    names(components, shape)?;
    buttons(components, &shape.buttons)?;
    cards(components, &shape.cards)
}

fn has_media_header(shape: &Shape) -> bool {
    matches!(shape.header.as_deref(), Some("IMAGE" | "VIDEO" | "DOCUMENT" | "LOCATION"))
}

fn header_format(components: &Value, shape: &Shape) -> Checked {
    let given = parameters(components, "header").first();
    let received = given.and_then(|parameter| parameter["type"].as_str());
    let received = received.map_or("UNKNOWN".into(), str::to_ascii_uppercase);
    let expected = shape.header.as_deref().unwrap_or("TEXT");
    let matches = match expected {
        "TEXT" => !matches!(received.as_str(), "IMAGE" | "VIDEO" | "DOCUMENT" | "LOCATION"),
        format => format == received,
    };
    if matches {
        return Ok(());
    }
    let details = format!("header: Format mismatch, expected {expected}, received {received}");
    Err(ApiError::with(132_012, details))
}

fn count(components: &Value, part: &str, expected: &[String], counts: bool) -> Checked {
    let given = parameters(components, part).len();
    if !counts || given == expected.len() {
        return Ok(());
    }
    let details = format!(
        "{part}: number of localizable_params ({given}) does not match the expected number of \
         params ({})",
        expected.len()
    );
    Err(ApiError::with(132_000, details))
}

fn names(components: &Value, shape: &Shape) -> Checked {
    if !shape.named {
        return Ok(());
    }
    named(parameters(components, "body"), &shape.body_variables)?;
    if has_media_header(shape) {
        return Ok(());
    }
    named(parameters(components, "header"), &shape.header_variables)
}

fn named(given: &[Value], expected: &[String]) -> Checked {
    let names: Vec<_> = given.iter().map(|each| present(each, "parameter_name")).collect();
    if names.contains(&None) {
        return Err(ApiError::with(100, "Parameter name is missing or empty"));
    }
    match expected.iter().find(|name| !names.contains(&Some(name))) {
        None => Ok(()),
        Some(name) => {
            let details = format!("Parameter name is missing for the parameter '{{{{{name}}}}}'");
            Err(ApiError::with(100, details))
        }
    }
}

fn buttons(components: &Value, expected: &[Button]) -> Checked {
    let given: Vec<_> =
        list(components).iter().filter(|component| is(component, "button")).collect();
    for component in &given {
        given_button(component, expected)?;
    }
    for (index, button) in expected.iter().enumerate() {
        let is_given = given.iter().any(|component| position(component) == Some(index));
        if button.needs_parameter && !is_given {
            return Err(needs_parameter(index, button));
        }
    }
    Ok(())
}

fn given_button(component: &Value, expected: &[Button]) -> Checked {
    let index = position(component)
        .ok_or_else(|| ApiError::with(131_008, "buttons: Button index is missing"))?;
    let Some(button) = expected.get(index) else {
        let details = format!("buttons: Button at index {index} does not exist in the template");
        return Err(ApiError::with(132_018, details));
    };
    let kind = component["sub_type"].as_str().unwrap_or_default();
    if !kind.eq_ignore_ascii_case(&button.kind) {
        let details =
            format!("buttons: Button at index {index} must be of type {}", button.display());
        return Err(ApiError::with(132_018, details));
    }
    if button.needs_parameter && list(&component["parameters"]).is_empty() {
        return Err(needs_parameter(index, button));
    }
    Ok(())
}

fn needs_parameter(index: usize, button: &Button) -> ApiError {
    let kind = button.display();
    let details = format!("buttons: Button at index {index} of type {kind} requires a parameter");
    ApiError::with(131_008, details)
}

/// The index, which may be a string or a number.
fn position(component: &Value) -> Option<usize> {
    match &component["index"] {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.as_u64().map(|index| index as usize),
        _ => None,
    }
}

fn cards(components: &Value, expected: &[Shape]) -> Checked {
    let carousel = list(components).iter().find(|component| is(component, "carousel"));
    let cards = carousel.map_or(&[][..], |component| list(&component["cards"]));
    if cards.len() != expected.len() {
        let details = format!(
            "carousel: number of cards ({}) does not match the expected number of cards ({})",
            cards.len(),
            expected.len()
        );
        return Err(ApiError::with(132_000, details));
    }
    cards.iter().zip(expected).try_for_each(|(card, shape)| fits(&card["components"], shape))
}

#[cfg(test)]
mod tests;
