//! Every kind of fault once; `cargo run --release -p atelier-faults` inflicts hundreds.

use atelier_faults::{Kind, Options, run};

#[test]
fn every_kind_of_fault_is_recovered_from_and_nothing_is_lost_doubled_or_out_of_order() {
    let kinds = Kind::ALL.to_vec();
    let faults = u32::try_from(kinds.len()).expect("a few");
    let tally = run(&Options { seed: 1, faults, kinds, checkpoint_every: 8, table: None, state: None }).expect("everything can be started");
    assert_eq!(tally.times(), u64::from(faults));
    assert!(tally.violations().is_empty(), "{tally}\n{}", tally.violations().join("\n"));
}
