//! An open order fits into 1 KiB, with its place in the map and its timer.

use atelier_domain::Policy;
use atelier_log::{CommandRecord, Log, client::record_of};
use atelier_runtime::{PartitionState, Settings};
use atelier_schemas::CommandData;

use crate::bed::{Bed, attach, create};

#[test]
fn an_open_order_takes_at_most_one_kibibyte() {
    let mut bed = Bed::idle(1);
    let settings = Settings {
        partition: 0,
        partitions: 1,
        policy: Policy::default().into(),
        max_payload_bytes: bed.log.max_payload_bytes(),
        index_folder: bed.folder.path().to_owned(),
    };
    let mut state = PartitionState::new(settings, 0).unwrap();
    let mut offset = 0;
    for _ in 0..5000 {
        let order = bed.order();
        let steps = [("customer", create()), ("customer", attach()), ("customer", CommandData::SubmitOrder {})].into_iter().chain(worked());
        for (role, data) in steps {
            let command = bed.command(order, role, data);
            let record = record_of(&command);
            let record = CommandRecord { partition: 0, offset, key: record.key, payload: record.payload };
            let _ = state.decide(vec![record], 1_000_000).unwrap();
            offset += 1;
        }
    }
    assert_eq!(state.open_orders(), 5000);
    let bytes = state.memory_bytes() / state.open_orders();
    assert!(bytes <= 1024, "{bytes} bytes per open order");
}

fn worked() -> impl Iterator<Item = (&'static str, CommandData)> {
    let price = atelier_schemas::Money { minor: 100, currency: "EUR".into() };
    [
        ("seller", CommandData::QuoteOrder { price, reason: "by hand".into() }),
        ("seller", CommandData::HoldOrder { reason: "wait".into() }),
        ("seller", CommandData::ResumeOrder { reason: "go".into() }),
        ("seller", CommandData::ApproveOrder { reason: None }),
        ("operator", CommandData::ClaimWork {}),
        ("operator", CommandData::StartWork {}),
        ("operator", CommandData::CompleteWork {}),
        ("operator", CommandData::PackOrder {}),
        ("operator", CommandData::ShipOrder { carrier: "carrier".into(), tracking: "P0123456789".into() }),
    ]
    .into_iter()
}
