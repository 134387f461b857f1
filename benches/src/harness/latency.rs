//! Latencies of one block.

use std::time::Duration;

/// All samples of a block, kept exactly.
#[derive(Default)]
pub(crate) struct Latencies {
    samples: Vec<Duration>,
}

impl Latencies {
    pub(crate) fn add(&mut self, sample: Duration) {
        self.samples.push(sample);
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.samples.extend(other.samples);
    }

    pub(crate) fn len(&self) -> usize {
        self.samples.len()
    }

    /// The sample that `share` of all (0 to 1) do not exceed, in milliseconds.
    pub(crate) fn quantile_ms(&mut self, share: f64) -> f64 {
        if self.samples.is_empty() {
            return f64::NAN;
        }
        self.samples.sort_unstable();
        let index = (self.samples.len() as f64 * share).ceil() as usize;
        self.samples[index.clamp(1, self.samples.len()) - 1].as_secs_f64() * 1000.0
    }
}
