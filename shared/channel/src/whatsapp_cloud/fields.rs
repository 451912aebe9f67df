//! Reads single fields of a webhook. A field that is missing or has an unexpected
//! type is absent.

use serde_json::Value;

use carillon_foundations::address::{Address, Bsuid};
use carillon_foundations::phone::Phone;
use carillon_foundations::time::Timestamp;

/// A text that is not empty.
pub(super) fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// An id, which Meta sends as a text or as a number.
pub(super) fn id(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => Some(number.to_string()),
        other => text(other),
    }
}

/// The seconds since 1970 that a time of an update can have: before the year 2100. Whoever adds
/// a period to such a time stays within what can be represented.
const TIMES: std::ops::Range<i64> = 0..4_102_444_800;

/// Seconds since 1970, as a text or a number.
pub(super) fn seconds(value: &Value) -> Option<Timestamp> {
    let seconds = match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    let seconds = seconds.filter(|seconds| TIMES.contains(seconds));
    seconds.and_then(|seconds| Timestamp::from_second(seconds).ok())
}

/// A number as WhatsApp writes it (`wa_id`).
pub(super) fn phone(value: &Value) -> Option<Address> {
    id(value).and_then(|text| Phone::from_wa_id(text.trim()).ok()).map(Address::Phone)
}

/// A business-scoped user id.
pub(super) fn bsuid(value: &Value) -> Option<Address> {
    value.as_str().and_then(|text| Bsuid::parse(text).ok()).map(Address::Bsuid)
}

/// The main address of a person, the phone number if Meta reveals it, and the others.
pub(super) fn addresses(
    phone: Option<Address>,
    bsuid: Option<Address>,
) -> (Option<Address>, Vec<Address>) {
    match (phone, bsuid) {
        (Some(phone), bsuid) => (Some(phone), bsuid.into_iter().collect()),
        (None, bsuid) => (bsuid, Vec::new()),
    }
}

/// A part of a body as a text: the part itself where it could not be read.
pub(super) fn raw(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The elements of a list; none if it is no list.
pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
