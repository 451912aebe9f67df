//! Progress on a terminal; nothing where there is none.

use std::io::{IsTerminal, stderr, stdout};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Whether somebody watches the standard output.
pub(crate) fn is_watched() -> bool {
    stdout().is_terminal()
}

/// A bar of bytes, for an upload; on the standard error, so that the output
/// stays clean.
pub(crate) fn bytes(whole: Option<u64>) -> ProgressBar {
    let bar = match whole {
        Some(whole) => ProgressBar::new(whole).with_style(style(
            "{bar:40} {percent:>3} %  {binary_bytes} of {binary_total_bytes}  {msg}",
        )),
        None => ProgressBar::no_length().with_style(style("{spinner} {binary_bytes}  {msg}")),
    };
    if !stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    bar
}

/// Some lines that change in place on the standard output.
pub(crate) fn lines() -> MultiProgress {
    MultiProgress::with_draw_target(ProgressDrawTarget::stdout_with_hz(10))
}

/// A bar of people, such as `received ████ 950`.
pub(crate) fn people(whole: u64) -> ProgressBar {
    ProgressBar::new(whole).with_style(style("{prefix:>9} {human_pos:>9}  {bar:40} {percent:>3} %"))
}

/// A line of text.
pub(crate) fn text() -> ProgressBar {
    ProgressBar::no_length().with_style(style("{msg}"))
}

/// A style; a pattern that indicatif can't read falls back to its own.
pub(crate) fn style(pattern: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(pattern);
    style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("█▌·")
}
