use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

/// How long messages from contacts are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    days: u16,
}

/// A text that is not a retention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a number of days from 1 to 3650, or 0 to keep all")]
pub struct RetentionError;

impl Retention {
    /// A number of days, 1 to 3650; 0 for ever.
    pub fn of_days(days: u16) -> Result<Self, RetentionError> {
        if days > 3650 { Err(RetentionError) } else { Ok(Self { days }) }
    }

    /// When a message of `at` expires, in seconds since 1970; none for never.
    pub fn expiry(self, at: Timestamp) -> Option<i64> {
        let retention = SignedDuration::from_hours(24 * i64::from(self.days));
        (self.days > 0).then(|| at.as_second() + retention.as_secs())
    }
}

impl Default for Retention {
    /// A year.
    fn default() -> Self {
        Self { days: 365 }
    }
}

impl FromStr for Retention {
    type Err = RetentionError;

    fn from_str(text: &str) -> Result<Self, RetentionError> {
        Self::of_days(text.parse().map_err(|_| RetentionError)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_from_the_message() {
        let at = Timestamp::from_second(1_800_000_000).unwrap();
        let expiry = |text: &str| text.parse::<Retention>().map(|retention| retention.expiry(at));
        assert_eq!(expiry("1"), Ok(Some(1_800_086_400)));
        assert_eq!(expiry("0"), Ok(None));
        for wrong in ["", "-1", "3651", "a year"] {
            assert_eq!(expiry(wrong), Err(RetentionError), "{wrong}");
        }
    }
}
