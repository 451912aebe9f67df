//! Template messages, checked against the template if it is known. The checks
//! run in Meta's order: parameter objects, header format, counts, names, buttons.

use std::sync::Arc;

use serde_json::Value;

use super::content::{non_empty, text};
use super::context::{ValidationContext, ValidationResult};
use crate::errors::ApiError;
use crate::recipient::Recipient;
use crate::templates::{Category, Template, TemplateButton, TemplateName, TemplateParameters};

const NAME_LIMIT: usize = 512;

pub(super) fn check(
    object: &Value,
    recipient: &Recipient,
    context: &ValidationContext,
) -> Result<(Option<Arc<TemplateName>>, Category), ApiError> {
    let name = text(object, "name", "template['name']", NAME_LIMIT)?;
    let language = text(&object["language"], "code", "template['language']['code']", NAME_LIMIT)?;
    let components = &object["components"];
    let Some(template) = context.templates.get(name, language) else {
        return check_unknown(name, language, components, context);
    };
    check_status(template, context.now)?;
    if recipient.is_user_id() && template.category == Category::Authentication {
        return Err(ApiError::new(131_062));
    }
    check_objects(components)?;
    check_parameters(components, &template.parameters)?;
    Ok((Some(Arc::clone(&template.name)), template.category))
}

fn check_unknown(
    name: &str,
    language: &str,
    components: &Value,
    context: &ValidationContext,
) -> Result<(Option<Arc<TemplateName>>, Category), ApiError> {
    if context.strict_templates {
        return Err(not_found(name, language));
    }
    check_objects(components)?;
    let name = TemplateName { name: name.into(), language: language.into() };
    Ok((Some(Arc::new(name)), Category::Marketing))
}

fn not_found(name: &str, language: &str) -> ApiError {
    ApiError::with_details(132_001, format!("template name ({name}) does not exist in {language}"))
}

fn check_status(template: &Template, now: u64) -> ValidationResult {
    match template.status(now) {
        "PAUSED" => Err(ApiError::new(132_015)),
        "DISABLED" => Err(ApiError::new(132_016)),
        "APPROVED" => Ok(()),
        _ => Err(not_found(&template.name.name, &template.name.language)),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn is_type(component: &Value, kind: &str) -> bool {
    component["type"].as_str().is_some_and(|word| word.eq_ignore_ascii_case(kind))
}

fn parameters<'a>(components: &'a Value, kind: &str) -> &'a [Value] {
    let component = list(components).iter().find(|component| is_type(component, kind));
    component.map_or(&[], |component| list(&component["parameters"]))
}

/// Every parameter needs the object that its type names.
fn check_objects(components: &Value) -> ValidationResult {
    for component in list(components) {
        list(&component["parameters"]).iter().try_for_each(check_object)?;
        list(&component["cards"]).iter().try_for_each(|card| check_objects(&card["components"]))?;
    }
    Ok(())
}

fn check_object(parameter: &Value) -> ValidationResult {
    let kind = parameter["type"].as_str().unwrap_or_default();
    match kind {
        "" => Err(ApiError::with_details(131_008, "Parameter 'type' is missing")),
        "image" | "video" | "document" => check_media(&parameter[kind]),
        "payload" | "coupon_code" | "text" if non_empty(parameter, kind).is_none() => {
            Err(missing_object(kind))
        }
        "currency" | "date_time" | "location" | "action" | "limited_time_offer"
            if !parameter[kind].is_object() =>
        {
            Err(missing_object(kind))
        }
        _ => Ok(()),
    }
}

fn missing_object(kind: &str) -> ApiError {
    let details = format!("Parameter '{kind}' is mandatory for component parameter type '{kind}'");
    ApiError::with_details(100, details)
}

fn check_media(object: &Value) -> ValidationResult {
    match (non_empty(object, "id"), non_empty(object, "link")) {
        (Some(_), None) | (None, Some(_)) => Ok(()),
        _ => Err(ApiError::new(132_018)),
    }
}

fn check_parameters(components: &Value, expected: &TemplateParameters) -> ValidationResult {
    check_header_format(components, expected)?;
    if !has_media_header(expected) {
        check_count(components, "header", &expected.header_variables)?;
    }
    check_count(components, "body", &expected.body_variables)?;
    check_names(components, expected)?;
    check_buttons(components, &expected.buttons)?;
    check_cards(components, &expected.cards)
}

fn has_media_header(expected: &TemplateParameters) -> bool {
    matches!(expected.header.as_deref(), Some("IMAGE" | "VIDEO" | "DOCUMENT" | "LOCATION"))
}

