//! Makes a failing plan small.

use crate::bed::Bed;
use crate::plan::Plan;
use crate::run::{Run, run};

/// Runs spent on making one plan small.
const TRIES: usize = 600;

/// The plan with as many steps left out as can be while the same invariant fails, and its run. Parts are left out in
/// halves, quarters and so on, down to single steps (delta debugging).
///
/// A plan that does not fail is given back as it is.
pub fn shrink(bed: &Bed, plan: &Plan) -> (Plan, Run) {
    let mut best = (plan.clone(), run(bed, plan));
    let Some(invariant) = best.1.failure.as_ref().map(|failure| failure.invariant) else { return best };
    let mut tries = 0;
    let mut part = best.0.steps.len().div_ceil(2);
    while part > 0 && tries < TRIES {
        let mut from = 0;
        let mut smaller = false;
        while from < best.0.steps.len() && tries < TRIES {
            let mut candidate = best.0.clone();
            candidate.steps.drain(from..(from + part).min(candidate.steps.len()));
            let tried = run(bed, &candidate);
            tries += 1;
            if tried.failure.as_ref().is_some_and(|failure| failure.invariant == invariant) {
                best = (candidate, tried);
                smaller = true;
            } else {
                from += part;
            }
        }
        if !(smaller && part == 1) {
            part /= 2;
        }
    }
    best
}
