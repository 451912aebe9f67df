//! The wait that an answer's headers ask for.

use std::time::Duration;

use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};
use jiff::fmt::rfc2822;
use serde_json::Value;

use super::fields;
use carillon_foundations::time::Timestamp;

/// Meta's own header; it counts in minutes.
const USAGE: &str = "x-business-use-case-usage";

/// The longer of `Retry-After` and Meta's `estimated_time_to_regain_access`.
pub(super) fn requested(headers: &HeaderMap) -> Option<Duration> {
    retry_after(headers).max(regain_access(headers))
}

/// Seconds, or a date, which is taken relative to the answer's own date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = date(text)?;
    let sent = date(headers.get(DATE)?.to_str().ok()?)?;
    Duration::try_from(at.duration_since(sent)).ok()
}

fn date(text: &str) -> Option<Timestamp> {
    rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

fn regain_access(headers: &HeaderMap) -> Option<Duration> {
    let usage: Value = serde_json::from_str(headers.get(USAGE)?.to_str().ok()?).ok()?;
    let accounts = usage.as_object()?.values();
    let minutes = accounts
        .flat_map(fields::list)
        .filter_map(|use_case| use_case["estimated_time_to_regain_access"].as_u64());
    minutes
        .max()
        .filter(|minutes| *minutes > 0)
        .map(|minutes| Duration::from_secs(minutes.saturating_mul(60)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn all_headers_that_ask_for_a_wait_are_read() {
        let date = ("date", "Fri, 20 Nov 2026 10:00:00 GMT");
        for (pairs, seconds) in [
            (vec![("retry-after", "7")], Some(7)),
            (vec![date, ("retry-after", "Fri, 20 Nov 2026 10:00:30 GMT")], Some(30)),
            (vec![("retry-after", "Fri, 20 Nov 2026 10:00:30 GMT")], None),
            (
                vec![(
                    USAGE,
                    r#"{"1":[{"type":"messaging","estimated_time_to_regain_access":2}]}"#,
                )],
                Some(120),
            ),
            (
                vec![
                    ("retry-after", "7"),
                    (USAGE, r#"{"1":[{"estimated_time_to_regain_access":0}]}"#),
                ],
                Some(7),
            ),
            (vec![("retry-after", "soon"), (USAGE, "never")], None),
            (vec![], None),
        ] {
            assert_eq!(requested(&headers(&pairs)), seconds.map(Duration::from_secs), "{pairs:?}");
        }
    }
}
