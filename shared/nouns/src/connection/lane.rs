use serde::{Deserialize, Serialize};

/// The share of the throughput that the lane of replies has.
const REPLIES_SHARE: f64 = 0.1;

/// A fixed share of a connection's throughput. One batch at a time is sent in a lane.
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
    fn a_number_of_80_sends_250_fast_in_under_4_seconds() {
        assert!(250.0 / Lane::Fast.rate(80) < 4.0);
        assert!((Lane::Normal.rate(80) - 5.0).abs() < 1e-9);
        assert!((Lane::Slow.rate(80) - 1.0).abs() < 1e-9);
    }
}
