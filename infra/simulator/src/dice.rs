//! Chance without a shared generator: what is rolled depends on names only.

use sha2::{Digest, Sha256};

use crate::behaviour::Delay;

/// A small generator (`SplitMix64`) started from a hash of the seed and some names.
pub(crate) struct Dice(u64);

impl Dice {
    /// Dice for one thing, named by a word, a person and a number.
    pub(crate) fn new(seed: u64, word: &str, person: &str, ordinal: u32) -> Self {
        let digest = Sha256::new()
            .chain_update(seed.to_le_bytes())
            .chain_update(ordinal.to_le_bytes())
            .chain_update(word)
            .chain_update([0])
            .chain_update(person)
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

    /// A number from 0 up to and without 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.unit() * end as f64) as usize
    }

    pub(crate) fn pick<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        choices.get(self.below(choices.len()))
    }

    /// How long to wait, in milliseconds.
    pub(crate) fn wait(&mut self, delay: Delay) -> u32 {
        let tail = f64::from(delay.mean_ms.saturating_sub(delay.min_ms));
        let beyond = -(1.0 - self.unit()).ln() * tail;
        delay.min_ms.saturating_add(beyond as u32).min(delay.max_ms.max(delay.min_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_names_roll_the_same() {
        let roll = |word, ordinal| Dice::new(7, word, "14155550101", ordinal).next();
        assert_eq!(roll("fate", 0), roll("fate", 0));
        assert_ne!(roll("fate", 0), roll("fate", 1));
        assert_ne!(roll("fate", 0), roll("noise", 0));
    }

    #[test]
    fn shares_are_met() {
        let hits = (0..10_000).filter(|n| Dice::new(1, "share", "x", *n).chance(0.3)).count();
        assert!((2_800..3_200).contains(&hits), "{hits}");
    }

    #[test]
    fn waits_keep_their_bounds_and_mean() {
        let delay = Delay::between(100, 300, 2_000);
        let waits: Vec<u32> =
            (0..5_000).map(|n| Dice::new(1, "wait", "x", n).wait(delay)).collect();
        assert!(waits.iter().all(|wait| (100..=2_000).contains(wait)));
        let mean = waits.iter().sum::<u32>() / 5_000;
        assert!((280..320).contains(&mean), "{mean}");
        assert_eq!(Dice::new(1, "wait", "x", 0).wait(Delay::fixed(50)), 50);
    }
}
