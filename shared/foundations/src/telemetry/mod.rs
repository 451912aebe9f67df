//! Structured logs and metrics. Phone numbers, message texts, secrets and request bodies are
//! never logged.

mod metric;

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

pub use metric::{BatchedCounter, Metric, measure};

use crate::config::Config;

/// Initialises logs as JSON lines, and metrics, for the functions on AWS.
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

/// Initialises logs as plain lines on the standard error, for the program `carillon`. The
/// embedded table warns of every failed condition, which is not a fault here: only its
/// errors are shown, unless `filter` names it.
pub fn init_plain(filter: &str) {
    hide_panics();
    let _ = fmt()
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .with_env_filter(filter_of(&format!("dynoxide=error,{filter}")))
        .try_init();
}

/// Logs where a panic occurred, without its message, which may contain a text or a phone
/// number.
fn hide_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panicked");
    }));
}

fn filter_of(filter: &str) -> EnvFilter {
    EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"))
}
