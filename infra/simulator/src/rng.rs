//! Deterministic random numbers. Each draw depends only on the seed and on names,
//! never on the order of requests.

use sha2::{Digest, Sha256};

use crate::behaviour::Delay;

/// A `SplitMix64` generator, seeded with a hash.
pub(crate) struct Rng(u64);

impl Rng {
    /// The generator for one purpose: a label, a user and an ordinal.
    pub(crate) fn new(seed: u64, label: &str, user: &str, ordinal: u32) -> Self {
        let digest = Sha256::new()
            .chain_update(seed.to_le_bytes())
            .chain_update(ordinal.to_le_bytes())
            .chain_update(label)
            .chain_update([0])
            .chain_update(user)
            .finalize();
        Self(digest.iter().take(8).fold(0, |n, byte| n << 8 | u64::from(*byte)))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number in `0.0..1.0`.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.unit() * end as f64) as usize
    }

    pub(crate) fn choose<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        choices.get(self.below(choices.len()))
    }

    /// A delay in milliseconds.
    pub(crate) fn delay(&mut self, delay: Delay) -> u32 {
        let tail_mean = f64::from(delay.mean_ms.saturating_sub(delay.min_ms));
        let tail = -(1.0 - self.unit()).ln() * tail_mean;
        delay.min_ms.saturating_add(tail as u32).min(delay.max_ms.max(delay.min_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_label_user_and_ordinal_draw_the_same_number() {
        let draw = |label, ordinal| Rng::new(7, label, "14155550101", ordinal).next();
        assert_eq!(draw("plan", 0), draw("plan", 0));
        assert_ne!(draw("plan", 0), draw("plan", 1));
        assert_ne!(draw("plan", 0), draw("timing", 0));
    }

    #[test]
    fn chance_meets_its_probability() {
        let hits = (0..10_000).filter(|n| Rng::new(1, "share", "x", *n).chance(0.3)).count();
        assert!((2_800..3_200).contains(&hits), "{hits}");
    }

    #[test]
    fn delays_keep_their_bounds_and_mean() {
        let delay = Delay::between(100, 300, 2_000);
        let delays: Vec<u32> =
            (0..5_000).map(|n| Rng::new(1, "wait", "x", n).delay(delay)).collect();
        assert!(delays.iter().all(|delay| (100..=2_000).contains(delay)));
        let mean = delays.iter().sum::<u32>() / 5_000;
        assert!((280..320).contains(&mean), "{mean}");
        assert_eq!(Rng::new(1, "wait", "x", 0).delay(Delay::fixed(50)), 50);
    }
}
