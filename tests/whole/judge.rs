//! The independent reader itself: what it is there to see, it sees.

use atelier_schemas::Topic;
use atelier_tests::independent::{Books, check};

use crate::filled::{Filled, PARTITIONS, STEPS};

#[test]
fn what_is_doubled_left_out_or_not_kept_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let mut filled = Filled::open(folder.path());
    filled.live(0..20, 0..STEPS);
    let sound = check(filled.log());
    assert_eq!(sound.orders.len(), 20);

    let mut books = Books::new(PARTITIONS);
    books.read(filled.log());
    assert_eq!((books.take_violations(), books.unsettled(filled.log())), (vec![], vec![]));
    let order = books.orders.keys().next().unwrap().clone();
    let ack = |version: i64| serde_json::json!({"order_id": order, "version": version, "status": "INITIATED"});
    assert_eq!(books.unkept(&ack(1)), None);
    assert!(books.unkept(&ack(2)).unwrap().contains("INITIATED"), "another status");
    assert!(books.unkept(&ack(99)).is_some(), "a version that is not there");

    filled.again(Topic::Events, 0);
    books.read(filled.log());
    let broken = books.take_violations();
    assert!(broken.len() == 2 && broken[0].contains("has version 1 where") && broken[1].contains("twice"), "{broken:?}");
    assert!(books.unsettled(filled.log())[0].contains("+1 events"), "more than its outcome speaks of");

    filled.again(Topic::Outcomes, 1);
    books.read(filled.log());
    let broken = books.take_violations().join("\n");
    assert!(broken.contains("after a later one, or again") && broken.contains("took effect twice"), "{broken}");

    filled.again(Topic::Commands, 0);
    books.read(filled.log());
    assert!(books.unsettled(filled.log())[0].ends_with("has no outcome"), "nobody has decided it");
}
