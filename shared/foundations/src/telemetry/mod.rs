//! Logs: structured, one event for each change worth knowing. Never logged:
//! phone numbers, message texts, secrets, request bodies.

mod metric;

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

pub use metric::{BatchedCounter, Metric, measure};

use crate::config::Config;

/// JSON lines, as `CloudWatch` reads them, and metrics; for the functions on AWS.
pub fn init_json(config: &Config) {
    if let Some(stack) = config.stack() {
        metric::set_stack(stack);
    }
    hide_panics();
    // A second call, as in tests, changes nothing.
    let _ = fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_env_filter(filter_of(&config.log()))
        .try_init();
}

/// Lines for people, on the standard error; for the local program. The embedded
/// table warns of every condition that doesn't hold, which is business as usual
/// here: only its errors are shown, unless `filter` names it.
pub fn init_plain(filter: &str) {
    hide_panics();
    let _ = fmt()
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .with_env_filter(filter_of(&format!("dynoxide=error,{filter}")))
        .try_init();
}

/// Tells where something panicked and not what it said: that may hold a text or a
/// phone number.
fn hide_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panicked");
    }));
}

fn filter_of(filter: &str) -> EnvFilter {
    EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"))
}
