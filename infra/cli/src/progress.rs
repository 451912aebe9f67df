//! Progress bars, shown only on a terminal.

use std::io::{IsTerminal, stderr, stdout};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

pub(crate) fn stdout_is_terminal() -> bool {
    stdout().is_terminal()
}

/// A bar that counts bytes, of `total` if that is known. It is drawn on the standard
/// error, to keep the standard output for results.
pub(crate) fn byte_bar(total: Option<u64>) -> ProgressBar {
    let bar = match total {
        Some(total) => ProgressBar::new(total).with_style(style(
            "{bar:40} {percent:>3} %  {binary_bytes} of {binary_total_bytes}  {msg}",
        )),
        None => ProgressBar::no_length().with_style(style("{spinner} {binary_bytes}  {msg}")),
    };
    if !stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    bar
}

/// A bar that counts what a job has done.
pub(crate) fn job_bar() -> ProgressBar {
    let bar = ProgressBar::no_length().with_style(style("{spinner} {human_pos} {msg}"));
    if !stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    bar
}

/// Shows a job's member `progress`.
pub(crate) fn show_job(bar: &ProgressBar, progress: &Value) {
    if let Some(total) = progress["total"].as_u64()
        && bar.length().is_none()
    {
        bar.set_length(total);
        bar.set_style(style("{bar:40} {percent:>3} %  {human_pos} of {human_len} {msg}"));
    }
    bar.set_message(progress["unit"].as_str().unwrap_or_default().to_owned());
    bar.set_position(progress["done"].as_u64().unwrap_or(0));
}

/// A group of bars and lines on the standard output.
pub(crate) fn group() -> MultiProgress {
    MultiProgress::with_draw_target(ProgressDrawTarget::stdout_with_hz(10))
}

/// A bar that counts recipients, such as `received 950 ████ 95 %`.
pub(crate) fn recipient_bar(total: u64) -> ProgressBar {
    ProgressBar::new(total).with_style(style("{prefix:>9} {human_pos:>9}  {bar:40} {percent:>3} %"))
}

/// A line of text.
pub(crate) fn text_line() -> ProgressBar {
    ProgressBar::no_length().with_style(style("{msg}"))
}

/// A style with Carillon's bar characters. An invalid template gives the default style.
pub(crate) fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("█▌·")
}
