//! The contract of a provider: checks that the tests of each provider run. It is not
//! behind a feature: a feature that only tests turn on makes cargo build every crate
//! of the product twice. The linker leaves it out of programs.

mod contents;
mod declaration;
mod fixture;
mod receiving;
mod sending;
mod settings;

use std::fmt;

pub use fixture::{Answer, Fixture, StandIn, StatusSample, WebhookSamples};

use crate::provider::Provider;
use crate::sender::SenderAccess;

/// A rule of the contract that a provider breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The rule.
    pub rule: &'static str,
    /// What broke it.
    pub detail: String,
}

/// Checks a provider against the contract.
#[must_use = "the violations are the result"]
pub async fn check_provider(provider: &dyn Provider, fixture: &Fixture<'_>) -> Vec<Violation> {
    let mut found = Violations::default();
    declaration::check(provider, &mut found);
    contents::check(provider, fixture, &mut found);
    if let Some(config) = settings::check(provider, fixture, &mut found) {
        let access = SenderAccess { config, credentials: fixture.credentials.clone() };
        sending::check(provider, fixture, &access, &mut found).await;
        receiving::check(provider, fixture, &access, &mut found);
    }
    found.0
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.detail)
    }
}

/// The violations found so far.
#[derive(Default)]
struct Violations(Vec<Violation>);

impl Violations {
    fn add(&mut self, rule: &'static str, detail: impl fmt::Display) {
        self.0.push(Violation { rule, detail: detail.to_string() });
    }

    fn require(&mut self, holds: bool, rule: &'static str, detail: impl fmt::Display) {
        if !holds {
            self.add(rule, detail);
        }
    }
}

/// Whether a text is a word of lower-case letters, digits and underscores.
fn is_identifier(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}
