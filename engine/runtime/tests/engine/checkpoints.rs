//! A checkpoint and the events after it are all events; what is in doubt is passed over.

use std::sync::Arc;

use atelier_domain::Policy;
use atelier_log::{Log, Record};
use atelier_runtime::checkpoint::{CheckpointStore, Checkpoints, Error, InMemory, KEPT, make};
use atelier_runtime::{EngineSettings, PartitionState, Restored, restore};
use atelier_schemas::{CommandData, Topic};
use uuid::Uuid;

use crate::bed::{Bed, attach, create, status};

fn settings(bed: &Bed) -> atelier_runtime::Settings {
    EngineSettings::new(bed.folder.path().to_owned(), Policy::default()).partition(&bed.log, 0)
}

fn made(bed: &Bed, store: &InMemory) -> String {
    make(&bed.log, store, &settings(bed), || false).unwrap().expect("there is something to cover").name
}

fn restored(bed: &Bed, store: Option<&InMemory>) -> Restored {
    restore(&bed.log, settings(bed), store.map(|store| store as &dyn CheckpointStore), || false).unwrap()
}

fn heads(store: &InMemory) -> Vec<String> {
    store.objects().keys().filter(|name| !name.contains("/part-")).cloned().collect()
}

/// One partition; orders that stand here and there, one that has ended, and a checkpoint after each of them.
fn some_checkpoints(orders: usize) -> (Bed, InMemory, Vec<Uuid>) {
    let (mut bed, store) = (Bed::running(1), InMemory::default());
    let mut ids = Vec::new();
    for number in 0..orders {
        let order = bed.order();
        ids.push(order);
        bed.ask(order, "customer", create());
        bed.ask(order, "customer", attach());
        match number % 3 {
            0 => bed.ask(order, "customer", CommandData::CancelOrder { reason: "no".into() }),
            1 => bed.ask(order, "customer", CommandData::SubmitOrder {}),
            _ => bed.ask(order, "seller", CommandData::HoldOrder { reason: "wait".into() }),
        };
        made(&bed, &store);
    }
    bed.ask(ids[1], "customer", CommandData::CancelOrder { reason: "no".into() });
    bed.stop();
    (bed, store, ids)
}

#[track_caller]
fn same(one: &PartitionState, other: &PartitionState, ids: &[Uuid]) {
    assert_eq!(format!("{one:?}"), format!("{other:?}"));
    for id in ids {
        assert_eq!(one.order(id).unwrap(), other.order(id).unwrap());
    }
}

#[test]
fn a_restore_reads_the_newest_checkpoint_and_the_events_after_it() {
    let (bed, store, ids) = some_checkpoints(6);
    let (all, tail) = (restored(&bed, None), restored(&bed, Some(&store)));
    assert_eq!((all.events, tail.events), (21, 1), "one event was written after the last checkpoint");
    assert_eq!(tail.checkpoint.as_ref(), heads(&store).last());
    same(&all.state, &tail.state, &ids);
    assert_eq!(heads(&store).len(), KEPT, "older ones are deleted");
}

#[test]
fn ended_orders_are_written_once() {
    let (bed, store, _) = some_checkpoints(3);
    let made = make(&bed.log, &store, &settings(&bed), || false).unwrap().unwrap();
    assert_eq!((made.events, made.orders), (1, 2), "the one that has ended since, and the one that is open");
    assert_eq!(make(&bed.log, &store, &settings(&bed), || false).unwrap(), None, "nothing new");
}

#[test]
fn a_damaged_checkpoint_is_passed_over_for_an_older_one_or_none() {
    let (bed, store, ids) = some_checkpoints(4);
    let all = restored(&bed, None);
    let good = store.objects().clone();
    for name in good.keys() {
        let half = good[name].len() / 2;
        for damage in ["cut off", "one bit", "gone", "another's"] {
            match damage {
                "cut off" => store.objects().get_mut(name).unwrap().truncate(half),
                "one bit" => store.objects().get_mut(name).unwrap()[half] ^= 1,
                "gone" => drop(store.objects().remove(name)),
                _ => drop(store.objects().insert(name.clone(), good.values().find(|bytes| **bytes != good[name]).unwrap().clone())),
            }
            let again = restored(&bed, Some(&store));
            same(&all.state, &again.state, &ids);
            assert_ne!(again.checkpoint.as_ref(), Some(name), "{damage}");
            *store.objects() = good.clone();
        }
    }
    // Of all of them the heads are gone wrong: every event is read.
    for head in heads(&store) {
        store.objects().get_mut(&head).unwrap()[20] ^= 1;
    }
    let again = restored(&bed, Some(&store));
    assert_eq!((again.checkpoint, again.events), (None, all.events));
}

