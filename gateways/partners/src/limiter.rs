//! Token buckets: how often.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::class::{Kind, Rate};

/// Buckets remembered. Partners come in only after their key was found to be ours, so this is never reached in
/// earnest; then the full buckets go, which nobody notices, or else all.
const BUCKETS_MAX: usize = 20_000;

/// The buckets of one process: one per account (a partner, or its sandbox) and kind of request. Not per key: a partner
/// makes and revokes keys itself, and a new one would be a full bucket.
#[derive(Debug, Default)]
pub struct Limiter {
    buckets: Mutex<HashMap<(String, Kind), Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// In thousandths, so that a slow trickle is not rounded away.
    milli_tokens: u64,
    at_ms: i64,
    rate: Rate,
}

/// What came of asking for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Whether there was one.
    pub allowed: bool,
    /// What is asked of it.
    pub rate: Rate,
    /// Tokens left.
    pub remaining: u32,
    /// Seconds until there is one more (none left: until there is one), at least 1.
    pub next_s: u32,
}

impl Limiter {
    /// Takes a token of the account's bucket for this kind of request, if there is one.
    ///
    /// # Examples
    /// ```
    /// use atelier_partners::{Kind, Limiter, Rate};
    /// let (limiter, rate) = (Limiter::default(), Rate { burst: 1, window_s: 10 });
    /// assert!(limiter.take("acme", Kind::Write, rate, 0).allowed);
    /// assert_eq!(limiter.take("acme", Kind::Write, rate, 0).next_s, 10);
    /// assert!(limiter.take("acme", Kind::Write, rate, 10_000).allowed);
    /// ```
    pub fn take(&self, account: &str, kind: Kind, rate: Rate, now_ms: i64) -> Taken {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= BUCKETS_MAX {
            buckets.retain(|_, bucket| !bucket.filled(now_ms).is_full());
            if buckets.len() >= BUCKETS_MAX {
                buckets.clear();
            }
        }
        let full = Bucket { milli_tokens: u64::from(rate.burst) * 1000, at_ms: now_ms, rate };
        let bucket = buckets.entry((account.to_owned(), kind)).or_insert(full);
        // A class that was changed meanwhile counts from now.
        *bucket = Bucket { rate, ..bucket.filled(now_ms) };
        let allowed = bucket.milli_tokens >= 1000;
        if allowed {
            bucket.milli_tokens -= 1000;
        }
        Taken { allowed, rate, remaining: u32::try_from(bucket.milli_tokens / 1000).unwrap_or(u32::MAX), next_s: bucket.next_s() }
    }
}

impl Bucket {
    /// With what has trickled in since. A clock that goes back brings nothing.
    fn filled(self, now_ms: i64) -> Self {
        let elapsed_ms = u64::try_from(now_ms.saturating_sub(self.at_ms)).unwrap_or(0);
        // burst tokens in window_s seconds: burst / window_s thousandths in a millisecond.
        let window_s = u64::from(self.rate.window_s.max(1));
        let trickled = elapsed_ms.saturating_mul(u64::from(self.rate.burst)) / window_s;
        if trickled == 0 && elapsed_ms > 0 {
            return self; // less than a thousandth: the time goes on counting
        }
        let milli_tokens = self.milli_tokens.saturating_add(trickled).min(u64::from(self.rate.burst) * 1000);
        Self { milli_tokens, at_ms: now_ms, rate: self.rate }
    }

    fn is_full(self) -> bool {
        self.milli_tokens >= u64::from(self.rate.burst) * 1000
    }

    fn next_s(self) -> u32 {
        let missing = 1000 - self.milli_tokens % 1000;
        let per_s = (u64::from(self.rate.burst) * 1000 / u64::from(self.rate.window_s.max(1))).max(1);
        u32::try_from(missing.div_ceil(per_s)).unwrap_or(u32::MAX).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 10, window_s: 5 };

    #[test]
    fn a_burst_is_let_through_and_then_two_a_second() {
        let limiter = Limiter::default();
        let allowed = |at_ms| (0..20).filter(|_| limiter.take("k", Kind::Write, RATE, at_ms).allowed).count();
        assert_eq!(allowed(0), 10);
        assert_eq!(allowed(499), 0);
        assert_eq!(allowed(500), 1);
        assert_eq!(allowed(2_500), 4);
        assert_eq!(allowed(1_000_000), 10, "never more than the burst");
    }

    #[test]
    fn accounts_and_kinds_do_not_share() {
        let limiter = Limiter::default();
        while limiter.take("k", Kind::Write, RATE, 0).allowed {}
        assert!(limiter.take("k", Kind::Read, RATE, 0).allowed);
        assert!(limiter.take("other", Kind::Write, RATE, 0).allowed);
    }

    #[test]
    fn it_says_what_is_left_and_when_there_is_more() {
        let limiter = Limiter::default();
        let first = limiter.take("k", Kind::Write, Rate { burst: 2, window_s: 20 }, 0);
        assert_eq!((first.remaining, first.next_s), (1, 10));
        limiter.take("k", Kind::Write, Rate { burst: 2, window_s: 20 }, 0);
        let refused = limiter.take("k", Kind::Write, Rate { burst: 2, window_s: 20 }, 4_000);
        assert_eq!((refused.allowed, refused.remaining, refused.next_s), (false, 0, 6));
    }

    #[test]
    fn a_clock_that_goes_back_neither_gives_nor_takes() {
        let limiter = Limiter::default();
        while limiter.take("k", Kind::Write, RATE, 10_000).allowed {}
        assert!(!limiter.take("k", Kind::Write, RATE, 0).allowed);
        assert!(!limiter.take("k", Kind::Write, RATE, 400).allowed);
    }

    #[test]
    fn it_stays_within_its_limit() {
        let limiter = Limiter::default();
        for number in 0..BUCKETS_MAX + 10 {
            limiter.take(&number.to_string(), Kind::Read, RATE, 0);
        }
        assert!(limiter.buckets.lock().expect("nobody panicked").len() <= BUCKETS_MAX);
    }
}
