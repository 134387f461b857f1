//! What was decided is what is restored.

use atelier_domain::Policy;
use atelier_log::Log;
use atelier_runtime::{PartitionState, Settings, restore};
use atelier_schemas::{CommandData, OutcomeResult};

use crate::bed::{Bed, attach, create, quote, status};

fn settings(bed: &Bed, partition: u32) -> Settings {
    Settings {
        partition,
        partitions: bed.log.partitions(),
        policy: Policy::default().into(),
        max_payload_bytes: bed.log.max_payload_bytes(),
        index_folder: bed.folder.path().to_owned(),
    }
}

fn restored(bed: &Bed) -> PartitionState {
    restore(&bed.log, settings(bed, 0), None, || false).unwrap().state
}

fn walk(bed: &mut Bed, close: bool) -> uuid::Uuid {
    let order = bed.order();
    let worker = || "w".to_owned();
    let mut steps = vec![
        ("customer", create()),
        ("customer", attach()),
        ("customer", CommandData::SubmitOrder {}),
        ("worker", CommandData::AcceptPricing { attempt: 1, worker: worker() }),
        ("worker", CommandData::HeartbeatPricing { attempt: 1, worker: worker(), progress_percent: 50 }),
        ("worker", CommandData::CompletePricing { attempt: 1, worker: worker(), quote: quote() }),
        ("seller", CommandData::ApproveOrder { reason: None }),
        ("operator", CommandData::ClaimWork {}),
        ("operator", CommandData::StartWork {}),
    ];
    if close {
        steps.extend([
            ("operator", CommandData::CompleteWork {}),
            ("operator", CommandData::PackOrder {}),
            ("operator", CommandData::ShipOrder { carrier: "c".into(), tracking: "t".into() }),
            ("carrier", CommandData::DeliverOrder { carrier: "c".into(), tracking: "t".into(), delivered_at: 1 }),
        ]);
    }
    for (role, data) in steps {
        let result = bed.ask(order, role, data);
        assert!(matches!(result, OutcomeResult::Accepted { .. }), "{result:?}");
    }
    order
}

#[test]
fn the_state_of_a_restored_partition_answers_like_the_one_before() {
    let mut bed = Bed::running(1);
    let open = walk(&mut bed, false);
    let closed = walk(&mut bed, true);
    let repeat = bed.command(open, "operator", CommandData::CompleteWork {});
    assert_eq!(status(&bed.send(&repeat)), "MANUFACTURING_COMPLETED");
    bed.stop();

    let state = restored(&bed);
    assert_eq!((state.open_orders(), state.closed_orders()), (1, 1), "ended orders are not in memory");
    assert_eq!(state.order(&closed).unwrap().unwrap().status().as_str(), "CLOSED");
    let order = state.order(&open).unwrap().unwrap();
    assert_eq!((order.status().as_str(), order.version), ("MANUFACTURING_COMPLETED", 11));
    assert_eq!(state.next_command(), bed.log.committed(atelier_runtime::GROUP, 0).unwrap());

    bed.start();
    assert!(matches!(bed.send(&repeat), OutcomeResult::Accepted { repeated: true, version: 11, .. }), "answers survive");
    let late = bed.ask(closed, "seller", CommandData::HoldOrder { reason: "late".into() });
    assert_eq!(status(&late), "not_allowed", "an ended order refuses by name");
    bed.check_exactly_once();
}

#[test]
fn a_repeated_command_of_an_ended_order_gets_its_first_answer() {
    let mut bed = Bed::running(1);
    let order = bed.order();
    bed.ask(order, "customer", create());
    let cancel = bed.command(order, "customer", CommandData::CancelOrder { reason: "no".into() });
    assert_eq!(status(&bed.send(&cancel)), "CANCELLED");
    bed.stop();
    bed.start();
    assert!(matches!(bed.send(&cancel), OutcomeResult::Accepted { repeated: true, version: 2, .. }));
    let mut other = cancel.clone();
    other.data = CommandData::CancelOrder { reason: "another".into() };
    assert_eq!(status(&bed.send(&other)), "key_reused", "also after a restart");
}

#[test]
fn a_gap_in_the_versions_parks_the_order() {
    let mut bed = Bed::running(1);
    let order = bed.order();
    bed.ask(order, "customer", create());
    bed.ask(order, "customer", attach());
    bed.stop();
    let mut state = PartitionState::new(settings(&bed, 0), 0).unwrap();
    let records = bed.records(atelier_schemas::Topic::Events);
    state.replay(&records[1]).unwrap();
    let parked: Vec<_> = state.parked().collect();
    assert_eq!(parked, [(order.to_string().as_str(), "event 2 follows event 0")]);
}