#[test]
fn no_checkpoint_is_made_upon_one_that_lacks_a_part() {
    let (bed, store, ids) = some_checkpoints(4);
    let good = store.objects().clone();
    for part in good.keys().filter(|name| name.contains("/part-")) {
        *store.objects() = good.clone();
        store.objects().remove(part);
        write(&bed, "no order at all", b"something new".to_vec());
        let newest = made(&bed, &store);
        let (all, again) = (restored(&bed, None), restored(&bed, Some(&store)));
        assert_eq!(again.checkpoint, Some(newest), "without {part}");
        same(&all.state, &again.state, &ids);
    }
}

#[test]
fn checkpoints_of_another_log_are_not_used() {
    let (bed, store, _) = some_checkpoints(3);
    let mut longer = Bed::running(1);
    let order = longer.order();
    longer.ask(order, "customer", create());
    longer.stop();
    assert_eq!(restored(&longer, None).events, 1);
    let again = restored(&longer, Some(&store));
    // The same first event, and an end before that of the checkpoints.
    assert_eq!((again.checkpoint, again.events), (None, 1));
    // Longer than a checkpoint and with another history: its last event is not the one that lies there.
    longer.start();
    for _ in 0..40 {
        longer.ask(order, "seller", CommandData::HoldOrder { reason: "wait".into() });
        longer.ask(order, "seller", CommandData::ResumeOrder { reason: "go".into() });
    }
    longer.stop();
    assert!(longer.log.end(Topic::Events, 0).unwrap() > bed.log.end(Topic::Events, 0).unwrap());
    let again = restored(&longer, Some(&store));
    assert_eq!((again.checkpoint, again.events), (None, 81));
    // Another first event: another place.
    let mut other = Bed::running(1);
    other.order();
    let order = other.order();
    other.ask(order, "customer", create());
    other.stop();
    made(&other, &store);
    assert_eq!(heads(&store).len(), 4, "the other log's are left alone");
}

/// The orders that are set aside, sorted.
fn parked(state: &PartitionState) -> Vec<(String, String)> {
    let mut parked: Vec<_> = state.parked().map(|(key, why)| (key.to_owned(), why.to_owned())).collect();
    parked.sort();
    parked
}

fn skip(bed: &mut Bed, order: Uuid, offsets: &[u64]) -> String {
    let offsets = offsets.iter().map(|offset| i64::try_from(*offset).unwrap()).collect();
    status(&bed.ask(order, "admin", CommandData::SkipRecords { offsets, reason: "written by a stray script".into() })).to_owned()
}

#[test]
fn a_checkpoint_has_the_orders_that_are_set_aside_and_hides_none() {
    let (mut bed, store, ids) = some_checkpoints(5);
    let garbage = |bed: &Bed, key: Uuid| {
        let at = bed.log.end(Topic::Events, 0).unwrap();
        write(bed, &key.to_string(), b"no event".to_vec());
        at
    };
    // Of an order nobody knows, of one that has ended, of one that is open.
    let unknown = Uuid::from_u128(7);
    garbage(&bed, unknown);
    let ended_at = garbage(&bed, ids[0]);
    let open_at = garbage(&bed, ids[2]);
    assert_eq!(restored(&bed, Some(&store)).events, 4);
    let before = made(&bed, &store);
    let (all, tail) = (restored(&bed, None), restored(&bed, Some(&store)));
    assert_eq!((tail.checkpoint, tail.events, parked(&tail.state).len()), (Some(before), 0, 3));
    assert_eq!(parked(&all.state), parked(&tail.state));
    same(&all.state, &tail.state, &ids);

    // What follows in the tail and the next checkpoint, with and without the ended orders at hand.
    bed.checkpoints = Some(Checkpoints { store: Arc::new(store.clone()), every_events: u64::MAX });
    bed.start();
    assert_eq!(status(&bed.ask(ids[2], "seller", CommandData::ResumeOrder { reason: "go".into() })), "parked");
    assert_eq!(status(&bed.ask(ids[4], "seller", CommandData::HoldOrder { reason: "wait".into() })), "SUBMITTED");
    made(&bed, &store);
    assert_eq!(skip(&mut bed, ids[0], &[ended_at]), "CANCELLED");
    assert_eq!(skip(&mut bed, ids[2], &[open_at]), "FILE_UPLOADED");
    assert_eq!(skip(&mut bed, unknown, &[ended_at - 1]), "unknown_order", "there is no order to go on with");
    bed.stop();
    for _ in 0..2 {
        let (all, tail) = (restored(&bed, None), restored(&bed, Some(&store)));
        assert_eq!(parked(&tail.state).iter().map(|(key, _)| key.clone()).collect::<Vec<_>>(), [unknown.to_string()]);
        same(&all.state, &tail.state, &ids);
        let _ = make(&bed.log, &store, &settings(&bed), || false).unwrap();
    }
}

