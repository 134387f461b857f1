//! From a seed to faults in an order.

use fastrand::Rng;
use serde::Serialize;

/// Events that pass before a fault, so that it meets a flow that moves.
const AFTER_EVENTS: std::ops::Range<u64> = 10..60;

/// One fault to come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step<K> {
    /// 1, 2, 3 …
    pub number: u32,
    /// What goes wrong.
    pub kind: K,
    /// After so many further events.
    pub after_events: u64,
    /// Decides which process, and for how long.
    pub draw: u64,
}

/// The faults of a seed. Every kind has its turn before any has its next; the order is drawn anew each time.
///
/// # Examples
/// ```
/// use atelier_cli::trials::plan;
/// let steps = plan(&["kill", "pause"], 7, 4);
/// assert_eq!(steps, plan(&["kill", "pause"], 7, 4));
/// assert_eq!(steps.iter().filter(|step| step.kind == "kill").count(), 2);
/// ```
pub fn plan<K: Copy>(kinds: &[K], seed: u64, faults: u32) -> Vec<Step<K>> {
    let mut rng = Rng::with_seed(seed);
    let mut waiting = Vec::new();
    let mut steps = Vec::new();
    for number in 1..=faults {
        if waiting.is_empty() {
            waiting = kinds.to_vec();
            rng.shuffle(&mut waiting);
        }
        let Some(kind) = waiting.pop() else { break };
        steps.push(Step { number, kind, after_events: rng.u64(AFTER_EVENTS), draw: rng.u64(..) });
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_plan_and_every_kind_has_its_turn() {
        let kinds: Vec<u32> = (0..7).collect();
        let steps = plan(&kinds, 3, 21);
        assert_eq!(steps, plan(&kinds, 3, 21));
        assert_ne!(steps, plan(&kinds, 4, 21));
        for round in steps.chunks(7) {
            let mut seen: Vec<u32> = round.iter().map(|step| step.kind).collect();
            seen.sort_unstable();
            assert_eq!(seen, kinds);
        }
        assert_eq!(plan(&kinds, 3, 8)[..], steps[..8], "more faults of a seed begin with the same");
        assert!(plan::<u32>(&[], 3, 8).is_empty());
    }
}
