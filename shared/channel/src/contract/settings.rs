//! How a provider takes the settings of a connection.

use serde_json::{Map, Value};

use super::{Fixture, Violations};
use crate::content::FieldProblem;
use crate::provider::Provider;
use crate::sender::ProviderConfig;

pub(super) fn check(
    provider: &dyn Provider,
    fixture: &Fixture<'_>,
    found: &mut Violations,
) -> Option<ProviderConfig> {
    check_refused(provider, fixture, found);
    check_credentials(provider, fixture, found);
    match provider.configure(fixture.settings.clone()) {
        Ok(config) => {
            check_config(provider, fixture, &config, found);
            Some(config)
        }
        Err(problems) => {
            found.add("valid settings are accepted", format!("{problems:?}"));
            None
        }
    }
}

fn check_config(
    provider: &dyn Provider,
    fixture: &Fixture<'_>,
    config: &ProviderConfig,
    found: &mut Violations,
) {
    let rule = "the configuration has the provider's name, an id and the settings as given";
    found.require(config.provider == provider.name(), rule, &config.provider);
    found.require(!config.sender_id.is_empty(), rule, "no sender id");
    found.require(config.settings == fixture.settings, rule, "other settings");
    let again = provider.configure(config.settings.clone());
    let rule = "stored settings lead to the same configuration";
    found.require(again.as_ref() == Ok(config), rule, format!("{again:?}"));
}

fn check_refused(provider: &dyn Provider, fixture: &Fixture<'_>, found: &mut Violations) {
    let changed = |member: &str, value: Option<Value>| {
        let mut settings: Map<String, Value> = fixture.settings.clone();
        settings.remove(member);
        settings.extend(value.map(|value| (member.to_owned(), value)));
        provider.configure(settings)
    };
    for &member in &fixture.required_settings {
        let rule = "a missing setting is refused by its name";
        require_named(changed(member, None), member, rule, found);
    }
    for (member, value) in &fixture.malformed_settings {
        let rule = "a malformed setting is refused by its name";
        require_named(changed(member, Some(value.clone())), member, rule, found);
    }
    let (member, rule) = ("no_such_setting", "an unknown setting is refused by its name");
    require_named(changed(member, Some(Value::Null)), member, rule, found);
    for problem in changed(member, Some(Value::Null)).err().unwrap_or_default() {
        let rule = "the path of a setting starts with the provider's name";
        found.require(problem.field.starts_with(provider.name()), rule, problem);
    }
}

/// A missing member has no path, so the reason may name it instead.
fn require_named(
    outcome: Result<ProviderConfig, Vec<FieldProblem>>,
    member: &str,
    rule: &'static str,
    found: &mut Violations,
) {
    let names = |problem: &FieldProblem| {
        let in_path = problem.field.split(['.', '[']).any(|part| part == member);
        in_path || problem.reason.contains(&format!("`{member}`"))
    };
    let problems = outcome.err().unwrap_or_default();
    found.require(problems.iter().any(names), rule, format!("{member}: {problems:?}"));
}

fn check_credentials(provider: &dyn Provider, fixture: &Fixture<'_>, found: &mut Violations) {
    let declared = provider.capabilities().credentials;
    for name in fixture.credentials.names() {
        let known = declared.iter().any(|field| field.name == name);
        found.require(known, "the credentials of a connection are declared", name);
    }
}