fn check_header_format(components: &Value, expected: &TemplateParameters) -> ValidationResult {
    let given = parameters(components, "header").first();
    let received = given.and_then(|parameter| parameter["type"].as_str());
    let received = received.map_or("UNKNOWN".into(), str::to_ascii_uppercase);
    let expected = expected.header.as_deref().unwrap_or("TEXT");
    let matches = match expected {
        "TEXT" => !matches!(received.as_str(), "IMAGE" | "VIDEO" | "DOCUMENT" | "LOCATION"),
        format => format == received,
    };
    if matches {
        return Ok(());
    }
    let details = format!("header: Format mismatch, expected {expected}, received {received}");
    Err(ApiError::with_details(132_012, details))
}

fn check_count(components: &Value, part: &str, expected: &[String]) -> ValidationResult {
    let given = parameters(components, part).len();
    if given == expected.len() {
        return Ok(());
    }
    let details = format!(
        "{part}: number of localizable_params ({given}) does not match the expected number of \
         params ({})",
        expected.len()
    );
    Err(ApiError::with_details(132_000, details))
}

fn check_names(components: &Value, expected: &TemplateParameters) -> ValidationResult {
    if !expected.named {
        return Ok(());
    }
    check_parameter_names(parameters(components, "body"), &expected.body_variables)?;
    if has_media_header(expected) {
        return Ok(());
    }
    check_parameter_names(parameters(components, "header"), &expected.header_variables)
}

fn check_parameter_names(given: &[Value], expected: &[String]) -> ValidationResult {
    let names: Vec<_> = given.iter().map(|each| non_empty(each, "parameter_name")).collect();
    if names.contains(&None) {
        return Err(ApiError::with_details(100, "Parameter name is missing or empty"));
    }
    match expected.iter().find(|name| !names.contains(&Some(name))) {
        None => Ok(()),
        Some(name) => {
            let details = format!("Parameter name is missing for the parameter '{{{{{name}}}}}'");
            Err(ApiError::with_details(100, details))
        }
    }
}

fn check_buttons(components: &Value, expected: &[TemplateButton]) -> ValidationResult {
    let given: Vec<_> =
        list(components).iter().filter(|component| is_type(component, "button")).collect();
    for component in &given {
        check_button(component, expected)?;
    }
    for (index, button) in expected.iter().enumerate() {
        let is_given = given.iter().any(|component| button_index(component) == Some(index));
        if button.needs_parameter && !is_given {
            return Err(button_needs_parameter(index, button));
        }
    }
    Ok(())
}

fn check_button(component: &Value, expected: &[TemplateButton]) -> ValidationResult {
    let index = button_index(component).ok_or_else(|| {
        ApiError::with_details(131_008, "buttons: TemplateButton index is missing")
    })?;
    let Some(button) = expected.get(index) else {
        let details =
            format!("buttons: TemplateButton at index {index} does not exist in the template");
        return Err(ApiError::with_details(132_018, details));
    };
    let kind = component["sub_type"].as_str().unwrap_or_default();
    if !kind.eq_ignore_ascii_case(&button.kind) {
        let details = format!(
            "buttons: TemplateButton at index {index} must be of type {}",
            button.display_kind()
        );
        return Err(ApiError::with_details(132_018, details));
    }
    if button.needs_parameter && list(&component["parameters"]).is_empty() {
        return Err(button_needs_parameter(index, button));
    }
    Ok(())
}

fn button_needs_parameter(index: usize, button: &TemplateButton) -> ApiError {
    let kind = button.display_kind();
    let details =
        format!("buttons: TemplateButton at index {index} of type {kind} requires a parameter");
    ApiError::with_details(131_008, details)
}

/// The button's index: a number or a numeric string.
fn button_index(component: &Value) -> Option<usize> {
    match &component["index"] {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.as_u64().map(|index| index as usize),
        _ => None,
    }
}

fn check_cards(components: &Value, expected: &[TemplateParameters]) -> ValidationResult {
    let carousel = list(components).iter().find(|component| is_type(component, "carousel"));
    let cards = carousel.map_or(&[][..], |component| list(&component["cards"]));
    if cards.len() != expected.len() {
        let details = format!(
            "carousel: number of cards ({}) does not match the expected number of cards ({})",
            cards.len(),
            expected.len()
        );
        return Err(ApiError::with_details(132_000, details));
    }
    cards
        .iter()
        .zip(expected)
        .try_for_each(|(card, expected)| check_parameters(&card["components"], expected))
}

#[cfg(test)]
mod tests;
