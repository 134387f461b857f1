//! The answers to commands can be asked for later.

use atelier_log::memory::Memory;
use atelier_log::{Log, NewRecord};
use atelier_projections::ParkedFilter;
use atelier_schemas::{Framed, Outcome, OutcomeResult, Topic, partition_of};
use uuid::Uuid;

use crate::bed::{Bed, assert_same, run, settle};
use crate::script::id;

const WEEK_MS: i64 = 7 * 24 * 3600 * 1000;

pub(crate) fn outcome(command: u128, order: Uuid, time: i64, version: i64) -> Outcome {
    Outcome {
        command_id: Uuid::from_u128(command),
        order_id: order,
        type_name: "SubmitOrder".into(),
        command_offset: 7,
        time,
        correlation_id: Uuid::from_u128(command),
        traceparent: None,
        result: OutcomeResult::Accepted {
            status: "SUBMITTED".into(),
            version,
            events: vec!["OrderSubmitted".into()],
            repeated: version != 3,
            dry_run: false,
        },
    }
}

pub(crate) async fn append(log: &Memory, order: Uuid, payload: Vec<u8>) {
    let record = NewRecord { key: order.to_string(), kind: "Outcome", traceparent: None, payload };
    log.append(Topic::Outcomes, partition_of(&order, log.partitions()), record).await.expect("the log takes it");
}

/// A refusal does not use up a key: the same command may be sent again, mended, and be carried out.
#[tokio::test(flavor = "multi_thread")]
async fn an_acceptance_takes_the_place_of_a_refusal_and_keeps_it() {
    for bed in Bed::both() {
        let log = Memory::new(1);
        let store = bed.store().await;
        let queries = store.queries();
        let runner = run(&store, &log);
        let order = id(1);
        let mut refused = outcome(1, order, 5, 3);
        refused.result = OutcomeResult::Refused {
            code: "invalid".into(),
            detail: "quantity: is 0".into(),
            field: Some("quantity".into()),
            fix: "order at least one".into(),
            status: None,
            version: None,
            allowed: Vec::new(),
            attempt: None,
        };
        append(&log, order, refused.encode()).await;
        settle(&runner, &log).await;
        assert_eq!(queries.outcome(Uuid::from_u128(1)).await.unwrap().as_ref(), Some(&refused), "{}", bed.name);
        let accepted = outcome(1, order, 6, 3);
        for answer in [&accepted, &refused, &outcome(1, order, 7, 4)] {
            append(&log, order, answer.encode()).await;
            settle(&runner, &log).await;
            assert_eq!(queries.outcome(Uuid::from_u128(1)).await.unwrap().as_ref(), Some(&accepted), "{}", bed.name);
        }
        // All of it at once, as who builds the rows anew reads it.
        let anew = Bed::sqlite();
        let store = anew.store().await;
        let again = run(&store, &log);
        settle(&again, &log).await;
        assert_eq!(store.queries().outcome(Uuid::from_u128(1)).await.unwrap(), Some(accepted));
        again.drain().await;
        runner.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_answer_is_kept_for_a_week() {
    let mut dumps = Vec::new();
    for bed in Bed::both() {
        let log = Memory::new(2);
        log.advance_ms(100 * WEEK_MS);
        let store = bed.store().await;
        let queries = store.queries();
        let runner = run(&store, &log);
        let order = id(1);
        let first = outcome(1, order, 100 * WEEK_MS, 3);
        append(&log, order, first.encode()).await;
        append(&log, order, b"garbage".to_vec()).await;
        append(&log, order, outcome(1, order, 100 * WEEK_MS + 5, 4).encode()).await;
        // A clock gone wrong does not make everything else old.
        append(&log, order, outcome(2, order, 900 * WEEK_MS, 3).encode()).await;
        settle(&runner, &log).await;
        assert_eq!(queries.outcome(Uuid::from_u128(1)).await.unwrap(), Some(first), "{}", bed.name);
        assert!(queries.outcome(Uuid::from_u128(2)).await.unwrap().is_some());
        assert_eq!(queries.outcome(Uuid::from_u128(9)).await.unwrap(), None);
        let parked = queries.parked(&ParkedFilter { limit: Some(200), ..ParkedFilter::default() }).await.unwrap().items;
        assert_eq!(
            parked.iter().map(|parked| (parked.model.as_str(), parked.offset, parked.skipped)).collect::<Vec<_>>(),
            [("outcomes", 1, 0)]
        );

        log.advance_ms(WEEK_MS + 1);
        append(&log, order, outcome(3, order, 101 * WEEK_MS + 1, 3).encode()).await;
        settle(&runner, &log).await;
        assert_eq!(queries.outcome(Uuid::from_u128(1)).await.unwrap(), None, "{}", bed.name);
        assert!(queries.outcome(Uuid::from_u128(3)).await.unwrap().is_some());
        runner.drain().await;
        dumps.push(bed.dump().await);
    }
    assert_same(&dumps[0], &dumps[1], "SQLite against PostgreSQL");
}
