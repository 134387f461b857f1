//! One job's way, good and bad.

use std::sync::Arc;
use std::time::Duration;

use atelier_log::memory::Fault;
use atelier_schemas::{Command, CommandData, Framed, PricingJob, Topic};
use uuid::Uuid;

use super::super::metrics::Ended;
use super::house::{House, RING, failure, wait_for};
use crate::book::PriceBook;
use crate::model::price_model;

#[tokio::test(flavor = "multi_thread")]
async fn a_granted_job_is_priced() {
    let mut house = House::new();
    let config = House::config();
    let metrics = config.metrics.clone();
    let worker = house.start(config);
    let job = house.ask_ring(1).await;

    let accept = house.expect("AcceptPricing");
    assert_eq!(accept.data, CommandData::AcceptPricing { attempt: 1, worker: "w1".into() });
    assert_eq!((accept.order_id, accept.correlation_id, &accept.traceparent), (job.order_id, job.correlation_id, &job.traceparent));
    assert_eq!((accept.actor.role.as_str(), accept.actor.name.as_str(), accept.time), ("worker", "w1", 5_000));
    house.seen.turns(3);
    assert_eq!(house.seen.commits(), [], "an undecided claim is not committed");
    house.accept(&accept).await;
    wait_for("the commit", || house.seen.commits() == [(0, 1)]);

    let complete = house.expect("CompletePricing");
    let quote = price_model("ring", RING, &job.item, &PriceBook::builtin(), &job.model.sha256).expect("price");
    assert_eq!(complete.data, CommandData::CompletePricing { attempt: 1, worker: "w1".into(), quote });
    assert_eq!((complete.correlation_id, &complete.traceparent), (job.correlation_id, &job.traceparent));
    house.accept(&complete).await;
    worker.drain().await;
    house.no_more_commands();
    assert_eq!(metrics.jobs_ended(Ended::Priced), 1);
    let preview = house.blobs.get_preview(&job.model.sha256).await.expect("store").expect("stored");
    assert_eq!(&preview[..8], b"\x89PNG\r\n\x1a\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_has_a_picture_is_not_drawn_again() {
    let mut house = House::new();
    let worker = house.start(House::config());
    let job = house.ask_ring(1).await;
    let accept = house.expect("AcceptPricing");
    house.blobs.put_preview(&job.model.sha256, "drawn before".into()).await.expect("stored");
    house.accept(&accept).await;
    let complete = house.expect("CompletePricing");
    house.accept(&complete).await;
    worker.drain().await;
    assert_eq!(house.blobs.get_preview(&job.model.sha256).await.expect("store"), Some("drawn before".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_priced_is_told_with_its_kind() {
    let mut house = House::new();
    let config = House::config();
    let metrics = config.metrics.clone();
    let worker = house.start(config);
    let cases: [(&str, &[u8], &str, &str, bool); 4] = [
        ("stl", b"PK\x03\x04", "unreadable_model", "not an STL file", false),
        ("3mf", b"PK\x03\x04", "unsupported_format", "quote this order by hand", false),
        ("obj", b"v 0 0 0", "unsupported_format", "quote this order by hand", false),
        ("ring", b"{\"width_mm\":4}", "unreadable_model", "missing field", false),
    ];
    for ((format, bytes, code, words, retryable), order) in cases.into_iter().zip(1..) {
        house.ask(order, format, bytes).await;
        let accept = house.expect("AcceptPricing");
        house.accept(&accept).await;
        let fail = house.expect("FailPricing");
        let (said, detail, again) = failure(&fail);
        assert_eq!((said, again), (code, retryable), "{detail}");
        assert!(detail.contains(words), "{detail}");
        house.accept(&fail).await;
    }
    worker.drain().await;
    assert_eq!(metrics.jobs_ended(Ended::Failed), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_the_models_fault_is_told_too() {
    let mut house = House::new();
    let worker = house.start(House::config());
    let template = House::new().ask_ring(1).await;
    let (mut missing, mut large, mut unknown) = (template.clone(), template.clone(), template);
    missing.model.sha256 = "0".repeat(64);
    large.model.size_bytes = 65 << 20;
    unknown.item.material = "unobtainium".to_owned();
    house.blobs.put(RING.into()).await.expect("stored");
    for (job, code, words, retryable) in [
        (missing, "missing_model", "upload it again", true),
        (large, "too_large", "by hand", false),
        (unknown, "unknown_material", "no material \"unobtainium\"", false),
    ] {
        house.append(Topic::PricingJobs, &job.order_id, "PricingJob", job.encode()).await;
        let accept = house.expect("AcceptPricing");
        house.accept(&accept).await;
        let fail = house.expect("FailPricing");
        let (said, detail, again) = failure(&fail);
        assert_eq!((said, again), (code, retryable), "{detail}");
        assert!(detail.contains(words), "{detail}");
        house.accept(&fail).await;
    }
    worker.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_while_measuring_costs_one_attempt() {
    let mut house = House::new();
    let worker = house.start_measuring(House::config(), Arc::new(|_, _, _| panic!("planted by the test")));
    for order in 1..=2 {
        house.ask_ring(order).await;
        let accept = house.expect("AcceptPricing");
        house.accept(&accept).await;
        let fail = house.expect("FailPricing");
        let (code, detail, retryable) = failure(&fail);
        assert_eq!((code, retryable), ("internal", true));
        assert!(!detail.contains("planted"), "{detail}");
        house.accept(&fail).await;
    }
    worker.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_claim_is_skipped_and_committed() {
    let mut house = House::new();
    let config = House::config();
    let metrics = config.metrics.clone();
    let worker = house.start(config);
    house.ask_ring(1).await;
    let accept = house.expect("AcceptPricing");
    house.refuse(&accept, "stale_attempt").await;
    wait_for("the commit", || house.seen.commits() == [(0, 1)]);
    // The next command is about the next job: the first one is over.
    let job = house.ask_ring(2).await;
    let next = house.expect("AcceptPricing");
    assert_eq!(next.order_id, job.order_id);
    house.refuse(&next, "not_allowed").await;
    wait_for("the second skip", || metrics.jobs_ended(Ended::Skipped) == 2);
    worker.drain().await;
    house.no_more_commands();
}

fn attempt_asked_for(command: &Command) -> i32 {
    let CommandData::AcceptPricing { attempt, .. } = command.data else { panic!("{command:?}") };
    attempt
}

/// Whichever dispatch of an order comes to its turn first, it is priced then.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_nobody_took_in_time_is_done_as_the_attempt_that_is_free() {
    let mut house = House::new();
    let config = House::config();
    let metrics = config.metrics.clone();
    let worker = house.start(config);
    let job = house.ask_ring(1).await;
    let first = house.expect("AcceptPricing");
    assert_eq!(attempt_asked_for(&first), 1);
    house.offer(&first, 3).await;
    let second = house.expect("AcceptPricing");
    assert_eq!(attempt_asked_for(&second), 3);
    // Dispatched once more while the worker asked.
    house.offer(&second, 4).await;
    let third = house.expect("AcceptPricing");
    assert_eq!(attempt_asked_for(&third), 4);
    house.accept(&third).await;
    let complete = house.expect("CompletePricing");
    assert!(matches!(&complete.data, CommandData::CompletePricing { attempt: 4, .. }), "{complete:?}");
    house.accept(&complete).await;
    wait_for("the commit", || house.seen.commits() == [(0, 1)]);

    // The jobs of the later attempts may lie with the same worker. They ask for themselves: the grant was not theirs.
    for attempt in [3, 4] {
        let later = PricingJob { attempt, ..job.clone() };
        house.append(Topic::PricingJobs, &job.order_id, "PricingJob", later.encode()).await;
        let asked = house.expect("AcceptPricing");
        assert_eq!(attempt_asked_for(&asked), attempt);
        assert!(![&second, &third].iter().any(|before| before.command_id == asked.command_id), "another command");
        house.refuse(&asked, "not_allowed").await;
    }
    wait_for("both to be skipped", || metrics.jobs_ended(Ended::Skipped) == 2);
    assert_eq!(metrics.jobs_ended(Ended::Priced), 1);
    worker.drain().await;
    house.no_more_commands();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unanswered_command_is_sent_again_as_the_same_command() {
    let mut house = House::new();
    house.ask_ring(1).await;
    // The worker's first append fails, its second one is not answered.
    house.log.inject(Fault::RefuseAppend);
    let worker = house.start(super::WorkerConfig { command_wait: Duration::from_millis(20), ..House::config() });
    let first = house.expect("AcceptPricing");
    let second = house.expect("AcceptPricing");
    assert_eq!(first, second);
    house.accept(&first).await;
    // Retries that were on their way are followed by the result, which is repeated as the same one too.
    let complete = loop {
        let command = house.next();
        if command.type_name == "CompletePricing" {
            break command;
        }
        assert_eq!(command, first);
    };
    assert_eq!(house.expect("CompletePricing"), complete);
    house.accept(&complete).await;
    worker.drain().await;
    // Another step is another command.
    assert_ne!(first.command_id, complete.command_id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_cannot_be_read_is_passed_over() {
    let mut house = House::new();
    let config = House::config();
    let metrics = config.metrics.clone();
    let worker = house.start(config);
    house.append(Topic::PricingJobs, &Uuid::from_u128(1), "PricingJob", b"not avro".to_vec()).await;
    wait_for("the commit", || house.seen.commits() == [(0, 1)]);
    assert_eq!(metrics.jobs_ended(Ended::Unreadable), 1);
    house.ask_ring(2).await;
    let accept = house.expect("AcceptPricing");
    house.refuse(&accept, "not_allowed").await;
    worker.drain().await;
}