#[test]
fn more_unread_events_than_a_checkpoint_takes_are_in_none() {
    let (bed, store, ids) = some_checkpoints(2);
    for number in 0..5 {
        write(&bed, &Uuid::from_u128(number).to_string(), vec![b'x'; 900 << 10]);
    }
    let refused = make(&bed.log, &store, &settings(&bed), || false).unwrap_err();
    assert!(matches!(&refused, Error::Parked { order, .. } if *order == Uuid::from_u128(4).to_string()), "{refused}");
    let again = restored(&bed, Some(&store));
    assert_eq!((again.state.parked().count(), again.events), (5, 6), "the older one is used, and the events are seen");
    same(&restored(&bed, None).state, &again.state, &ids);
}

fn write(bed: &Bed, key: &str, payload: Vec<u8>) {
    drop(bed.log.append(Topic::Events, 0, atelier_log::NewRecord { key: key.into(), kind: "Stray", traceparent: None, payload }));
}

fn first_event(bed: &Bed) -> (Uuid, Vec<u8>) {
    let mut reader = bed.log.read(Topic::Events, &[(0, 0)]).unwrap();
    let record = reader.poll(1, std::time::Duration::from_secs(5)).unwrap().remove(0);
    (record.key.parse().unwrap(), record.payload)
}

#[test]
fn a_stray_record_under_no_orders_key_stops_no_order_and_no_checkpoint() {
    let (bed, store, ids) = some_checkpoints(3);
    write(&bed, "no order at all", b"no event".to_vec());
    made(&bed, &store);
    let (all, tail) = (restored(&bed, None), restored(&bed, Some(&store)));
    assert_eq!((tail.events, all.state.parked().count()), (0, 0));
    same(&all.state, &tail.state, &ids);
}

/// An order has one key. Under another spelling of its id nothing is ever decided, so nothing may be taken from the order.
#[test]
fn a_stray_record_under_another_spelling_of_an_orders_key_stops_no_order_and_no_checkpoint() {
    let (bed, store, ids) = some_checkpoints(3);
    let before = restored(&bed, None);
    let order = ids[2];
    for key in [order.to_string().to_uppercase(), order.as_simple().to_string(), order.as_urn().to_string(), order.as_braced().to_string()]
    {
        assert_ne!(key, order.to_string());
        write(&bed, &key, b"no event".to_vec());
    }
    made(&bed, &store);
    let (all, tail) = (restored(&bed, None), restored(&bed, Some(&store)));
    assert_eq!((tail.events, all.state.parked().count()), (0, 0));
    same(&before.state, &all.state, &ids);
    same(&all.state, &tail.state, &ids);
}

#[test]
fn a_stray_record_of_an_order_of_another_partition_stops_no_order_and_no_checkpoint() {
    let (bed, store) = (Bed::idle(2), InMemory::default());
    let elsewhere = (0_u128..).map(Uuid::from_u128).find(|id| atelier_schemas::partition_of(id, 2) == 1).unwrap();
    let here = (0_u128..).map(Uuid::from_u128).find(|id| atelier_schemas::partition_of(id, 2) == 0).unwrap();
    write(&bed, &elsewhere.to_string(), b"no event".to_vec());
    made(&bed, &store);
    assert_eq!(restored(&bed, None).state.parked().count(), 0);
    write(&bed, &here.to_string(), b"no event".to_vec());
    made(&bed, &store);
    let again = restored(&bed, Some(&store));
    assert_eq!((again.events, again.state.parked().count()), (0, 1));
}

