//! Which contents a provider takes, and what it says of them.

use std::collections::BTreeMap;

use carillon_foundations::country::Country;
use carillon_foundations::time::Date;
use serde_json::{Value, json};

use super::{Fixture, Violations};
use crate::content::{Content, FieldProblem, Native};
use crate::cost::Estimate;
use crate::provider::{EstimateRequest, Provider};

/// The number of recipients of the estimates.
const RECIPIENTS: u64 = 15;

pub(super) fn check(provider: &dyn Provider, fixture: &Fixture<'_>, found: &mut Violations) {
    for kind in provider.capabilities().contents {
        let shown = fixture.contents.iter().any(|content| content.kind() == *kind);
        found.require(shown, "the fixture has a content of each kind", kind);
    }
    for content in &fixture.contents {
        let problems = provider.validate(content).err().unwrap_or_default();
        let rule = "a valid content is accepted";
        found.require(problems.is_empty(), rule, format!("{}: {problems:?}", content.kind()));
        check_estimate(provider, content, found);
    }
    for (content, field) in &fixture.invalid_contents {
        let problems = provider.validate(content).err().unwrap_or_default();
        let named = problems.iter().any(|problem| problem.field == *field);
        let rule = "a content that breaks a rule is refused at the path of the field";
        found.require(named, rule, format!("{field}: {problems:?}"));
        require_paths(content, &problems, found);
    }
    check_unsupported(provider, found);
    check_templates(provider, fixture, found);
}

fn check_unsupported(provider: &dyn Provider, found: &mut Violations) {
    let supported = provider.capabilities().contents;
    for content in neutral_contents().into_iter().chain([unsupported_content()]) {
        if !supported.contains(&content.kind()) {
            let problems = provider.validate(&content).err().unwrap_or_default();
            let rule = "a kind of content that it does not send is refused";
            found.require(!problems.is_empty(), rule, content.kind());
            require_paths(&content, &problems, found);
        }
    }
}

/// The path of a problem leads from the content's JSON, so that its author finds it.
fn require_paths(content: &Content, problems: &[FieldProblem], found: &mut Violations) {
    for problem in problems {
        let rule = "the path of a problem starts with the content's kind";
        found.require(problem.field.starts_with(content.kind()), rule, problem);
    }
}

fn neutral_contents() -> Vec<Content> {
    let contents = [
        json!({"type": "text", "text": "Hello"}),
        json!({"type": "media", "media": {"kind": "image", "link": "https://example.com/image.png"}}),
        json!({"type": "choices", "choices": {"body": "Coming?", "options": [{"id": "yes", "title": "Yes"}]}}),
    ];
    contents.into_iter().filter_map(|content| serde_json::from_value(content).ok()).collect()
}

/// A content that no provider sends.
pub(super) fn unsupported_content() -> Content {
    Content::Native(Native { kind: "no_such_kind".to_owned(), payload: Value::Null })
}

fn check_templates(provider: &dyn Provider, fixture: &Fixture<'_>, found: &mut Violations) {
    let keeps = provider.templates().is_some();
    let sends = fixture.contents.iter().any(|content| provider.template_of(content).is_some());
    let rule = "a provider that keeps templates has contents that send them";
    found.require(!keeps || sends, rule, "none of the fixture's contents names a template");
    if let Some(templates) = provider.templates() {
        let rule = "a definition that is none is refused";
        found.require(templates.validate(&Value::Null).is_err(), rule, "null");
    }
}

fn check_estimate(provider: &dyn Provider, content: &Content, found: &mut Violations) {
    let countries = ["CO", "ZZ"].into_iter().filter_map(|code| code.parse::<Country>().ok());
    let recipients: BTreeMap<_, _> = countries.zip([10, RECIPIENTS - 10]).collect();
    let day = Date::constant(2026, 11, 20);
    let request = EstimateRequest { content, category: None, recipients: &recipients, day };
    let Some(estimate) = provider.estimate(&request) else { return };
    let Estimate { currency, total, by_country, unpriced, .. } = estimate;
    let counted = by_country.iter().map(|country| country.recipients).sum::<u64>()
        + unpriced.iter().map(|country| country.recipients).sum::<u64>();
    found.require(counted == RECIPIENTS, "an estimate counts each recipient once", counted);
    let sum: f64 = by_country.iter().map(|country| country.cost).sum();
    found.require((sum - total).abs() < 0.01, "the costs of an estimate add up", total);
    let is_code = currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_uppercase());
    found.require(is_code, "the currency is an ISO 4217 code", currency);
}
