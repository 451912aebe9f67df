//! Maps Meta's errors to verdicts, with one table for both sources of an error: the answer to
//! a request, and a webhook, possibly days later.

use std::time::Duration;

use super::codes::{self, Entry, Treatment};
use super::hint;
use crate::{Refusal, Verdict};

/// An error that Meta reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report<'a> {
    /// Its source.
    pub reported_by: ReportedBy,
    /// Meta's code, if the report has one.
    pub code: Option<u32>,
    /// Meta's subcode; deprecated, but 33 still identifies an unknown object.
    pub subcode: Option<u32>,
    /// Meta's description (`error_data.details`).
    pub details: Option<&'a str>,
    /// Meta's `is_transient`.
    pub is_transient: bool,
    /// The wait that the answer's headers ask for.
    pub retry_after: Option<Duration>,
}

/// The source of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportedBy {
    /// The answer to the request.
    Answer {
        /// The HTTP status. Meta's pages contradict each other about it, so it decides only
        /// where the code is unknown.
        status: u16,
    },
    /// A `failed` status: the message did not arrive.
    Webhook,
}

/// The wait after a throttled request without a known code.
const SOME_TIME: Duration = Duration::from_secs(5);
/// The maximum wait; longer ones are cut.
const LONGEST: Duration = Duration::from_hours(24);
/// Subcode of code 100: the object in the path is unknown to this token.
const UNKNOWN_OBJECT: u32 = 33;

impl Report<'_> {
    /// A report of which only the source is known.
    pub const fn blank(reported_by: ReportedBy) -> Self {
        Self {
            reported_by,
            code: None,
            subcode: None,
            details: None,
            is_transient: false,
            retry_after: None,
        }
    }
}

/// The refusal that a report means.
pub fn refusal(report: &Report<'_>) -> Refusal {
    match report.code.and_then(codes::entry) {
        Some(entry) => by_entry(entry, report),
        None => by_status(report),
    }
}

fn by_entry(entry: &Entry, report: &Report<'_>) -> Refusal {
    if entry.code == 100 && report.subcode == Some(UNKNOWN_OBJECT) {
        let reason = "WhatsApp does not know the number or template, or this token may not use it";
        return refuse(Verdict::ConnectionBroken, report, reason.to_owned());
    }
    let reason = match report.details.and_then(hint::known_words) {
        Some(words) => format!("{} (Meta: {words})", entry.reason),
        None => entry.reason.to_owned(),
    };
    refuse(by_treatment(entry.treatment, report), report, reason)
}

fn by_treatment(treatment: Treatment, report: &Report<'_>) -> Verdict {
    match treatment {
        Treatment::RateExceeded(seconds) => {
            Verdict::RateExceeded { retry_after: wait(report, Duration::from_secs(seconds.into())) }
        }
        Treatment::Throttled(seconds) => throttled(report, Duration::from_secs(seconds.into())),
        Treatment::Pair => Verdict::PairThrottled,
        Treatment::Unclear => unclear(report.reported_by),
        Treatment::Later(seconds, times) => {
            Verdict::RetryLater { after: Duration::from_secs(seconds.into()), times }
        }
        Treatment::MarketingHeld(seconds) => {
            Verdict::MarketingHeld { period: Duration::from_secs(seconds.into()) }
        }
        Treatment::Recipient => Verdict::RecipientRejected,
        Treatment::OptOut => Verdict::OptedOut,
        Treatment::Message => Verdict::MessageRejected,
        Treatment::Request => Verdict::RequestRejected,
        Treatment::Values => Verdict::ValuesRejected,
        Treatment::Template => Verdict::TemplateBroken,
        Treatment::Media => Verdict::MediaBroken,
        Treatment::Connection => Verdict::ConnectionBroken,
        Treatment::Account => Verdict::AccountBroken,
        Treatment::Country => Verdict::CountryBlocked,
    }
}

fn throttled(report: &Report<'_>, usual: Duration) -> Verdict {
    Verdict::Throttled { retry_after: wait(report, usual) }
}

fn wait(report: &Report<'_>, usual: Duration) -> Duration {
    report.retry_after.unwrap_or(usual).min(LONGEST)
}

fn unclear(reported_by: ReportedBy) -> Verdict {
    match reported_by {
        ReportedBy::Answer { .. } => Verdict::Ambiguous,
        ReportedBy::Webhook => Verdict::Transient,
    }
}

/// The refusal of a report without a known code.
fn by_status(report: &Report<'_>) -> Refusal {
    let unknown = |verdict, reason: &str| Refusal {
        known: false,
        ..refuse(verdict, report, reason.to_owned())
    };
    if report.is_transient {
        return unknown(
            unclear(report.reported_by),
            "WhatsApp had a passing fault of an unknown kind",
        );
    }
    let ReportedBy::Answer { status } = report.reported_by else {
        return unknown(Verdict::MessageRejected, "WhatsApp reported a failure of an unknown kind");
    };
    let coded = report.code.is_some();
    match status {
        429 => unknown(throttled(report, SOME_TIME), "too many requests"),
        408 | 500.. => unknown(Verdict::Ambiguous, "the answer was a server fault"),
        200..300 => unknown(Verdict::Ambiguous, "the answer was a success without a message id"),
        401 | 403 if !coded => unknown(Verdict::AccountBroken, "the access token was not accepted"),
        300..=399 | 404 | 405 | 410 if !coded => {
            unknown(Verdict::ConnectionBroken, "the address does not answer as the Cloud API")
        }
        _ => unknown(
            Verdict::MessageRejected,
            "WhatsApp refused it with a code that is not in the policy table",
        ),
    }
}

fn refuse(verdict: Verdict, report: &Report<'_>, reason: String) -> Refusal {
    Refusal { verdict, code: report.code, reason, known: true }
}
