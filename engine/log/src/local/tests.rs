//! Claims and shares.

use super::{Owners, Sharing, follow_share};
use crate::{Error, Membership, Polled};
use atelier_schemas::Topic;

fn worker(worker: u32, workers: u32, instance: Option<&str>) -> Membership {
    Membership { group: "engine".into(), instance: instance.map(str::to_owned), worker, workers }
}

fn assigned(polled: Option<Polled>) -> Vec<u32> {
    match polled {
        Some(Polled::Assigned(partitions)) => partitions,
        other => panic!("expected an assignment, got {other:?}"),
    }
}

fn revoked(polled: Option<Polled>) -> Vec<u32> {
    match polled {
        Some(Polled::Revoked(partitions)) => partitions,
        other => panic!("expected a revocation, got {other:?}"),
    }
}

#[test]
fn workers_split_the_partitions() {
    let mut owners = Owners::default();
    let first = owners.join(worker(0, 2, None), 5);
    let second = owners.join(worker(1, 2, None), 5);
    assert_eq!(assigned(owners.news("engine", first)), [0, 2, 4]);
    assert_eq!(assigned(owners.news("engine", second)), [1, 3]);
    assert!(owners.holds("engine", first, 2) && !owners.holds("engine", second, 2));
}

#[test]
fn nothing_is_held_before_its_owner_was_told() {
    let mut owners = Owners::default();
    let claim = owners.join(worker(0, 1, None), 1);
    assert!(!owners.holds("engine", claim, 0));
    assigned(owners.news("engine", claim));
    assert!(owners.holds("engine", claim, 0));
    owners.assign_anew("engine", claim, 0);
    assert!(!owners.holds("engine", claim, 0));
    assert_eq!(assigned(owners.news("engine", claim)), [0]);
    assert!(owners.holds("engine", claim, 0));
}

#[test]
fn a_newer_claim_fences_and_its_end_gives_back() {
    let mut owners = Owners::default();
    let old = owners.join(worker(0, 1, None), 2);
    assigned(owners.news("engine", old));
    let new = owners.join(worker(0, 1, None), 2);
    assert!(!owners.holds("engine", old, 0), "the fence does not wait for the old one to be told");
    assert_eq!(revoked(owners.news("engine", old)), [0, 1]);
    assert!(owners.news("engine", old).is_none());
    owners.leave("engine", new);
    assert_eq!(assigned(owners.news("engine", old)), [0, 1]);
}

#[test]
fn a_replaced_instance_gets_nothing_back() {
    let mut owners = Owners::default();
    let old = owners.join(worker(0, 1, Some("a")), 1);
    let new = owners.join(worker(0, 1, Some("a")), 1);
    assert!(owners.replaced("engine", old) && !owners.replaced("engine", new));
    owners.leave("engine", new);
    assert!(owners.news("engine", old).is_none());
    assert!(!owners.holds("engine", old, 0));
}

#[test]
fn a_partition_lost_and_regained_between_polls_is_told_as_both() {
    let mut owners = Owners::default();
    let claim = owners.join(worker(0, 1, None), 1);
    assigned(owners.news("engine", claim));
    owners.steal("engine", 0);
    owners.give_back("engine", 0);
    assert!(!owners.holds("engine", claim, 0), "its state may be old");
    assert_eq!(revoked(owners.news("engine", claim)), [0]);
    assert_eq!(assigned(owners.news("engine", claim)), [0]);
}

#[test]
fn a_theft_that_a_newer_claim_has_ended_is_not_given_back() {
    let mut owners = Owners::default();
    owners.steal("engine", 0);
    let old = owners.join(worker(0, 1, None), 1);
    assigned(owners.news("engine", old));
    owners.give_back("engine", 0);
    let new = owners.join(worker(0, 1, None), 1);
    assert_eq!(revoked(owners.news("engine", old)), [0], "it held the partition and has to be told");
    assert_eq!(assigned(owners.news("engine", new)), [0]);
}

#[test]
fn groups_do_not_touch_each_other() {
    let mut owners = Owners::default();
    let engine = owners.join(worker(0, 1, None), 1);
    assigned(owners.news("engine", engine));
    owners.join(Membership { group: "audit".into(), ..worker(0, 1, None) }, 1);
    assert!(owners.holds("engine", engine, 0));
}

#[test]
fn a_topic_is_shared_among_the_living() {
    let mut sharing = Sharing::default();
    let topic = Topic::PricingJobs;
    let first = sharing.join("pricing", topic);
    assert_eq!(sharing.share("pricing", topic, first, 3), [0, 1, 2]);
    let second = sharing.join("pricing", topic);
    assert_eq!(sharing.share("pricing", topic, first, 3), [0, 2]);
    assert_eq!(sharing.share("pricing", topic, second, 3), [1]);
    sharing.leave("pricing", topic, first);
    assert_eq!(sharing.share("pricing", topic, second, 3), [0, 1, 2]);
}

#[test]
fn a_kept_partition_keeps_its_position() {
    let mut positions = vec![(0, 7), (1, 9)];
    follow_share(&mut positions, &[1, 2], |partition| Ok(u64::from(partition) * 100)).unwrap();
    assert_eq!(positions, [(1, 9), (2, 200)]);
    assert!(follow_share(&mut positions, &[3], |_| Err(Error::Unavailable("gone".into()))).is_err());
    assert_eq!(positions, [(1, 9), (2, 200)]);
}
