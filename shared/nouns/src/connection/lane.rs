use serde::{Deserialize, Serialize};

/// The share of the throughput that the lane of replies has.
const REPLIES_SHARE: f64 = 0.1;

/// The highest rate of a slice in messages a second: with 64 messages in flight an answer may take
/// 0.64 s.
const SLICE_RATE: f64 = 100.0;

/// A fixed share of a connection's throughput. Each of its slices sends one batch at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// For campaigns of fast speed.
    Fast,
    /// For campaigns of normal speed.
    Normal,
    /// For campaigns of slow speed.
    Slow,
    /// For replies in conversations.
    Replies,
}

impl Lane {
    /// The lanes of campaigns.
    pub const CAMPAIGNS: [Self; 3] = [Self::Fast, Self::Normal, Self::Slow];

    /// Its rate in messages a second, on a connection of `throughput` messages a second.
    /// The rates of all lanes add up to the throughput.
    pub fn rate(self, throughput: u32) -> f64 {
        let throughput = f64::from(throughput.max(1));
        let slow = f64::min(1.0, throughput * 0.1);
        let normal = f64::min(5.0, throughput * 0.3);
        match self {
            Self::Slow => slow,
            Self::Normal => normal,
            Self::Replies => throughput * REPLIES_SHARE,
            Self::Fast => throughput * (1.0 - REPLIES_SHARE) - slow - normal,
        }
    }

    /// How many slices it needs at that throughput, at least 1. Only a fast lane has several.
    pub fn slices(self, throughput: u32) -> u16 {
        match self {
            Self::Fast => (self.rate(throughput) / SLICE_RATE).ceil().clamp(1.0, 999.0) as u16,
            Self::Normal | Self::Slow | Self::Replies => 1,
        }
    }

    /// The rate of one of its slices in messages a second, where it has `slices` of them: an
    /// equal share, also where its rate needs more slices than it has.
    pub fn slice_rate(self, throughput: u32, slices: u16) -> f64 {
        self.rate(throughput) / f64::from(slices.max(self.slices(throughput)))
    }

    /// Whether its rate is fixed, so that a batch may take minutes. These lanes have senders of
    /// their own.
    pub const fn is_paced(self) -> bool {
        match self {
            Self::Normal | Self::Slow => true,
            Self::Fast | Self::Replies => false,
        }
    }

    /// The word in queue groups and in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Normal => "normal",
            Self::Slow => "slow",
            Self::Replies => "replies",
        }
    }
}

/// A slice of a lane, which sends one batch at a time, with an equal share of the lane's rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Slice {
    /// Its number, from 0.
    pub number: u16,
    /// How many slices the lane had when this one was chosen, at least 1.
    pub of: u16,
}

impl Slice {
    /// The only slice of a lane.
    pub const WHOLE: Self = Self { number: 0, of: 1 };
}

impl Default for Slice {
    fn default() -> Self {
        Self::WHOLE
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn all_lanes_share_the_throughput(throughput in 1u32..2000) {
            let lanes = [Lane::Fast, Lane::Normal, Lane::Slow, Lane::Replies];
            let sum: f64 = lanes.iter().map(|lane| lane.rate(throughput)).sum();
            prop_assert!(sum <= f64::from(throughput) + 1e-9);
            prop_assert!(lanes.iter().all(|lane| lane.rate(throughput) > 0.0));
        }
    }

    #[test]
    fn a_slice_sends_at_most_100_a_second() {
        for (throughput, slices) in [(1, 1), (80, 1), (115, 1), (120, 2), (500, 5), (1_000, 9)] {
            assert_eq!(Lane::Fast.slices(throughput), slices, "{throughput}");
            assert!(Lane::Fast.slice_rate(throughput, 1) <= SLICE_RATE);
            for lane in [Lane::Normal, Lane::Slow, Lane::Replies] {
                assert_eq!(lane.slices(throughput), 1);
            }
        }
    }

    #[test]
    fn a_number_of_80_sends_250_fast_in_under_4_seconds() {
        assert!(250.0 / Lane::Fast.rate(80) < 4.0);
        assert!((Lane::Normal.rate(80) - 5.0).abs() < 1e-9);
        assert!((Lane::Slow.rate(80) - 1.0).abs() < 1e-9);
    }
}
