//! Random cases that can be repeated.

use std::time::Duration;

/// Numbers that look random, from a seed that is printed when a test fails.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        let mut dice = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x2545_F491_4F6C_DD1D | 1);
        for _ in 0..4 {
            dice.below(2);
        }
        dice
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }

    pub fn chance(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}

/// How many random cases to run.
pub fn cases(default: u64) -> u64 {
    std::env::var("SORI_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

/// Runs one case on virtual time; a failure names its seed.
#[track_caller]
pub fn case(seed: u64, run: impl Future<Output = ()> + Send + 'static) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        runtime.block_on(async { tokio::time::timeout(Duration::from_secs(36_000), run).await.expect("the case hangs") });
    }));
    assert!(result.is_ok(), "failed with seed {seed}");
}
