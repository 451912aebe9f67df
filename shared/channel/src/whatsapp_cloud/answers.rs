//! Parses Meta's answers. A missing or unknown member never turns an accepted message into
//! a refused one.

use std::time::Duration;

use serde_json::Value;

use super::fields;
use super::policy::{self, Report, ReportedBy};
use crate::{Acceptance, Accepted, Outcome, Refusal};

/// Parses the answer to a send request. `retry_after` is the wait that its headers ask for.
pub fn parse_sent(status: u16, body: &[u8], retry_after: Option<Duration>) -> Outcome {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let success = (200..300).contains(&status);
    match accepted(&answer).filter(|_| success) {
        Some(accepted) => Outcome::Accepted(accepted),
        None => Outcome::Refused(refusal(status, &answer, retry_after)),
    }
}

/// Parses the answer to a request that failed.
pub fn parse_error(status: u16, body: &[u8], retry_after: Option<Duration>) -> Refusal {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    refusal(status, &answer, retry_after)
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

fn refusal(status: u16, answer: &Value, retry_after: Option<Duration>) -> Refusal {
    let error = &answer["error"];
    policy::refusal(&Report {
        reported_by: ReportedBy::Answer { status },
        code: number(&error["code"]),
        subcode: number(&error["error_subcode"]),
        details: error["error_data"]["details"].as_str(),
        is_transient: error["is_transient"].as_bool().unwrap_or(false),
        retry_after,
    })
}

/// A code, written as a number or as a text.
pub(super) fn number(value: &Value) -> Option<u32> {
    match value {
        Value::Number(number) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}
