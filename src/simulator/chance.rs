//! Repeatable random numbers: SplitMix64, seeded separately for each decision, so that no decision affects another.

use std::time::Duration;

use uuid::Uuid;

use super::profile::Span;

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A stream of pseudo-random numbers, the same for the same seed.
#[derive(Clone, Debug)]
pub(super) struct Chance(u64);

impl Chance {
    /// The stream for these values, which depends on their order.
    pub(super) fn of(values: &[u64]) -> Self {
        Self(values.iter().fold(GOLDEN, |seed, value| mix(seed.wrapping_add(GOLDEN) ^ mix(*value))))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// A random number from 0 up to, but not including, 1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True with probability `share`. It always draws a number, so that shares do not affect each other.
    pub(super) fn hits(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// A random number from 0 up to, but not including, `bound`; 0 if `bound` is 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.unit() * bound as f64) as usize
    }

    pub(super) fn within(&mut self, span: Span) -> Duration {
        span.min + span.max.saturating_sub(span.min).mul_f64(self.unit())
    }

    pub(super) fn uuid(&mut self) -> Uuid {
        let bits = (u128::from(self.next()) << 64) | u128::from(self.next());
        uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
    }
}

/// A stable 64-bit digest (FNV-1a) of some bytes.
pub(super) fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_values_give_the_same_stream() {
        let draw = |values: &[u64]| {
            let mut chance = Chance::of(values);
            [chance.next(), chance.next(), chance.next()]
        };
        assert_eq!(draw(&[1, 2]), draw(&[1, 2]));
        assert_ne!(draw(&[1, 2]), draw(&[2, 1]));
    }

    #[test]
    fn shares_are_kept() {
        let mut chance = Chance::of(&[7]);
        let hits = (0..100_000).filter(|_| chance.hits(0.08)).count();
        assert!((7_500..8_500).contains(&hits), "{hits}");
        assert!(!chance.hits(0.0));
        assert!(chance.hits(1.0));
    }
}
