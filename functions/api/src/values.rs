//! Values as the API writes them.

use std::borrow::Cow;
use std::fmt;

use carillon::time::{Timestamp, sortable};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

/// A time: RFC 3339 in UTC, always with milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Time(pub(crate) Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&sortable(self.0))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // What is written has milliseconds: what is read has no more, so that both are equal.
        let at = Timestamp::deserialize(deserializer)?;
        at.round(jiff::Unit::Millisecond).map(Self).map_err(serde::de::Error::custom)
    }
}

impl From<Timestamp> for Time {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

impl PartialSchema for Time {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .examples(["2026-11-21T14:05:00.000Z"])
            .into()
    }
}

impl ToSchema for Time {
    fn name() -> Cow<'static, str> {
        "Time".into()
    }
}

/// An amount of money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Money {
    /// The amount, a decimal number.
    #[schema(example = "0.0375", pattern = r"^\d{1,12}(\.\d{1,6})?$")]
    pub(crate) amount: String,
    /// The currency, three letters (ISO 4217).
    #[schema(example = "USD", pattern = "^[A-Z]{3}$")]
    pub(crate) currency: String,
}

/// How many millionths a unit has: the smallest part that is counted.
const MILLIONTHS: u32 = 6;

impl Money {
    /// An amount that was computed as a number, to the millionth.
    pub(crate) fn of(amount: f64, currency: &str) -> Self {
        let text = format!("{amount:.6}");
        let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
        let part = part.trim_end_matches('0');
        // Two digits at least, as prices are written.
        Self { amount: format!("{whole}.{part:0<2}"), currency: currency.to_owned() }
    }

    /// The amount in millionths; none where it is no decimal number.
    pub(crate) fn millionths(&self) -> Option<u64> {
        let (whole, part) = self.amount.split_once('.').unwrap_or((&self.amount, ""));
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !is_number(whole) || !is_number(part) || part.len() > 6 {
            return None;
        }
        let part: u64 = format!("{part:0<6}").parse().ok()?;
        whole.parse::<u64>().ok()?.checked_mul(10_u64.pow(MILLIONTHS))?.checked_add(part)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount, self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_written_and_read_exactly() {
        for (number, text, millionths) in [
            (0.0375, "0.0375", 37_500),
            (12.5, "12.50", 12_500_000),
            (0.0, "0.00", 0),
            (1_234.000_001, "1234.000001", 1_234_000_001),
        ] {
            let money = Money::of(number, "USD");
            assert_eq!((&*money.amount, money.millionths()), (text, Some(millionths)));
        }
        for wrong in ["", ".5", "1,5", "-1", "1e3", "1.0000001", "99999999999999999999"] {
            let money = Money { amount: wrong.to_owned(), currency: "USD".to_owned() };
            assert_eq!(money.millionths(), None, "{wrong}");
        }
    }
}
