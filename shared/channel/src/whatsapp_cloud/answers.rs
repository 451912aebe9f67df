//! Reads Meta's answers, leniently: what is missing or new never makes an
//! accepted message look refused.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use super::fields;
use super::policy::{self, Report, ReportedBy};
use crate::{Acceptance, Accepted, Outcome, Refusal};

/// An answer with an error, as far as it could be read.
#[derive(Clone, PartialEq, Eq)]
pub struct ErrorAnswer {
    /// The HTTP status.
    pub status: u16,
    /// Meta's code.
    pub code: Option<u32>,
    /// Meta's subcode.
    pub subcode: Option<u32>,
    details: Option<String>,
    is_transient: bool,
    retry_after: Option<Duration>,
}

/// Reads the answer to a send request. `retry_after` is what its headers ask for.
pub fn parse_sent(status: u16, body: &[u8], retry_after: Option<Duration>) -> Outcome {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let success = (200..300).contains(&status);
    match accepted(&answer).filter(|_| success) {
        Some(accepted) => Outcome::Accepted(accepted),
        None => Outcome::Refused(error_of(status, &answer, retry_after).refusal()),
    }
}

/// Reads an answer that is no success.
pub fn parse_error(status: u16, body: &[u8], retry_after: Option<Duration>) -> ErrorAnswer {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    error_of(status, &answer, retry_after)
}

impl ErrorAnswer {
    /// What to do about it.
    pub fn refusal(&self) -> Refusal {
        policy::refusal(&Report {
            reported_by: ReportedBy::Answer { status: self.status },
            code: self.code,
            subcode: self.subcode,
            details: self.details.as_deref(),
            is_transient: self.is_transient,
            retry_after: self.retry_after,
        })
    }
}

impl fmt::Debug for ErrorAnswer {
    /// Leaves Meta's words out: they may quote the request.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ErrorAnswer({}, code {:?}/{:?})", self.status, self.code, self.subcode)
    }
}

fn accepted(answer: &Value) -> Option<Accepted> {
    let message = &answer["messages"][0];
    let contact = &answer["contacts"][0];
    let message_id = message["id"].as_str().filter(|id| !id.is_empty())?.to_owned();
    let addresses = [fields::bsuid(&contact["user_id"]), fields::phone(&contact["wa_id"])];
    Some(Accepted {
        message_id,
        state: acceptance(message["message_status"].as_str()),
        aliases: addresses.into_iter().flatten().collect(),
    })
}

fn acceptance(status: Option<&str>) -> Acceptance {
    match status {
        Some("held_for_quality_assessment") => Acceptance::Held,
        Some("paused") => Acceptance::Paused,
        _ => Acceptance::Accepted,
    }
}

fn error_of(status: u16, answer: &Value, retry_after: Option<Duration>) -> ErrorAnswer {
    let error = &answer["error"];
    ErrorAnswer {
        status,
        code: number(&error["code"]),
        subcode: number(&error["error_subcode"]),
        details: error["error_data"]["details"].as_str().map(str::to_owned),
        is_transient: error["is_transient"].as_bool().unwrap_or(false),
        retry_after,
    }
}

/// A code, written as a number or as a text.
pub(super) fn number(value: &Value) -> Option<u32> {
    match value {
        Value::Number(number) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}
