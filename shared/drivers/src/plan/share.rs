/// The share of a scarce resource that every campaign gets, regardless of priority.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MinimumShare(pub(super) f64);

/// A text that is not a minimum share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a percentage from 0 to 50")]
pub struct MinimumShareError;

impl MinimumShare {
    /// A percentage from 0 to 50; at 0 the lowest priority may starve.
    pub fn of_percent(percent: u8) -> Result<Self, MinimumShareError> {
        if percent > 50 {
            return Err(MinimumShareError);
        }
        Ok(Self(f64::from(percent) / 100.0))
    }

    /// The share of one of `all` campaigns: at least one, and at most an equal part.
    pub(super) fn of(self, whole: u64, all: u64) -> u64 {
        if self.0 == 0.0 {
            return 0;
        }
        let share = (whole as f64 * self.0).ceil() as u64;
        share.min(whole / all.max(1)).max(1)
    }
}

impl Default for MinimumShare {
    fn default() -> Self {
        Self(0.05)
    }
}

impl std::str::FromStr for MinimumShare {
    type Err = MinimumShareError;

    fn from_str(text: &str) -> Result<Self, MinimumShareError> {
        Self::of_percent(text.parse().map_err(|_| MinimumShareError)?)
    }
}
