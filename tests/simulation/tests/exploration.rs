//! Every state there is, at small scope. `simulate --explore` shows how many.

use atelier_simulation::explore::{Explored, Found, handover, lease};

/// All of them held; fewer than so many would mean that the model has come to nothing.
fn held(explored: Result<Explored, Box<Found>>, at_least: usize) {
    match explored {
        Ok(Explored { states, done, .. }) => assert!(states >= at_least && done > 0, "{states} states, {done} ends"),
        Err(found) => panic!("{found}"),
    }
}

#[test]
fn the_lease_of_pricing_keeps_its_promises_in_every_state() {
    held(lease::explore(), 1_000);
}

#[test]
fn a_partition_is_handed_over_without_loss_or_doubt_in_every_state() {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    held(handover::explore(["a", "b"], scratch.path()), 1_000);
    held(handover::explore(["a", "a"], scratch.path()), 1_000);
}
