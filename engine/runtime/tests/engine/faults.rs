//! Commits that fail, in every way a commit can.

use atelier_log::memory::Fault;
use atelier_schemas::{CommandData, OutcomeResult};

use crate::bed::{Bed, attach, create, status};

fn one_order_under(fault: Fault) {
    let mut bed = Bed::running(2);
    let order = bed.order();
    assert_eq!(status(&bed.ask(order, "customer", create())), "INITIATED");
    bed.log.inject(fault);
    assert_eq!(status(&bed.ask(order, "customer", attach())), "FILE_UPLOADED");
    bed.log.inject(fault);
    assert_eq!(status(&bed.ask(order, "customer", CommandData::SubmitOrder {})), "SUBMITTED");
    bed.check_exactly_once();
    assert_eq!(bed.jobs().len(), 1);
}

#[test]
fn a_refused_commit_is_tried_again_until_it_is_written() {
    one_order_under(Fault::RefuseCommit);
}

#[test]
fn a_commit_that_was_written_but_not_confirmed_is_not_written_again() {
    one_order_under(Fault::CommitThenLost);
}

#[test]
fn a_commit_that_was_not_written_is_decided_again_from_the_log() {
    one_order_under(Fault::LostBeforeCommit);
}

#[test]
fn a_lost_reply_to_the_gateway_does_not_decide_a_command_twice() {
    let mut bed = Bed::running(1);
    let order = bed.order();
    let command = bed.command(order, "customer", create());
    bed.log.inject(Fault::LoseAppendReply);
    bed.append(&command);
    bed.wait(|bed| (bed.outcomes().len() == 1).then_some(()));
    let again = bed.send(&command);
    assert!(matches!(again, OutcomeResult::Accepted { repeated: true, version: 1, .. }), "{again:?}");
    assert_eq!(bed.events().len(), 1);
    bed.check_exactly_once();
}

#[test]
fn a_stale_owner_writes_nothing_and_the_partition_comes_back() {
    let mut bed = Bed::running(1);
    let order = bed.order();
    bed.ask(order, "customer", create());
    bed.log.steal(atelier_runtime::GROUP, 0);
    let command = bed.command(order, "customer", attach());
    bed.append(&command);
    bed.log.give_back(atelier_runtime::GROUP, 0);
    bed.wait(|bed| bed.outcomes().iter().any(|outcome| outcome.command_id == command.command_id).then_some(()));
    bed.check_exactly_once();
    assert_eq!(bed.events().len(), 2);
}

#[test]
fn a_refusal_is_given_again_and_does_not_use_up_the_key() {
    let mut bed = Bed::running(1);
    let order = bed.order();
    bed.ask(order, "customer", create());
    let early = bed.command(order, "customer", CommandData::SubmitOrder {});
    assert_eq!(status(&bed.send(&early)), "not_allowed");
    bed.ask(order, "customer", attach());
    assert_eq!(status(&bed.send(&early)), "not_allowed", "the same request gets the same answer");
    let mut other = early.clone();
    other.data = CommandData::CancelOrder { reason: "no".into() };
    assert_eq!(status(&bed.send(&other)), "CANCELLED");
    bed.check_exactly_once();
}

#[test]
fn a_dry_run_says_what_would_happen_and_changes_nothing() {
    let mut bed = Bed::running(1);
    let order = bed.order();
    bed.ask(order, "customer", create());
    let mut would = bed.command(order, "customer", attach());
    would.dry_run = true;
    let OutcomeResult::Accepted { status, version, events, dry_run, .. } = bed.send(&would) else { panic!("refused") };
    assert_eq!((status.as_str(), version, events.as_slice(), dry_run), ("FILE_UPLOADED", 2, &["ModelAttached".to_owned()][..], true));
    assert_eq!(bed.events().len(), 1);
    would.dry_run = false;
    assert!(matches!(bed.send(&would), OutcomeResult::Accepted { repeated: false, .. }), "a dry run does not use up the key");
}