#[test]
fn an_event_of_one_order_under_the_key_of_another_stops_the_one_it_lies_under() {
    let (bed, _, ids) = some_checkpoints(3);
    let (_, payload) = first_event(&bed);
    write(&bed, &ids[2].to_string(), payload);
    let state = restored(&bed, None).state;
    let parked: Vec<_> = state.parked().collect();
    assert_eq!((parked.len(), parked[0].0), (1, ids[2].to_string().as_str()));
    assert!(parked[0].1.contains("the key of the record is not the order it is about"), "{parked:?}");
}

/// To make the next checkpoint orders that have ended are not at hand, so a copy of the first event of one looks new.
#[test]
fn a_checkpoint_that_began_an_ended_order_afresh_is_not_used() {
    let (bed, store, ids) = some_checkpoints(4);
    let (ended, payload) = first_event(&bed);
    assert_eq!(ended, ids[0]);
    let before = made(&bed, &store);
    write(&bed, &ended.to_string(), payload);
    let hiding = made(&bed, &store);
    let (all, again) = (restored(&bed, None), restored(&bed, Some(&store)));
    assert_eq!(all.state.parked().map(|(key, _)| key.to_owned()).collect::<Vec<_>>(), [ended.to_string()]);
    assert_eq!(again.checkpoint, Some(before), "and not {hiding}");
    same(&all.state, &again.state, &ids[1..]);
}

/// The same to its end: both of it are among the ended ones, in parts of different checkpoints.
#[test]
fn a_checkpoint_in_which_an_order_ended_twice_is_not_used() {
    let (bed, store, ids) = some_checkpoints(4);
    let before = made(&bed, &store);
    let life: Vec<Record> = bed.records(Topic::Events).into_iter().filter(|record| record.key == ids[0].to_string()).collect();
    assert_eq!(life.len(), 3, "created, model, cancelled");
    for record in life {
        write(&bed, &record.key, record.payload);
    }
    let hiding = made(&bed, &store);
    let (all, again) = (restored(&bed, None), restored(&bed, Some(&store)));
    assert_eq!(all.state.parked().map(|(key, _)| key.to_owned()).collect::<Vec<_>>(), [ids[0].to_string()]);
    assert_eq!(again.checkpoint, Some(before), "and not {hiding}");
    same(&all.state, &again.state, &ids[1..]);
}

#[test]
fn an_engine_makes_checkpoints_and_goes_on_from_one() {
    let (mut bed, store) = (Bed::idle(1), InMemory::default());
    bed.checkpoints = Some(Checkpoints { store: Arc::new(store.clone()), every_events: 3 });
    bed.start();
    let order = bed.order();
    bed.ask(order, "customer", create());
    bed.ask(order, "customer", attach());
    let submit = bed.command(order, "customer", CommandData::SubmitOrder {});
    assert_eq!(status(&bed.send(&submit)), "SUBMITTED");
    bed.wait(|_| (!heads(&store).is_empty()).then_some(()));
    bed.stop();
    assert!(restored(&bed, Some(&store)).checkpoint.is_some());
    bed.start();
    assert_eq!(status(&bed.send(&submit)), "SUBMITTED", "the same answer");
    assert_eq!(status(&bed.ask(order, "customer", CommandData::CancelOrder { reason: "no".into() })), "CANCELLED");
    bed.check_exactly_once();
}

/// Red: the layout of orders, or what events make of them, has changed. Raise `LAYOUT` in `checkpoint/format.rs`, so that
/// no engine takes over what another one meant, and renew the names, which are hashes of the bytes, with
/// `ATELIER_WRITE_GOLDEN=1`.
#[test]
fn a_change_of_layout_or_fold_raises_the_layout() {
    let (_, store, _) = some_checkpoints(3);
    let names: Vec<String> = store.objects().keys().map(|name| format!("{name}\n")).collect();
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/engine/checkpoints.golden");
    if std::env::var_os("ATELIER_WRITE_GOLDEN").is_some() {
        std::fs::write(golden, names.concat()).unwrap();
    }
    assert_eq!(names.concat(), std::fs::read_to_string(golden).unwrap());
}
