//! Alternating blocks: A B B A …

use super::{Machine, Outcome};

/// What one block came to.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// Operations per second, or milliseconds.
    pub(crate) value: f64,
    /// CPU-seconds of our process per 1,000 operations.
    pub(crate) cpu_s_per_1000: f64,
    /// The 99th percentile in milliseconds, where the value is a latency.
    pub(crate) p99_ms: Option<f64>,
}

/// All blocks of one case.
pub(crate) struct Compared {
    pub(crate) ours: Vec<Block>,
    pub(crate) bare: Vec<Block>,
    /// Before every block and after the last.
    pub(crate) machine: Vec<Machine>,
}

impl Compared {
    /// Median, smallest and largest of the paired ratios ours ÷ bare.
    pub(crate) fn ratio(&self) -> (f64, f64, f64) {
        let ratios: Vec<f64> = self.ours.iter().zip(&self.bare).map(|(ours, bare)| ours.value / bare.value).collect();
        spread(ratios)
    }
}

/// Median, smallest, largest.
pub(crate) fn spread(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_unstable_by(f64::total_cmp);
    match values.as_slice() {
        [] => (f64::NAN, f64::NAN, f64::NAN),
        [low, .., high] if values.len().is_multiple_of(2) => ((values[values.len() / 2 - 1] + values[values.len() / 2]) / 2.0, *low, *high),
        [first, rest @ ..] => (values[values.len() / 2], *first, *rest.last().unwrap_or(first)),
    }
}

/// Runs `pairs` pairs of blocks. `prepare` runs before each pair and is not measured.
///
/// # Errors
/// Whatever ends a block: also a check of its results.
pub(crate) fn alternate<T>(
    pairs: usize,
    mut prepare: impl FnMut(usize) -> Outcome<T>,
    mut ours: impl FnMut(&mut T) -> Outcome<Block>,
    mut bare: impl FnMut(&mut T) -> Outcome<Block>,
) -> Outcome<Compared> {
    let mut compared = Compared { ours: Vec::new(), bare: Vec::new(), machine: Vec::new() };
    for pair in 0..pairs {
        let mut context = prepare(pair)?;
        for turn in 0..2 {
            compared.machine.push(Machine::read()?);
            if (pair + turn).is_multiple_of(2) {
                let block = ours(&mut context)?;
                eprintln!("  ours {:.4} (cpu {:.5} s/1000)", block.value, block.cpu_s_per_1000);
                compared.ours.push(block);
            } else {
                let block = bare(&mut context)?;
                eprintln!("  bare {:.4} (cpu {:.5} s/1000)", block.value, block.cpu_s_per_1000);
                compared.bare.push(block);
            }
        }
    }
    compared.machine.push(Machine::read()?);
    Ok(compared)
}
