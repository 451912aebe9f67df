use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

/// How long what contacts write is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    days: u16,
}

/// Text that is no such time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a number of days from 1 to 3650, or 0 to keep all")]
pub struct NoRetention;

impl Retention {
    /// So many days, 1 to 3650; 0 for ever.
    pub fn of_days(days: u16) -> Result<Self, NoRetention> {
        if days > 3650 { Err(NoRetention) } else { Ok(Self { days }) }
    }

    /// When something of `at` is deleted, in seconds since 1970; none for never.
    pub fn expiry(self, at: Timestamp) -> Option<i64> {
        let kept = SignedDuration::from_hours(24 * i64::from(self.days));
        (self.days > 0).then(|| at.as_second() + kept.as_secs())
    }
}

impl Default for Retention {
    /// A year.
    fn default() -> Self {
        Self { days: 365 }
    }
}

impl FromStr for Retention {
    type Err = NoRetention;

    fn from_str(text: &str) -> Result<Self, NoRetention> {
        Self::of_days(text.parse().map_err(|_| NoRetention)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_from_the_message() {
        let at = Timestamp::from_second(1_800_000_000).unwrap();
        let expiry = |text: &str| text.parse::<Retention>().map(|kept| kept.expiry(at));
        assert_eq!(expiry("1"), Ok(Some(1_800_086_400)));
        assert_eq!(expiry("0"), Ok(None));
        for wrong in ["", "-1", "3651", "a year"] {
            assert_eq!(expiry(wrong), Err(NoRetention), "{wrong}");
        }
    }
}
