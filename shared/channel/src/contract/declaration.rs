//! What a provider says of itself: its name, its capabilities and its schemas.

use std::collections::BTreeSet;

use super::{Violations, is_identifier};
use crate::capabilities::{Capabilities, StatusSource};
use crate::provider::Provider;

/// The kinds of content that are not a provider's own.
const NEUTRAL_KINDS: [&str; 3] = ["text", "media", "choices"];

pub(super) fn check(provider: &dyn Provider, found: &mut Violations) {
    let name = provider.name();
    found.require(is_identifier(name), "the name is a lower-case identifier", name);
    check_lists(provider.capabilities(), found);
    check_limits(provider.capabilities(), found);
    check_status_source(provider, found);
    check_schemas(provider, found);
}

fn check_lists(capabilities: &Capabilities, found: &mut Violations) {
    let Capabilities { addresses, contents, statuses, credentials, .. } = capabilities;
    found.require(!addresses.is_empty(), "it reaches some kind of address", "none");
    found.require(!contents.is_empty(), "it sends some kind of content", "none");
    let credentials: Vec<_> = credentials.iter().map(|field| field.name).collect();
    for name in contents.iter().chain(&credentials) {
        found.require(is_identifier(name), "kinds and credentials are identifiers", name);
    }
    let distinct = |names: &[&str]| names.iter().collect::<BTreeSet<_>>().len() == names.len();
    let once = "nothing is declared twice";
    found.require(distinct(contents), once, "contents");
    found.require(distinct(&credentials), once, "credentials");
    found.require(distinct_debug(addresses), once, "addresses");
    found.require(distinct_debug(statuses), once, "statuses");
}

fn distinct_debug<T: PartialEq>(values: &[T]) -> bool {
    values.iter().enumerate().all(|(index, value)| !values[..index].contains(value))
}

fn check_limits(capabilities: &Capabilities, found: &mut Violations) {
    let Capabilities { service_window, quota, pair_interval, throughput, .. } = capabilities;
    let rule = "a limit that is declared is not zero";
    found.require(service_window.is_none_or(|window| !window.is_zero()), rule, "service window");
    found.require(pair_interval.is_none_or(|wait| !wait.is_zero()), rule, "pair interval");
    let quota_holds = quota.is_none_or(|quota| quota.window_hours > 0 && quota.initial_limit > 0);
    found.require(quota_holds, rule, "quota");
    found.require(throughput.default_mps > 0, rule, "throughput");
    let rule = "the default throughput is not above the maximum";
    found.require(throughput.default_mps <= throughput.max_mps, rule, throughput.default_mps);
}

/// A status source that is declared is there, and the other way round.
fn check_status_source(provider: &dyn Provider, found: &mut Violations) {
    let Capabilities { statuses, status_source, .. } = provider.capabilities();
    let reports = *status_source != StatusSource::None;
    let rule = "a provider with statuses has a source for them, and only such a provider";
    found.require(reports != statuses.is_empty(), rule, statuses.len());
    let by_webhook = *status_source == StatusSource::Webhook;
    let rule = "a provider whose statuses arrive by webhook has a receiver";
    found.require(!by_webhook || provider.receiver().is_some(), rule, "none");
}

fn check_schemas(provider: &dyn Provider, found: &mut Violations) {
    let schemas = provider.schemas();
    let known: BTreeSet<_> = schemas.schemas.iter().map(|(name, _)| name.as_str()).collect();
    let named = schemas.contents.iter().map(|(_, schema)| *schema).chain(schemas.settings);
    for schema in named {
        found.require(known.contains(schema), "a schema that is named exists", schema);
    }
    let described: BTreeSet<_> = schemas.contents.iter().map(|(kind, _)| *kind).collect();
    let contents = provider.capabilities().contents.iter().copied();
    let own: BTreeSet<_> = contents.filter(|kind| !NEUTRAL_KINDS.contains(kind)).collect();
    let rule = "each of its own kinds of content has a schema, and no other kind has one";
    found.require(described == own, rule, format!("{described:?}"));
}
