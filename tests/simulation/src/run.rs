//! One run from its first step to its verdict.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::bed::Bed;
use crate::closing::close;
use crate::failure::Failure;
use crate::plan::Plan;
use crate::trace::{Trace, sha256};
use crate::world::World;

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// All that happened, for people; the last line is the verdict.
    pub trace: String,
    /// SHA-256 of the trace, lower-case hex: two runs of one plan have the same.
    pub sha256: String,
    /// The first invariant that did not hold.
    pub failure: Option<Failure>,
}

/// Carries a plan out.
///
/// # Panics
/// Never by what is simulated: a panic of the product is a failure of the run.
pub fn run(bed: &Bed, plan: &Plan) -> Run {
    let mut trace = Trace::default();
    let Plan { seed, partitions, engine_workers, batch_max, kinds, steps } = plan;
    trace.say(format_args!(
        "seed {seed}: {} steps, {partitions} partitions, {engine_workers} workers an engine, batches of {batch_max}, faults {kinds:?}",
        steps.len()
    ));
    let carried_out = catch_unwind(AssertUnwindSafe(|| carry_out(bed, plan, &mut trace)));
    let failure = match carried_out {
        Ok(Ok(())) => None,
        Ok(Err(failure)) => Some(failure),
        Err(panic) => Some(Failure::new("nothing panics", said(panic.as_ref()))),
    };
    match &failure {
        None => trace.say(format_args!("every invariant held")),
        Some(failure) => trace.say(format_args!("BROKEN {failure}")),
    }
    let trace = trace.into_text();
    Run { sha256: sha256(&trace), trace, failure }
}

fn carry_out(bed: &Bed, plan: &Plan, trace: &mut Trace) -> Result<(), Failure> {
    bed.clear().map_err(|error| Failure::new("the store can be emptied", error.to_string()))?;
    let mut world = World::new(bed, plan);
    for step in &plan.steps {
        world.step(step, trace)?;
    }
    close(&mut world, trace)
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("without a word").to_owned()
}
